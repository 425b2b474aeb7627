"""Client transactions: retransmission, timeouts, limits, stray responses (RFC 3261 §17.1)."""

import pytest

from msilod.sip.message import Request
from msilod.sip.parser import parse
from msilod.transaction.client_transaction import ClientTransaction
from tests.transaction.link import TCP_FLOW, UDP_FLOW, Side, answer_to, outgoing


def test_timer_e_doubles_to_t2_and_timer_f_ends_it() -> None:
    side = Side()
    side.layer.request(outgoing(), UDP_FLOW, side, 0.0, b"z9hG4bKa")
    assert side.run_until(100.0) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert side.heard == [("timeout", 32000)]
    assert len(set(side.sent)) == 1
    assert b"Via: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bKa\r\n" in side.sent[0]


def test_timer_a_doubles_without_end_and_timer_b_ends_it() -> None:
    side = Side()
    side.layer.request(outgoing("INVITE"), UDP_FLOW, side, 0.0, b"z9hG4bKa")
    assert side.run_until(100.0) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert side.heard == [("timeout", 32000)]


def test_timer_e_is_t2_in_proceeding() -> None:
    side = Side()
    side.layer.request(outgoing(), UDP_FLOW, side, 0.0, b"z9hG4bKa")
    side.receive(answer_to(side.sent[0], 100), 0.1)
    assert side.run_until(13.0) == [0.5, 4.5, 8.5, 12.5]
    assert side.heard == [("response", 100)]


def test_a_stream_has_no_retransmissions_but_timer_f_runs() -> None:
    side = Side()
    side.layer.request(outgoing(), TCP_FLOW, side, 0.0, b"z9hG4bKa")
    assert side.run_until(100.0) == []
    assert side.heard == [("timeout", 32000)]


def test_x3_a_final_answer_ends_the_transaction_and_a_stray_answer_is_dropped() -> None:
    side = Side()
    side.layer.request(outgoing(), UDP_FLOW, side, 0.0, b"z9hG4bKa")
    answer = answer_to(side.sent[0], 200)
    for _ in range(2):
        side.receive(answer, 1.0)
    assert side.heard == [("response", 200)]
    assert side.layer.stray_responses == 1
    assert side.run_until(100.0) == []


def test_x3_the_method_of_cseq_must_match() -> None:
    side = Side()
    side.layer.request(outgoing(), UDP_FLOW, side, 0.0, b"z9hG4bKa")
    side.receive(answer_to(side.sent[0], 200).replace(b"1 MESSAGE", b"1 INFO"), 1.0)
    assert side.heard == []


def test_x6_the_branch_limit_fires_once_and_the_transaction_goes_on() -> None:
    side = Side()
    side.layer.request(outgoing(), UDP_FLOW, side, 0.0, b"z9hG4bKa", 10.0)
    side.run_until(20.0)
    assert side.heard == [("limit", 10000)]
    side.receive(answer_to(side.sent[0], 200), 20.0)
    assert side.heard == [("limit", 10000), ("response", 200)]


def test_a_short_limit_on_a_stream() -> None:
    side = Side()
    side.layer.request(outgoing(), TCP_FLOW, side, 0.0, b"z9hG4bKa", 0.25)
    side.run_until(1.0)
    assert side.heard == [("limit", 250)]


def test_a_ringing_invite_has_no_limit_and_no_timer_b() -> None:
    side = Side()
    side.layer.request(outgoing("INVITE"), UDP_FLOW, side, 0.0, b"z9hG4bKa", 10.0)
    side.receive(answer_to(side.sent[0], 180), 1.0)
    assert side.run_until(300.0) == []
    assert side.heard == [("response", 180)]


def test_t9_icmp_fails_a_branch_at_once() -> None:
    side = Side()
    side.layer.request(outgoing(), UDP_FLOW, side, 0.0, b"z9hG4bKa")
    side.layer.transport_failed(b"z9hG4bKa", 0.1)
    side.layer.transport_failed(b"z9hG4bKunknown", 0.1)
    assert side.heard == [("transport", 100)]
    assert side.run_until(100.0) == []


def test_an_unsendable_request_is_reported_at_the_next_timeout_never_from_request() -> None:
    side = Side(is_down=True)
    side.layer.request(outgoing(), UDP_FLOW, side, 5.0, b"z9hG4bKa")
    assert side.heard == []
    assert side.layer.next_deadline() == 5.0
    side.layer.handle_timeout(5.0)
    assert side.heard == [("transport", 5000)]


def test_a_closed_flow_fails_the_transactions_on_the_flow() -> None:
    side = Side()
    side.layer.request(outgoing(), TCP_FLOW, side, 0.0, b"z9hG4bKa")
    side.layer.request(outgoing(), UDP_FLOW, side, 0.0, b"z9hG4bKb")
    side.layer.flow_closed(TCP_FLOW, 1.0)
    assert side.heard == [("transport", 1000)]
    assert side.layer.open_transactions == 1


# --- INVITE ------------------------------------------------------------------------------------------


def _sent_methods(side: Side) -> list[bytes]:
    return [message.method for message in map(parse, side.sent) if isinstance(message, Request)]


def test_x7_a_failure_is_acknowledged_on_the_same_branch_each_time() -> None:
    side = Side()
    side.layer.request(outgoing("INVITE"), UDP_FLOW, side, 0.0, b"z9hG4bKa")
    failure = answer_to(side.sent[0], 486, b"busy")
    for _ in range(2):
        side.receive(failure, 1.0)
    assert _sent_methods(side) == [b"INVITE", b"ACK", b"ACK"]
    ack = parse(side.sent[1])
    assert isinstance(ack, Request)
    assert ack.via.branch == b"z9hG4bKa"
    assert ack.to.tag == b"busy"
    assert side.heard == [("response", 486)], "the copy is acknowledged, not told"


def test_x8_every_2xx_is_reported() -> None:
    side = Side()
    side.layer.request(outgoing("INVITE"), UDP_FLOW, side, 0.0, b"z9hG4bKa")
    answer = answer_to(side.sent[0], 200)
    for _ in range(2):
        side.receive(answer, 1.0)
    assert side.heard == [("response", 200)] * 2
    assert _sent_methods(side) == [b"INVITE"]


def test_9_1_a_cancel_waits_for_a_provisional_answer() -> None:
    side = Side()
    transaction = side.layer.request(outgoing("INVITE"), UDP_FLOW, side, 0.0, b"z9hG4bKa")
    side.layer.cancel(transaction, 0.1)
    assert _sent_methods(side) == [b"INVITE"]
    side.receive(answer_to(side.sent[0], 180), 1.0)
    assert _sent_methods(side) == [b"INVITE", b"CANCEL"]
    side.receive(answer_to(side.sent[1], 200), 1.1)
    side.receive(answer_to(side.sent[0], 487), 1.2)
    assert _sent_methods(side) == [b"INVITE", b"CANCEL", b"ACK"]
    assert side.heard == [("response", 180), ("response", 487)]


class _Broken(Side):
    """An owner that raises at the end of its transaction."""

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        raise ValueError("timeout")

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        raise ValueError("transport")


@pytest.mark.parametrize("end", ["timeout", "transport"])
def test_an_owner_that_raises_does_not_stop_the_timers_of_other_owners(end: str) -> None:
    side, told = Side(), []
    side.layer.report(lambda error: told.append(str(error)))
    for branch, owner in ((b"z9hG4bKa", _Broken()), (b"z9hG4bKb", side), (b"z9hG4bKc", _Broken())):
        side.layer.request(outgoing(), TCP_FLOW, owner, 0.0, branch)
    if end == "transport":
        side.layer.flow_closed(TCP_FLOW, 1.0)
    side.run_until(100.0)
    assert [word for word, _ in side.heard] == [end]
    assert told == [end, end]
    assert side.layer.open_transactions == 0


def test_without_a_report_function_the_caller_gets_the_exception() -> None:
    side = Side()
    side.layer.request(outgoing(), TCP_FLOW, _Broken(), 0.0, b"z9hG4bKa")
    with pytest.raises(ValueError, match="timeout"):
        side.run_until(100.0)

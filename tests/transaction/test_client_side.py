"""Client transactions: the added Via, matching, the limit, failures (checklist X3, X6, X7, T9)."""

import pytest

from msilod.sip.message import Response
from msilod.transaction.client_transaction import ClientTransaction
from tests.transaction.station import (
    BOB,
    BOB_TCP,
    OURS,
    START,
    Station,
    answer,
    message,
    received,
    response,
)  # fmt: skip

# --- sending -----------------------------------------------------------------------------------------


def test_the_added_via_is_on_top_with_rport_on_udp() -> None:
    station = Station()
    transaction = station.asks()
    vias = station.sent_request().headers.get_all(b"via")
    assert vias[0] == b"SIP/2.0/UDP 192.0.2.1:5060;rport;branch=" + OURS
    assert vias[1].startswith(b"SIP/2.0/UDP 192.0.2.17:5071;")
    assert (transaction.branch, transaction.started, transaction.flow) == (OURS, START, BOB)


def test_the_added_via_has_no_rport_on_streams() -> None:
    station = Station()
    station.asks(flow=BOB_TCP)
    assert station.sent_request().headers.get(b"via") == b"SIP/2.0/TCP 192.0.2.1:5060;branch=" + OURS
    assert station.sent[0][2] is BOB_TCP


# --- responses ---------------------------------------------------------------------------------------


def test_the_user_gets_a_response_without_the_added_via() -> None:
    station = Station()
    station.asks()
    station.hears_answer(200)
    (given,) = station.responses()
    assert given.headers.get_all(b"via") == [station.sent_request().headers.get_all(b"via")[1]]


def test_a_response_to_a_request_of_the_daemon_has_no_via_left() -> None:
    station = Station()
    station.asks(via=False)
    station.hears_answer(200)
    assert station.responses()[0].via is None
    assert b"via" not in station.responses()[0].headers


def test_provisional_and_final_responses_are_reported() -> None:
    station = Station()
    transaction = station.asks()
    station.hears_answer(100)
    assert transaction.state.name == "PROCEEDING"
    station.hears_answer(486)
    assert [given.status for given in station.responses()] == [100, 486]
    assert transaction.state.name == "COMPLETED"


def test_x3_a_response_without_a_transaction_is_dropped_and_counted() -> None:
    station = Station()
    station.asks()
    request = station.requests()[0]
    stray = [
        answer(request.replace(OURS, b"z9hG4bKother"), 200),
        answer(request, 200).replace(b"20 MESSAGE", b"20 OPTIONS"),
        answer(request, 200).replace(b"20 MESSAGE", b"20 CANCEL"),
        answer(request.replace(b";branch=" + OURS, b""), 200),
    ]
    for data in stray:
        station.hears_response(data)
    assert station.layer.stray_responses == len(stray)
    assert station.told == []
    station.hears_answer(200)
    assert station.words() == ["response"]


def test_x3_a_response_after_timer_f_is_not_reported() -> None:
    station = Station()
    station.asks()
    station.after(40)
    station.hears_answer(200)
    assert station.words() == ["timeout"]
    assert len(station.requests()) == len(station.sent)


def test_x3_copies_of_a_final_response_are_stray() -> None:
    station = Station()
    station.asks()
    station.hears_answer(200)
    station.hears_answer(200)
    station.hears_answer(100)
    assert station.words() == ["response"]
    assert station.layer.stray_responses == 2


def test_a_response_without_any_via_is_stray() -> None:
    station = Station()
    given = response(answer(message(), 200))
    given.via = None
    station.layer.receive_response(given, BOB, station.now)
    assert station.layer.stray_responses == 1


def test_x6_the_limit_leaves_the_transaction_alive_for_a_late_2xx() -> None:
    station = Station()
    transaction = station.asks(limit=10.0)
    station.after(20)
    assert station.words() == ["limit"]
    assert transaction.state.name == "TRYING"
    station.hears_answer(200)
    assert station.words() == ["limit", "response"]


def test_a_finished_transaction_is_forgotten_at_once() -> None:
    station = Station()
    for number in range(100):
        branch = b"z9hG4bK%d" % number
        station.asks(branch=branch)
        station.hears_answer(200, station.requests()[-1])
    assert station.layer.open_transactions == 0
    assert station.layer._clients._live == {}


def test_a_branch_can_be_used_again_later() -> None:
    station = Station()
    station.asks()
    station.hears_answer(200)
    station.after(0.25)
    station.asks()
    station.after(0.25)
    # The alarm of the first transaction does not fire in the second.
    assert station.times(b"MESSAGE") == [0.0, 0.25]
    station.after(0.25)
    assert station.times(b"MESSAGE") == [0.0, 0.25, 0.75]


@pytest.mark.parametrize(
    ("status", "state"), [(199, "PROCEEDING"), (200, "ACCEPTED"), (299, "ACCEPTED"), (300, "COMPLETED")]
)
def test_an_invite_is_accepted_with_a_2xx_only(status: int, state: str) -> None:
    station = Station()
    invite = station.asks(b"INVITE")
    station.hears_answer(status)
    assert invite.state.name == state


# --- failures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [b"INVITE", b"MESSAGE"])
def test_x7_an_unsendable_request_is_reported_at_the_next_timeout_and_not_before(method: bytes) -> None:
    station = Station()
    station.is_broken = True
    transaction = station.asks(method)
    assert station.told == []
    deadline = station.layer.next_deadline()
    assert deadline is not None
    assert deadline <= station.now
    station.layer.handle_timeout(station.now)
    assert station.told == [(station.now, "transport error", transaction)]
    station.advance(START + 100)
    assert station.words() == ["transport error"]


def test_x7_an_unsendable_retransmission_is_reported() -> None:
    station = Station()
    station.asks()
    station.is_broken = True
    station.after(0.5)
    assert station.words() == ["transport error"]
    assert station.layer.open_transactions == 0


def test_t9_icmp_fails_the_branch_at_once() -> None:
    station = Station()
    station.asks()
    station.layer.transport_failed(b"z9hG4bKother", station.now)
    assert station.told == []
    station.layer.transport_failed(OURS, station.now)
    station.layer.transport_failed(OURS, station.now)
    assert station.words() == ["transport error"]


def test_a_closed_connection_fails_only_the_transactions_on_the_connection() -> None:
    station = Station()
    first = station.asks(flow=BOB_TCP, branch=b"z9hG4bK1")
    station.asks(flow=BOB, branch=b"z9hG4bK2")
    ringing = station.asks(b"INVITE", BOB_TCP, branch=b"z9hG4bK3")
    station.hears_answer(180, station.requests(b"INVITE")[0])
    station.asks(b"INVITE", BOB_TCP, branch=b"z9hG4bK4")
    station.hears_answer(200, station.requests(b"INVITE")[1])
    station.told.clear()
    station.layer.flow_closed(BOB_TCP, station.now)
    assert station.told == [
        (station.now, "transport error", first),
        (station.now, "transport error", ringing),
    ]
    assert station.layer.open_transactions == 1


def test_an_owner_may_send_a_new_request_in_a_failure_callback() -> None:
    station = Station()

    class Stubborn(Station):
        def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
            self.layer.request(received(message()), BOB, self, now, b"z9hG4bKsecond")

    station = Stubborn()
    for number in range(3):
        station.asks(flow=BOB_TCP, branch=b"z9hG4bK%d" % number)
    station.layer.flow_closed(BOB_TCP, station.now)
    assert station.layer.open_transactions == 1
    assert len(station.requests()) == 6


def test_the_repr_of_a_transaction_describes_the_transaction() -> None:
    assert "NICT b'MESSAGE'" in repr(Station().asks())


def test_a_response_is_of_the_sip_room() -> None:
    station = Station()
    station.asks()
    station.hears_answer(200)
    assert isinstance(station.told[0][2], Response)

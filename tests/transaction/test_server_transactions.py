"""Server transactions: retransmissions, timers, CANCEL, ACK (RFC 3261 §17.2, 4320, 6026)."""

import pytest

from msilod.sip.message import Request
from msilod.sip.parser import parse
from tests.transaction.link import TCP_FLOW, Side, answer_to, request


def test_x2_three_copies_are_one_request_and_get_the_same_answer() -> None:
    side = Side()
    for _ in range(2):
        side.receive(request(), 0.0)
    assert side.sent == [], "Trying: a copy is dropped"
    side.requests[0].respond(202, 1.0)
    for _ in range(2):
        side.receive(request(), 2.0)
    assert len(side.requests) == 1
    assert side.statuses() == [202, 202, 202]
    assert len(set(side.sent)) == 1, "the stateless To tag is the same each time"


def test_an_answer_is_remembered_for_64_t1_and_forgotten_soon_after() -> None:
    side = Side()
    side.receive(request(), 0.0)
    side.requests[0].respond(202, 0.0)
    for turn in range(1, 9):
        side.receive(request(branch=f"z9hG4bKother{turn}"), 4.0 * turn)
        side.requests[-1].respond(202, 4.0 * turn)
    side.receive(request(), 31.9)
    assert len(side.requests) == 9, "Timer J has not passed"
    side.receive(request(branch="z9hG4bKlast"), 60.0)
    side.requests[-1].respond(202, 60.0)
    side.receive(request(), 60.0)
    assert len(side.requests) == 11, "a new transaction by then"


def test_a_relayed_answer_is_remembered_with_the_tag_of_the_device() -> None:
    side = Side()
    side.receive(request(), 0.0)
    response = parse(answer_to(request(), 200, b"phone"))
    assert not isinstance(response, Request)
    side.requests[0].forward(response, 0.0)
    side.receive(request(), 1.0)
    assert b";tag=phone" in side.sent[0]
    assert b";tag=phone" in side.sent[1]


def test_x1_the_same_branch_from_another_host_is_another_transaction() -> None:
    side = Side()
    side.receive(request(), 0.0)
    side.receive(request(sent_by="127.0.0.2:7000"), 0.0)
    assert len(side.requests) == 2


def test_x1_without_the_cookie_the_rule_of_rfc_2543_applies() -> None:
    side = Side()
    for _ in range(2):
        side.receive(request(branch="1"), 0.0)
    assert len(side.requests) == 1
    # §17.2.3 compares the top Via, and the branch is a part of the top Via.
    side.receive(request(branch="2"), 0.0)
    assert len(side.requests) == 2


def test_x4_one_100_at_three_and_a_half_seconds() -> None:
    side = Side()
    side.receive(request(), 0.0)
    assert side.run_until(3.4) == []
    assert side.run_until(30.0) == [3.5]
    assert side.statuses() == [100]
    side.receive(request(), 31.0)
    assert side.statuses() == [100, 100], "Proceeding: a copy gets the last 1xx again"


def test_x4_no_100_after_an_answer_in_time() -> None:
    side = Side()
    side.receive(request(), 0.0)
    side.requests[0].respond(202, 3.0)
    assert side.run_until(60.0) == []


def test_x5_a_message_never_gets_a_408() -> None:
    side = Side()
    side.receive(request(), 0.0)
    side.run_until(200.0)
    assert 408 not in side.statuses()


def test_a_second_final_answer_is_ignored() -> None:
    side = Side()
    side.receive(request(), 0.0)
    side.requests[0].respond(202, 0.0)
    side.requests[0].respond(503, 0.0)
    assert side.statuses() == [202]


def test_beyond_the_bound_new_requests_get_503_and_are_not_remembered() -> None:
    side = Side(max_transactions=2)
    for number in range(5):
        side.receive(request(branch=f"z9hG4bK{number}"), 0.0)
    assert len(side.requests) == 2
    assert side.statuses() == [503, 503, 503]
    assert b"Retry-After" in side.sent[0]


def test_on_a_stream_no_answer_is_remembered() -> None:
    side = Side()
    side.receive(request(), 0.0, TCP_FLOW)
    side.requests[0].respond(202, 0.0)
    assert side.layer.remembered == 0


# --- INVITE ------------------------------------------------------------------------------------------


def test_an_invite_gets_100_at_once() -> None:
    side = Side()
    side.receive(request("INVITE"), 0.0)
    assert side.statuses() == [100]


def test_timer_g_and_h_a_failure_is_sent_again_until_the_ack() -> None:
    side = Side()
    side.receive(request("INVITE"), 0.0)
    side.requests[0].respond(404, 0.0)
    side.sent.clear()
    assert side.run_until(12.0) == [0.5, 1.5, 3.5, 7.5, 11.5]
    side.receive(request("ACK", to_tag="x"), 12.0)
    assert side.run_until(100.0) == []
    assert side.acks == [], "an ACK for a failure is hop by hop"


def test_timer_h_ends_an_invite_without_an_ack() -> None:
    side = Side()
    side.receive(request("INVITE"), 0.0)
    side.requests[0].respond(404, 0.0)
    assert max(side.run_until(100.0)) <= 32.0
    assert side.layer.open_transactions == 0


def test_x8_a_2xx_is_sent_and_its_ack_goes_to_the_user() -> None:
    side = Side()
    side.receive(request("INVITE"), 0.0)
    side.requests[0].respond(200, 0.0)
    side.receive(request("INVITE"), 0.5)
    assert side.statuses() == [100, 200], "a copy is absorbed, the UAS retransmits its 2xx itself"
    side.requests[0].respond(200, 0.5)
    assert side.statuses() == [100, 200, 200]
    side.receive(request("ACK", to_tag="x"), 1.0)
    assert len(side.acks) == 1


def test_x9_a_cancel_of_an_invite() -> None:
    side = Side()
    side.receive(request("CANCEL"), 0.0)
    assert side.statuses() == [481]
    side.receive(request("INVITE", "z9hG4bK2"), 0.0)
    side.receive(request("CANCEL", "z9hG4bK2"), 1.0)
    assert side.statuses() == [481, 100, 200]
    assert side.cancelled == [side.requests[0]]


def test_x9_a_cancel_of_a_message_has_no_effect() -> None:
    side = Side()
    side.receive(request(), 0.0)
    side.receive(request("CANCEL"), 0.0)
    assert side.statuses() == [200]
    assert side.cancelled == []
    side.requests[0].respond(202, 1.0)
    assert side.statuses() == [200, 202]


@pytest.mark.parametrize("is_down", [True, False])
def test_an_unsendable_answer_raises_nothing(is_down: bool) -> None:
    side = Side()
    side.receive(request(), 0.0)
    side.is_down = is_down
    side.requests[0].respond(202, 0.0)
    side.is_down = False
    side.receive(request(), 1.0)
    assert side.statuses()[-1] == 202


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_a_dropped_request_is_never_answered_and_takes_no_room(method: str) -> None:
    side = Side()
    side.on_request = lambda transaction, now: transaction.drop()  # type: ignore[method-assign]
    for copy in range(3):
        side.receive(request(method), float(copy))
    side.layer.handle_timeout(100.0)
    assert side.sent == []
    assert side.layer.open_transactions == 0

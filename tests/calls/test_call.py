"""One call through the whole daemon: INVITE, 180, 200, ACK, BYE, and its ends (RFC 3261 §16)."""

from collections.abc import Callable

import pytest

from tests.calls.caller import Caller, Dialog, header, values
from tests.calls.conftest import Callers
from tests.scenarios.conftest import Daemon

BOB = "sip:bob@example.test"


def connected(alice: Caller, bob: Caller) -> tuple[Dialog, Dialog]:
    """A call from alice to bob, up to its ACK."""
    alice.call(BOB)
    invite = bob.request(b"INVITE")
    bob.ring(invite)
    assert alice.response().status == 180
    bob.accept(invite)
    accepted = alice.response()
    assert accepted.status == 200
    caller, callee = alice.as_caller(accepted), bob.as_callee(invite)
    caller.send(b"ACK", cseq=1)
    assert bob.request(b"ACK").cseq == 1
    return caller, callee


def test_p12_a_call_and_the_callers_bye(daemon: Daemon, callers: Callers) -> None:
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    caller, _ = connected(alice, bob)
    caller.send(b"BYE")
    bye = bob.request(b"BYE")
    assert bye.uri == bob.contact.encode(), "by the dialog's remote target"
    assert values(bye, b"route") == []
    bob.answer(bye)
    assert alice.response().status == 200


def test_p5_a_caller_who_is_not_registered_is_hung_up_on(daemon: Daemon, callers: Callers) -> None:
    """The callee's BYE has our Record-Route with its token, so it may go to a URI that is nobody's here."""
    alice, bob = callers(daemon, "alice", is_registered=False), callers(daemon, "bob")
    _, callee = connected(alice, bob)
    assert [b";lr;" in route for route in callee.routes] == [True]
    callee.send(b"BYE")
    bye = alice.request(b"BYE")
    assert bye.uri == alice.contact.encode()
    alice.answer(bye)
    assert bob.response().status == 200


@pytest.mark.parametrize(
    "method", [b"INVITE", b"INFO", b"UPDATE", b"PRACK", b"REFER", b"NOTIFY", b"MESSAGE", b"FOO"]
)
def test_p3_requests_of_a_dialog_pass_both_ways(daemon: Daemon, callers: Callers, method: bytes) -> None:
    alice, bob = callers(daemon, "alice", is_registered=False), callers(daemon, "bob")
    for dialog, other in zip(connected(alice, bob), (bob, alice), strict=True):
        dialog.send(method, body=b"x" if method in (b"INFO", b"MESSAGE") else b"")
        request = other.request(method)
        assert request.uri == other.contact.encode()
        other.answer(request, 202 if method == b"REFER" else 200)
        response = dialog.phone.response()
        while response.status == 100:
            response = dialog.phone.response()
        assert response.status == (202 if method == b"REFER" else 200)


def test_x8_a_repeated_200_goes_through_until_its_ack(daemon: Daemon, callers: Callers) -> None:
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    alice.call(BOB)
    invite = bob.request(b"INVITE")
    for _ in range(3):
        bob.accept(invite)
        accepted = alice.response()
        assert accepted.status == 200
    alice.as_caller(accepted).send(b"ACK", cseq=1)
    assert bob.request(b"ACK").call_id == invite.call_id
    assert alice.is_silent(), "an ACK is never answered"


def test_x2_a_repeated_invite_gets_the_last_answer_and_no_second_branch(
    daemon: Daemon, callers: Callers
) -> None:
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    sent = alice.call(BOB)
    invite = bob.request(b"INVITE")
    alice.send(sent)
    assert alice.response().status == 100
    bob.ring(invite)
    assert alice.response().status == 180
    alice.send(sent)
    assert alice.response().status == 180
    assert bob.is_silent()


def test_p12_cancel_goes_hop_by_hop(daemon: Daemon, callers: Callers) -> None:
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    sent = alice.call(BOB)
    invite = bob.request(b"INVITE")
    bob.ring(invite)
    assert alice.response().status == 180
    alice.send(alice.of_same_hop(sent, b"CANCEL"))
    answer = alice.response()
    assert (answer.status, answer.cseq_method) == (200, b"CANCEL"), "at once, by us"
    cancel = bob.request(b"CANCEL")
    assert (cancel.via.branch, cancel.uri, cancel.cseq) == (invite.via.branch, invite.uri, invite.cseq)
    assert len(values(cancel, b"via")) == 1
    bob.answer(cancel)
    bob.answer(invite, 487)
    assert bob.request(b"ACK").via.branch == invite.via.branch, "hop by hop, by us"
    final = alice.final(sent)
    assert (final.status, final.cseq_method) == (487, b"INVITE")
    assert alice.is_silent(), "our 487 is acknowledged"


def test_x9_a_cancel_waits_for_the_first_provisional_answer(daemon: Daemon, callers: Callers) -> None:
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    sent = alice.call(BOB)
    invite = bob.request(b"INVITE")
    alice.send(alice.of_same_hop(sent, b"CANCEL"))
    assert alice.response().status == 200
    assert bob.request(b"INVITE").via.branch == invite.via.branch, "Timer A, and no CANCEL so far"
    bob.answer(invite, 100)
    assert bob.until(b"CANCEL").via.branch == invite.via.branch


def test_x9_a_cancel_for_nothing_is_481(daemon: Daemon, callers: Callers) -> None:
    alice = callers(daemon, "alice")
    alice.send(alice.of_same_hop(alice.invite(BOB), b"CANCEL"))
    assert alice.response().status == 481


def test_x7_a_failure_is_acknowledged_by_us_and_sent_until_its_ack(daemon: Daemon, callers: Callers) -> None:
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    sent = alice.call(BOB)
    invite = bob.request(b"INVITE")
    bob.answer(invite, 486)
    ack = bob.request(b"ACK")
    assert ack.via.branch == invite.via.branch
    assert b"tag=ua" in header(ack, b"to")
    first, second = alice.response(), alice.response()
    assert (first.status, second.status) == (486, 486), "Timer G"
    alice.send(alice.of_same_hop(sent, b"ACK", header(first, b"to")))
    assert alice.is_silent(1.2)
    assert bob.is_silent(), "the ACK of a failure ends here"


def test_p10_timer_c_cancels_what_rings_too_long(
    start_daemon: Callable[..., Daemon], callers: Callers
) -> None:
    daemon = start_daemon("[proxy]\nfr_inv_timer = 1\n")
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    sent = alice.call(BOB)
    invite = bob.request(b"INVITE")
    bob.ring(invite)
    assert alice.response().status == 180
    bob.answer(bob.request(b"CANCEL"))
    bob.answer(invite, 487)
    assert alice.final(sent).status == 487


def test_p10_a_phone_that_says_nothing_counts_as_408(
    start_daemon: Callable[..., Daemon], callers: Callers
) -> None:
    daemon = start_daemon("[proxy]\nfr_timer = 0.7\n")
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    sent = alice.call(BOB)
    invite = bob.request(b"INVITE")
    assert alice.final(sent).status == 408
    bob.ring(invite)
    assert bob.until(b"CANCEL").via.branch == invite.via.branch, "it must not ring for nobody"


def test_p11_a_closed_port_is_told_at_once(daemon: Daemon, callers: Callers) -> None:
    """ICMP fails the branch (T9): 503 to that branch, which is 500 to the caller (§16.7 step 6)."""
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    bob.socket.close()
    sent = alice.invite(BOB)
    alice.send(sent)
    statuses = [alice.response().status]
    if statuses == [100]:
        statuses.append(alice.final(sent).status)
    assert statuses[-1] == 500


def test_p3_nobody_there_is_404(daemon: Daemon, callers: Callers) -> None:
    alice = callers(daemon, "alice")
    sent = alice.invite(BOB)
    alice.send(sent)
    assert alice.final(sent).status == 404

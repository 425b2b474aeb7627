"""Forked calls through the whole daemon: losers cancelled, q, the best answer, redirections (RFC 3261 §16.6, §16.7)."""

import pytest

from msilod.sip.message import Request
from tests.calls.caller import Caller, header, lines
from tests.calls.conftest import Callers
from tests.scenarios.conftest import Daemon

BOB = "sip:bob@example.test"


def ringing(alice: Caller, *phones: Caller) -> tuple[bytes, list[Request]]:
    """alice calls bob; every phone of his rings."""
    sent = alice.call(BOB)
    invites = [phone.request(b"INVITE") for phone in phones]
    for phone, invite in zip(phones, invites, strict=True):
        phone.ring(invite)
        assert alice.response().status == 180
    return sent, invites


def test_p8_the_losers_are_cancelled(daemon: Daemon, callers: Callers) -> None:
    alice, desk, soft = callers(daemon, "alice"), callers(daemon, "bob"), callers(daemon, "bob")
    _, (first, second) = ringing(alice, desk, soft)
    assert first.via.branch != second.via.branch
    desk.accept(first)
    assert alice.response().status == 200
    cancel = soft.request(b"CANCEL")
    assert cancel.via.branch == second.via.branch
    soft.answer(cancel)
    soft.answer(second, 487)
    assert soft.request(b"ACK").via.branch == second.via.branch
    assert alice.is_silent(), "the loser's 487 stays here"


def test_p8_two_2xx_both_go_through(daemon: Daemon, callers: Callers) -> None:
    """A phone that is faster than its CANCEL: the caller has two dialogs, and ends one (§13.2.2.4, §16.7 step 5)."""
    alice, desk, soft = callers(daemon, "alice"), callers(daemon, "bob"), callers(daemon, "bob")
    _, (first, second) = ringing(alice, desk, soft)
    desk.accept(first)
    soft.accept(second)
    assert [alice.response().status, alice.response().status] == [200, 200]


def test_x9_a_cancel_reaches_every_branch(daemon: Daemon, callers: Callers) -> None:
    alice, desk, soft = callers(daemon, "alice"), callers(daemon, "bob"), callers(daemon, "bob")
    sent, invites = ringing(alice, desk, soft)
    alice.send(alice.of_same_hop(sent, b"CANCEL"))
    assert alice.response().cseq_method == b"CANCEL"
    for phone, invite in zip((desk, soft), invites, strict=True):
        phone.answer(phone.request(b"CANCEL"))
        phone.answer(invite, 487)
    assert alice.final(sent).status == 487
    assert alice.is_silent()


def test_p8_a_6xx_cancels_the_others_and_waits_for_them(daemon: Daemon, callers: Callers) -> None:
    alice, desk, soft = callers(daemon, "alice"), callers(daemon, "bob"), callers(daemon, "bob")
    sent, (first, second) = ringing(alice, desk, soft)
    desk.answer(first, 603)
    assert desk.request(b"ACK").via.branch == first.via.branch
    soft.answer(soft.request(b"CANCEL"))
    assert alice.is_silent(), "not before the other branch has ended"
    soft.answer(second, 487)
    assert alice.final(sent).status == 603


@pytest.mark.parametrize(
    ("statuses", "best"),
    [
        ((404, 486), 404),
        ((500, 480), 480),
        ((503, 408), 408),
        ((404, 415), 415),
        ((503, 503), 500),
        ((302, 486), 302),
    ],
)
def test_p8_the_best_answer(daemon: Daemon, callers: Callers, statuses: tuple[int, int], best: int) -> None:
    alice, desk, soft = callers(daemon, "alice"), callers(daemon, "bob"), callers(daemon, "bob")
    sent = alice.call(BOB)
    for phone, status in zip((desk, soft), statuses, strict=True):
        phone.answer(phone.request(b"INVITE"), status)
    assert alice.final(sent).status == best


@pytest.mark.parametrize("method", ["INVITE", "INFO"])
def test_p9_challenges_of_all_branches_are_merged(daemon: Daemon, callers: Callers, method: str) -> None:
    alice, desk, soft = callers(daemon, "alice"), callers(daemon, "bob"), callers(daemon, "bob")
    sent = alice.invite(BOB, method=method)
    alice.send(sent)
    basic = (b'Digest realm="one", nonce="1"', b'Digest realm="one", nonce="1", algorithm=SHA-256')
    own = (b'Digest realm="two", nonce="2"',)
    asked = [(desk, 401, b"WWW-Authenticate", basic), (soft, 407, b"Proxy-Authenticate", own)]
    for phone, status, name, challenges in asked:
        request = phone.request(method.encode())
        phone.answer(request, status, tuple((name, value) for value in challenges))
    final = alice.final(sent)
    assert final.status in (401, 407)
    assert lines(final, b"www-authenticate") == list(basic), "in their order (RFC 8760 §2.5)"
    assert lines(final, b"proxy-authenticate") == list(own)


def test_p8_a_redirection_to_a_contact_of_ours_is_followed(daemon: Daemon, callers: Callers) -> None:
    alice, bob, carol = callers(daemon, "alice"), callers(daemon, "bob"), callers(daemon, "carol")
    sent = alice.call(BOB)
    contacts = ((b"Contact", b"<sip:carol@example.test>;q=0.5"), (b"Contact", b"<mailto:bob@example.test>"))
    bob.answer(bob.request(b"INVITE"), 302, contacts)
    invite = carol.request(b"INVITE")
    assert invite.uri == carol.contact.encode()
    carol.answer(invite, 486)
    final = alice.final(sent)
    assert (final.status, header(final, b"contact")) == (302, b"<mailto:bob@example.test>"), (
        "what we cannot use"
    )


def test_p8_redirections_in_a_ring_end(daemon: Daemon, callers: Callers) -> None:
    """A to B to A: neither is tried twice."""
    alice, bob, carol = callers(daemon, "alice"), callers(daemon, "bob"), callers(daemon, "carol")
    sent = alice.call(BOB)
    bob.answer(bob.request(b"INVITE"), 302, ((b"Contact", b"<sip:carol@example.test>"),))
    carol.answer(carol.request(b"INVITE"), 302, ((b"Contact", b"<sip:bob@example.test>"),))
    assert alice.final(sent).status >= 300
    assert bob.request(b"ACK").method == b"ACK"
    assert bob.is_silent()


def test_p8_a_redirection_to_elsewhere_is_the_callers_to_follow(daemon: Daemon, callers: Callers) -> None:
    """Or anybody could make us a relay by registering a phone that redirects (P17)."""
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    sent = alice.call(BOB)
    bob.answer(bob.request(b"INVITE"), 302, ((b"Contact", b"<sip:x@192.0.2.1>"),))
    final = alice.final(sent)
    assert (final.status, header(final, b"contact")) == (302, b"<sip:x@192.0.2.1>")


def test_r7_the_best_q_rings_first_and_alone(daemon: Daemon, callers: Callers) -> None:
    alice, desk, soft = (
        callers(daemon, "alice"),
        callers(daemon, "bob", q="0.1"),
        callers(daemon, "bob", q="0.5"),
    )
    sent = alice.call(BOB)
    first = soft.request(b"INVITE")
    assert desk.is_silent(), "0.5 before 0.1"
    soft.answer(first, 486)
    second = desk.request(b"INVITE")
    desk.answer(second, 480)
    assert alice.final(sent).status == 486, "of all that were tried"


def test_r7_a_6xx_ends_it_before_the_next_q(daemon: Daemon, callers: Callers) -> None:
    alice, desk, soft = (
        callers(daemon, "alice"),
        callers(daemon, "bob", q="0.1"),
        callers(daemon, "bob", q="0.5"),
    )
    sent = alice.call(BOB)
    soft.answer(soft.request(b"INVITE"), 603)
    assert alice.final(sent).status == 603
    assert desk.is_silent()


def test_r7_a_cancel_ends_it_before_the_next_q(daemon: Daemon, callers: Callers) -> None:
    alice, desk, soft = (
        callers(daemon, "alice"),
        callers(daemon, "bob", q="0.1"),
        callers(daemon, "bob", q="0.5"),
    )
    sent, (invite,) = ringing(alice, soft)
    alice.send(alice.of_same_hop(sent, b"CANCEL"))
    assert alice.response().cseq_method == b"CANCEL"
    soft.answer(soft.request(b"CANCEL"))
    soft.answer(invite, 487)
    assert alice.final(sent).status == 487
    assert desk.is_silent()


def test_p7_the_breadth_is_shared_and_440_when_short(daemon: Daemon, callers: Callers) -> None:
    alice, desk, soft = callers(daemon, "alice"), callers(daemon, "bob"), callers(daemon, "bob")
    sent = alice.invite(BOB, "Max-Breadth: 7\r\n")
    alice.send(sent)
    for phone in (desk, soft):
        invite = phone.request(b"INVITE")
        assert header(invite, b"max-breadth") == b"3"
        phone.answer(invite, 486)
    alice.final(sent)
    narrow = alice.invite(BOB, "Max-Breadth: 1\r\n")
    alice.send(narrow)
    assert alice.final(narrow).status == 440

"""Loose and strict routing, and loops, through the whole daemon (RFC 3261 §16.4, §16.12; RFC 5393)."""

import re

import pytest

from msilod.sip.message import Request
from tests.calls.caller import Caller, Dialog, header, values
from tests.calls.conftest import Callers
from tests.scenarios.conftest import Daemon

BOB = "sip:bob@example.test"


@pytest.fixture
def dialog(daemon: Daemon, callers: Callers) -> tuple[Dialog, Caller]:
    """A call from alice, who is not registered, to bob; and bob."""
    alice, bob = callers(daemon, "alice", is_registered=False), callers(daemon, "bob")
    alice.call(BOB)
    invite = bob.request(b"INVITE")
    bob.accept(invite)
    dialog = alice.as_caller(alice.response())
    dialog.send(b"ACK", cseq=1)
    bob.request(b"ACK")
    return dialog, bob


def test_p2_a_strict_router_before_us(daemon: Daemon, dialog: tuple[Dialog, Caller]) -> None:
    """It puts our Record-Route value into the Request-URI and the real one last in the Route (§16.4)."""
    caller, bob = dialog
    target, ours = caller.target, caller.routes[0].strip(b"<>")
    caller.target, caller.routes = ours, [b"<%b>" % target]
    caller.send(b"BYE")
    bye = bob.request(b"BYE")
    assert (bye.uri, values(bye, b"route")) == (target, [])


def test_p2_a_strict_router_behind_us(
    daemon: Daemon, dialog: tuple[Dialog, Caller], callers: Callers
) -> None:
    """A Route without lr behind ours becomes the Request-URI (§16.6 step 6)."""
    caller, _ = dialog
    router = callers(daemon, "router", is_registered=False)
    target = caller.target
    caller.routes.append(b"<sip:127.0.0.1:%d>" % router.port)
    caller.send(b"BYE")
    bye = router.request(b"BYE")
    assert (bye.uri, values(bye, b"route")) == (b"sip:127.0.0.1:%d" % router.port, [b"<%b>" % target])


def test_p2_routes_behind_ours_steer_the_next_hop(
    daemon: Daemon, dialog: tuple[Dialog, Caller], callers: Callers
) -> None:
    caller, _ = dialog
    router = callers(daemon, "router", is_registered=False)
    left = b"<sip:127.0.0.1:%d;lr>" % router.port
    caller.routes.append(left)
    for method in (b"BYE", b"ACK"):
        caller.send(method)
        request = router.request(method)
        assert (request.uri, values(request, b"route")) == (caller.target, [left])


def test_p2_a_maddr_of_ours_is_taken_off(daemon: Daemon, callers: Callers) -> None:
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    alice.send(alice.invite(f"sip:bob@example.test:{daemon.port};maddr=127.0.0.1;transport=udp", to=BOB))
    assert alice.response().status == 100
    assert bob.request(b"INVITE").uri == bob.contact.encode()


@pytest.mark.parametrize(
    "route", ["<sip:127.0.0.1:{port};lr>", "<sip:example.test;lr;dlg=0123456789abcdef01234567>"]
)
def test_p17_no_route_makes_us_a_relay(daemon: Daemon, callers: Callers, route: str) -> None:
    """Neither a preloaded Route of ours nor a forged token lets a stranger through (§16.4, row P17)."""
    alice, victim = callers(daemon, "alice"), callers(daemon, "victim", is_registered=False)
    for method in ("INVITE", "MESSAGE", "BYE"):
        extra = f"Route: {route.format(port=daemon.port)}\r\n"
        sent = alice.invite(victim.contact, extra, method, body=b"")
        alice.send(sent.replace(b"\r\nCall-ID", b";tag=1\r\nCall-ID"))
        assert alice.final(sent).status == 403
    assert victim.is_silent()


def test_p17_a_token_is_good_for_its_own_call_only(dialog: tuple[Dialog, Caller]) -> None:
    caller, _ = dialog
    caller.call_id += b"x"
    caller.target = b"sip:x@192.0.2.1"
    caller.send(b"BYE")
    assert caller.phone.response().status == 403


def bounced(request: Request, phone: Caller, uri: bytes) -> bytes:
    """What a proxy at the phone makes of it: a Via more, and sent back to `uri`."""
    request = request.copy()
    request.headers.prepend(
        b"Via", b"SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bKb%d" % (phone.port, request.cseq)
    )
    request.uri = uri
    return request.to_bytes()


def test_p6_what_comes_back_unchanged_is_a_loop(daemon: Daemon, callers: Callers) -> None:
    """A to B to A: bob's contact is a proxy that sends it back as it was."""
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    sent = alice.call(BOB)
    invite = bob.request(b"INVITE")
    data = bounced(invite, bob, BOB.encode())
    bob.send(data)
    assert bob.final(data).status == 482
    bob.answer(invite, 482)
    assert alice.final(sent).status == 482


def test_p6_what_comes_back_for_another_is_a_spiral(daemon: Daemon, callers: Callers) -> None:
    alice, bob, carol = callers(daemon, "alice"), callers(daemon, "bob"), callers(daemon, "carol")
    alice.call(BOB)
    bob.send(bounced(bob.request(b"INVITE"), bob, b"sip:carol@example.test"))
    assert bob.response().status == 100
    invite = carol.request(b"INVITE")
    assert len(values(invite, b"via")) == 4
    assert header(invite, b"max-forwards") == b"68"


def test_p6_a_spiral_that_never_ends_has_no_hops_left(daemon: Daemon, callers: Callers) -> None:
    """bob's and carol's contacts send everything to each other's AOR, and change the CSeq's hash never."""
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    alice.send(alice.invite(BOB).replace(b"Max-Forwards: 70", b"Max-Forwards: 1"))
    assert alice.response().status == 100
    invite = bob.request(b"INVITE")
    assert header(invite, b"max-forwards") == b"0"
    bob.send(bounced(invite, bob, b"sip:carol@example.test"))
    assert bob.response().status == 483


def test_p6_a_hundred_vias(daemon: Daemon, callers: Callers) -> None:
    """As many hops as Max-Forwards could allow; all are kept, and the answer finds its way back."""
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    below = "".join(f"Via: SIP/2.0/UDP 192.0.2.{n};branch=z9hG4bKv{n}\r\n" for n in range(1, 61))
    alice.send(alice.invite(BOB, below))
    assert alice.response().status == 100
    invite = bob.request(b"INVITE")
    assert len(values(invite, b"via")) == 62
    bob.answer(invite, 486)
    assert len(values(alice.response(), b"via")) == 61
    more = "".join(f"Via: SIP/2.0/UDP 192.0.2.{n};branch=z9hG4bKv{n}\r\n" for n in range(1, 101))
    alice.send(alice.invite(BOB, more))
    while (status := alice.response().status) in (100, 486):
        pass
    assert status in (400, 483, 486, 513)


def test_f6_a_thousand_headers(daemon: Daemon, callers: Callers) -> None:
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    many = alice.invite(BOB, "".join(f"X-{n}: {n}\r\n" for n in range(1000)))
    alice.send(many)
    assert alice.response().status in (400, 513)
    assert bob.is_silent(0.1)
    assert re.search(rb"X-999", many)


@pytest.mark.parametrize(
    "contact",
    [
        "sip:bob@224.0.1.75",
        "sip:bob@255.255.255.255:5060",
        "sip:bob@[ff02::1]",
    ],
)
def test_r9_a_contact_that_is_no_hosts_is_refused(daemon: Daemon, callers: Callers, contact: str) -> None:
    bob = callers(daemon, "bob", is_registered=False)
    assert bob.register(contact=f"<{contact}>").status == 403


def test_r10_a_contact_without_an_address_is_reached_by_its_flow(daemon: Daemon, callers: Callers) -> None:
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob", is_registered=False)
    assert bob.register(contact="<sip:bob@0.0.0.0:9>").status == 200
    alice.call(BOB)
    assert bob.request(b"INVITE").uri == b"sip:bob@0.0.0.0:9"


@pytest.mark.parametrize("host", ["example.test", "127.0.0.1:{port}", "localhost:{port}"])
def test_r9_a_contact_that_is_us_is_refused(daemon: Daemon, callers: Callers, host: str) -> None:
    bob = callers(daemon, "bob", is_registered=False)
    assert bob.register(contact=f"<sip:carol@{host.format(port=daemon.port)}>").status == 403


def test_t6_a_via_that_names_us_does_not_make_us_talk_to_ourselves(daemon: Daemon, callers: Callers) -> None:
    """The answer goes where the request came from, and never back into us (§18.2.2, RFC 3581)."""
    alice = callers(daemon, "alice")
    for sent_by in (f"127.0.0.1:{daemon.port}", "255.255.255.255:9", "224.0.1.75", "example.test"):
        sent = re.sub(
            rb"UDP 127.0.0.1:\d+", b"UDP " + sent_by.encode(), alice.invite("sip:nobody@example.test")
        )
        alice.send(sent)
        assert alice.final(sent).status == 404

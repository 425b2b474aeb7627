"""Requests to the server itself: it is their UAS, in the order of RFC 3261 §8.2 (rows U1, U2, U5, P19)."""

import re

import pytest

from msilod.sip.message import Response
from tests.calls.caller import Caller, header, values
from tests.calls.conftest import Callers
from tests.scenarios.conftest import Daemon

SERVER = "sip:example.test"


def ask(caller: Caller, method: str, extra: str = "", uri: str = SERVER) -> Response:
    sent = caller.invite(uri, extra, method, body=b"", to="sip:alice@example.test")
    caller.send(sent)
    return caller.final(sent)


@pytest.fixture
def alice(daemon: Daemon, callers: Callers) -> Caller:
    return callers(daemon, "alice", is_registered=False)


def test_u5_options_tell_what_is_served(daemon: Daemon, alice: Caller) -> None:
    for uri in (SERVER, f"sip:127.0.0.1:{daemon.port}"):
        told = ask(alice, "OPTIONS", uri=uri)
        assert told.status == 200
        assert {b"MESSAGE", b"REGISTER", b"OPTIONS"} <= set(values(told, b"allow"))
        assert [header(told, name) for name in (b"accept", b"accept-encoding")] == [b"*/*", b"identity"]
        assert {b"path", b"outbound"} <= set(values(told, b"supported"))
        assert re.search(rb";tag=\S", header(told, b"to"))


@pytest.mark.parametrize("method", ["INVITE", "BYE", "INFO", "NOTIFY", "REFER", "FOO"])
def test_u1_what_it_does_not_serve_is_405(alice: Caller, method: str) -> None:
    told = ask(alice, method, "Require: foo\r\n")
    assert told.status == 405, "the method is looked at before Require"
    allowed = values(told, b"allow")
    assert b"REGISTER" in allowed
    assert method.encode() not in allowed


@pytest.mark.parametrize("method", ["SUBSCRIBE", "PUBLISH"])
def test_p19_no_event_is_served(alice: Caller, method: str) -> None:
    told = ask(alice, method, "Event: presence\r\nExpires: 60\r\n")
    assert (told.status, header(told, b"allow-events")) == (489, b"")


@pytest.mark.parametrize("method", ["SUBSCRIBE", "PUBLISH", "NOTIFY"])
def test_p19_events_of_users_are_relayed(daemon: Daemon, callers: Callers, method: str) -> None:
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    alice.send(alice.invite("sip:bob@example.test", "Event: presence\r\n", method, body=b""))
    request = bob.request(method.encode())
    assert header(request, b"event") == b"presence"
    assert bool(values(request, b"record-route")) == (method == "SUBSCRIBE")
    bob.answer(request, 489, ((b"Allow-Events", b"dialog"),))
    told = alice.response()
    assert (told.status, header(told, b"allow-events")) == (489, b"dialog")


@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER"])
def test_u1_extensions_that_are_required_of_it(alice: Caller, method: str) -> None:
    told = ask(alice, method, "Require: path, foo\r\nRequire: bar\r\n")
    assert (told.status, header(told, b"unsupported")) == (420, b"foo, bar")
    assert ask(alice, method, "Require: path\r\n").status == 200
    assert ask(alice, method, "Require: \x01\r\n").status == 400


def test_u1_a_refused_register_changes_nothing(daemon: Daemon, callers: Callers) -> None:
    alice = callers(daemon, "alice")
    alice.send(alice.registration(expires=0, extra="Require: foo\r\n"))
    assert alice.response().status == 420
    assert alice.contact.encode() in header(alice.register(), b"contact")


def test_p1_require_is_for_the_other_end(daemon: Daemon, callers: Callers) -> None:
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    alice.call("sip:bob@example.test", "Require: 100rel, foo\r\n")
    invite = bob.request(b"INVITE")
    assert values(invite, b"require") == [b"100rel", b"foo"]
    bob.answer(invite, 420, ((b"Unsupported", b"foo"),))
    assert alice.response().status == 420


@pytest.mark.parametrize("uri", [SERVER, "sip:bob@example.test"])
def test_p1_proxy_require_is_for_us(alice: Caller, uri: str) -> None:
    told = ask(alice, "INVITE", "Proxy-Require: privacy, foo\r\n", uri)
    assert (told.status, header(told, b"unsupported")) == (420, b"privacy, foo")


def test_p1_no_hops_left(alice: Caller) -> None:
    for method, uri, status in (
        ("OPTIONS", SERVER, 200), ("OPTIONS", "sip:bob@example.test", 483), ("INVITE", SERVER, 483),
    ):  # fmt: skip
        sent = alice.invite(uri, method=method, body=b"").replace(b"Max-Forwards: 70", b"Max-Forwards: 0")
        alice.send(sent)
        assert alice.final(sent).status == status


def test_u2_two_copies_by_two_ways_are_one_message(daemon: Daemon, alice: Caller) -> None:
    """A forking proxy before us: §8.2.2.2 has a UAS answer 482 to the second, and the sender would be told of a
    failure. Law 9 is kinder: a copy is known by its hash, stored once, and answered as the first.
    """
    first = alice.message("carol", "once", call_id="merged-1")
    second = re.sub(rb"branch=\S+", b"branch=z9hG4bKotherway", first)
    for data in (first, second):
        alice.send(data)
    assert [alice.response().status, alice.response().status] == [202, 202]
    assert len(daemon.rows("carol@example.test")) == 1


def test_u2_two_copies_of_a_register_are_one(daemon: Daemon, callers: Callers) -> None:
    """The second has no higher CSeq and the same contacts: it changes nothing, and is answered as the first."""
    alice = callers(daemon, "alice")
    first = alice.registration()
    second = re.sub(rb"branch=\S+", b"branch=z9hG4bKotherreg", first)
    alice.send(first)
    assert alice.response().status == 200
    alice.send(second)
    assert alice.response().status == 200

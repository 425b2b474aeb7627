"""The 1300-byte rule through the whole daemon (RFC 3261 §18.1.1, RFC 3428 §8; rows T2, T3, G3)."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from msilod.sip.flow import BY_LENGTH
from msilod.sip.message import Request, build_response
from msilod.sip.parser import parse
from tests.calls.caller import Caller
from tests.calls.conftest import Callers
from tests.scenarios.conftest import Daemon

LONG = "x" * 1400


@pytest.fixture
def listener(callers: Callers, daemon: Daemon) -> Iterator[tuple[Caller, socket.socket]]:
    """Bob, and TCP on the port of his UDP contact."""
    bob, tcp = with_tcp(daemon, callers)
    with tcp:
        tcp.settimeout(10)
        assert bob.register(contact=f"<{bob.contact}>").status == 200
        yield bob, tcp


def with_tcp(daemon: Daemon, callers: Callers) -> tuple[Caller, socket.socket]:
    """Bob, not registered yet, and TCP on the port of his UDP contact, which another process may have for TCP."""
    for _ in range(20):
        bob = callers(daemon, "bob", is_registered=False)
        with suppress(OSError):
            return bob, socket.create_server(("127.0.0.1", bob.port))
    raise AssertionError("no port is free for UDP and TCP")


def take(connection: socket.socket) -> Request:
    """One request of a stream, whose body is as long as it says; it is answered 200."""
    data = b""
    while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < len(LONG):
        data += connection.recv(65535)
    request = parse(data, BY_LENGTH)
    assert isinstance(request, Request)
    connection.sendall(build_response(request, 200, to_tag=b"ua").to_bytes())
    return request


def test_t2_a_large_message_to_a_udp_contact_goes_by_tcp(
    daemon: Daemon, callers: Callers, listener: tuple[Caller, socket.socket]
) -> None:
    alice, (bob, tcp) = callers(daemon, "alice"), listener
    alice.send(alice.message("bob", LONG))
    connection, _ = tcp.accept()
    with connection:
        request = take(connection)
        assert request.via.transport.upper() == b"TCP", "the Via says what was used"
        assert request.uri == bob.contact.encode()
        assert alice.response().status == 200
        alice.send(alice.message("bob", LONG))
        assert take(connection).body == LONG.encode(), "the connection is used again"
        assert alice.response().status == 200
    assert bob.is_silent(), "nothing by UDP"


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_t2_where_tcp_is_refused_udp_does_it(daemon: Daemon, callers: Callers, method: str) -> None:
    alice, bob = callers(daemon, "alice"), callers(daemon, "bob")
    for _ in range(2):
        alice.send(alice.invite("sip:bob@example.test", method=method, body=LONG.encode()))
        request = bob.request(method.encode())
        assert (request.via.transport.upper(), request.body) == (b"UDP", LONG.encode())
        bob.answer(request, 200)
        while alice.response().status != 200:
            pass


def test_t2_a_small_one_goes_by_udp(
    daemon: Daemon, callers: Callers, listener: tuple[Caller, socket.socket]
) -> None:
    alice, (bob, tcp) = callers(daemon, "alice"), listener
    alice.send(alice.message("bob", "x" * 500))
    bob.answer(bob.request())
    assert alice.response().status == 200
    tcp.settimeout(0.2)
    with pytest.raises(TimeoutError):
        tcp.accept()


@pytest.mark.parametrize("has_tcp", [True, False])
def test_g3_a_large_message_from_the_silo(daemon: Daemon, callers: Callers, has_tcp: bool) -> None:
    alice = callers(daemon, "alice")
    assert alice.text("bob", LONG).status == 202
    if not has_tcp:
        bob = callers(daemon, "bob", is_registered=False)
        assert bob.register().status == 200
        assert bob.take().body == LONG.encode()
        return
    bob, tcp = with_tcp(daemon, callers)
    with tcp:
        tcp.settimeout(10)
        assert bob.register().status == 200
        connection, _ = tcp.accept()
        with connection:
            assert take(connection).body == LONG.encode()


def test_t3_sixty_kilobytes_by_udp_get_an_answer(daemon: Daemon, callers: Callers) -> None:
    alice = callers(daemon, "alice")
    assert alice.text("nobody", "x" * 60_000).status == 202

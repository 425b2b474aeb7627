"""Where answers go, through the whole daemon (RFC 3261 §18.2.2, RFC 3581; rows T5, T6)."""

import re
import socket

import pytest

from msilod.sip.message import Request
from tests.calls.conftest import Callers
from tests.scenarios.conftest import Daemon

BOB = "sip:bob@example.test"


def by_tcp(daemon: Daemon, data: bytes, port: int) -> socket.socket:
    """Send `data` on a connection of its own; its Via names `port` on TCP."""
    via = re.sub(rb"SIP/2.0/UDP 127.0.0.1:\d+;rport", b"SIP/2.0/TCP 127.0.0.1:%d" % port, data)
    connection = socket.create_connection(daemon.address)
    connection.settimeout(10)
    connection.sendall(via)
    return connection


@pytest.mark.parametrize("method", ["INVITE", "INFO"])
def test_t6_a_connection_that_is_gone_is_made_anew(daemon: Daemon, callers: Callers, method: str) -> None:
    alice, bob = callers(daemon, "alice", is_registered=False), callers(daemon, "bob")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        data = alice.invite(BOB, method=method)
        with by_tcp(daemon, data, listener.getsockname()[1]) as connection:
            request = bob.request(method.encode())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65535):
                # Until the daemon has closed its side, too.
                pass
        bob.answer(request, 486)
        again, _ = listener.accept()
        with again:
            again.settimeout(10)
            assert again.recv(65535).startswith(b"SIP/2.0 486 ")


def test_t6_and_nobody_there_harms_nobody(daemon: Daemon, callers: Callers) -> None:
    alice, bob = callers(daemon, "alice", is_registered=False), callers(daemon, "bob")
    with by_tcp(daemon, alice.invite(BOB, method="INFO"), 9):
        request = bob.request(b"INFO")
    bob.answer(request, 486)
    assert alice.text("nobody").status == 202


def relayed_to(callers: Callers, daemon: Daemon, via: bytes) -> tuple[Request, socket.socket]:
    """A MESSAGE from alice under that Via has reached bob, who takes it; what alice sent it from."""
    alice, bob = callers(daemon, "alice", is_registered=False), callers(daemon, "bob")
    alice.send(re.sub(rb"127.0.0.1:\d+;rport", via, alice.message("bob")))
    request = bob.request()
    bob.answer(request)
    return request, alice.socket


def test_t6_without_rport_an_answer_goes_to_the_port_of_the_via(daemon: Daemon, callers: Callers) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(10)
        relayed_to(callers, daemon, b"127.0.0.1:%d" % ear.getsockname()[1])
        assert ear.recv(65535).startswith(b"SIP/2.0 200 ")


@pytest.mark.parametrize(
    "via", [b"127.0.0.1:9;rport", b"10.9.8.7:5060", b"phone.example.test:5060", b"127.0.0.1"]
)
def test_t5_else_it_goes_where_the_request_came_from(daemon: Daemon, callers: Callers, via: bytes) -> None:
    _, mouth = relayed_to(callers, daemon, via)
    mouth.settimeout(10)
    assert mouth.recv(65535).startswith(b"SIP/2.0 200 ")

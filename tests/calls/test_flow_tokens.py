"""A caller who hears nothing at his Contact, over TCP and behind a NAT (RFC 5626 §5.3; row P14)."""

import re
import socket
from collections.abc import Iterator

import pytest

from tests.calls.caller import Caller, Dialog
from tests.calls.conftest import Callers
from tests.scenarios.conftest import Daemon

BOB = "sip:bob@example.test"
HIDDEN = b"<sip:x9@x1.invalid;transport=tcp>"


@pytest.fixture
def call(daemon: Daemon, callers: Callers) -> Iterator[tuple[Dialog, Caller, socket.socket]]:
    """A call to bob from a TCP connection that is nobody's: bob's side of it, bob, and the connection."""
    alice, bob = callers(daemon, "alice", is_registered=False), callers(daemon, "bob")
    data = re.sub(rb"SIP/2.0/UDP \S+;rport", b"SIP/2.0/TCP x1.invalid", alice.invite(BOB))
    with socket.create_connection(daemon.address) as connection:
        connection.settimeout(10)
        connection.sendall(re.sub(rb"Contact: <\S+>", b"Contact: " + HIDDEN, data))
        invite = bob.request(b"INVITE")
        bob.accept(invite)
        heard = b""
        while b"SIP/2.0 200" not in heard:
            heard += connection.recv(65535)
        yield bob.as_callee(invite), bob, connection


def test_p14_the_callees_bye_goes_down_the_callers_connection(
    call: tuple[Dialog, Caller, socket.socket],
) -> None:
    dialog, _, connection = call
    dialog.send(b"BYE")
    assert connection.recv(65535).startswith(b"BYE sip:x9@x1.invalid;transport=tcp SIP/2.0\r\n")


def test_p14_a_dead_flow_is_430(daemon: Daemon, call: tuple[Dialog, Caller, socket.socket]) -> None:
    dialog, bob, connection = call
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65535):
        # Until the daemon has closed its side, too.
        pass
    dialog.send(b"BYE")
    assert bob.response().status == 430


def test_p14_a_flipped_byte_is_403(call: tuple[Dialog, Caller, socket.socket]) -> None:
    dialog, bob, connection = call
    flow = re.search(rb";dlg=([\w-]+)", dialog.routes[0])
    assert flow is not None
    turned = b"A" if flow[1][40:41] != b"A" else b"B"
    dialog.routes = [route.replace(flow[1], flow[1][:40] + turned + flow[1][41:]) for route in dialog.routes]
    dialog.send(b"BYE")
    assert bob.response().status == 403
    connection.settimeout(0.2)
    with pytest.raises(TimeoutError):
        connection.recv(65535)


def test_p14_behind_a_nat(daemon: Daemon, callers: Callers) -> None:
    """His Via and Contact name an address of his own net; what he hears is the source of his INVITE."""
    alice, bob = callers(daemon, "alice", is_registered=False), callers(daemon, "bob")
    data = re.sub(rb"127\.0\.0\.1:\d+", b"10.9.8.7:5060", alice.invite(BOB))
    alice.send(data)
    invite = bob.request(b"INVITE")
    bob.accept(invite)
    while alice.response().status != 200:
        pass
    bob.as_callee(invite).send(b"BYE")
    assert alice.request(b"BYE").uri == b"sip:alice@10.9.8.7:5060"

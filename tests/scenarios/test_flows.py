"""Flows on the real daemon: a binding reachable only by a connection ends with the connection (RFC 5626 §6, R13)."""

import sqlite3
import time
from collections.abc import Callable

import pytest

from tests.scenarios.conftest import Daemon
from tests.scenarios.lines import Line
from tests.scenarios.phone import PATIENCE, Phone

BROWSER = "<sip:r4nd0m@x7.invalid;transport=ws>"
OUTBOUND = '<{contact}>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>";reg-id=1'


def until(holds: Callable[[], bool]) -> None:
    """Ask again until the answer is True. Each question starts a process or reads a database."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end


def stored_bindings(daemon: Daemon) -> int:
    """The number of bindings in the database."""
    with sqlite3.connect(daemon.silo) as database:
        return int(database.execute("SELECT count(*) FROM silo_location").fetchone()[0])


def registered(daemon: Daemon, contact: str) -> Line:
    """Bob on a TCP connection; "{contact}" in the Contact stands for the local address."""
    bob = Line("bob", "tcp", daemon.address)
    assert bob.register(contact=contact.format(contact=bob.contact)).status == 200
    assert daemon.msilo("bindings").stdout != ""
    return bob


@pytest.mark.parametrize("contact", [BROWSER, OUTBOUND, "<sip:bob@10.1.2.3:5060;transport=tcp>"])
def test_r13_a_binding_that_only_its_connection_reaches_ends_with_it(daemon: Daemon, contact: str) -> None:
    bob = registered(daemon, contact)
    bob.hang_up()
    until(lambda: daemon.msilo("bindings").stdout == "")
    until(lambda: stored_bindings(daemon) == 0)
    with Phone("alice", daemon.address) as alice:
        alice.send(alice.message("bob", "while away"))
        answer = alice.receive(3.0)
        assert getattr(answer, "status", None) == 202, "long before fr_timer"
    back = registered(daemon, contact)
    assert back.take().body == b"while away"
    back.hang_up()


def test_r13_a_binding_that_can_be_dialled_outlives_its_connection(daemon: Daemon) -> None:
    bob = registered(daemon, "<{contact}>")
    bob.hang_up()
    until(lambda: "connections  none" in daemon.msilo("status").stdout)
    assert bob.contact in daemon.msilo("bindings").stdout


@pytest.mark.parametrize(("contact", "stays"), [(BROWSER, False), (OUTBOUND, False), ("<{contact}>", True)])
def test_r13_a_restart_ends_every_connection(daemon: Daemon, contact: str, stays: bool) -> None:
    bob = registered(daemon, contact)
    daemon.kill()
    bob.hang_up()
    assert stored_bindings(daemon) == 1
    daemon.start()
    assert bool(daemon.msilo("bindings").stdout) == stays
    until(lambda: stored_bindings(daemon) == stays)
    with Phone("alice", daemon.address) as alice:
        assert alice.text("bob").status == 202


def test_r12_two_flows_with_one_contact_outlive_a_restart(daemon: Daemon) -> None:
    """On UDP, where a flow outlives the daemon."""
    with Phone("bob", daemon.address) as bob:
        for reg_id in (1, 2):
            contact = OUTBOUND.format(contact=bob.contact).replace("reg-id=1", f"reg-id={reg_id}")
            answer = bob.register(contact=contact, extra="Supported: path, outbound\r\n")
            assert answer.status == 200
            assert answer.headers.get(b"require") == b"outbound"
            assert answer.headers.get(b"flow-timer") == b"120"
        assert stored_bindings(daemon) == 2
        daemon.kill()
        daemon.start()
        assert len(daemon.msilo("bindings").stdout.splitlines()) == 2
        assert bob.register(expires=0, contact="*").status == 200
        assert stored_bindings(daemon) == 0


@pytest.mark.parametrize(("asked", "promised"), [(";keep", b";keep=29"), ("", None)])
def test_t19_keep_is_a_promise_to_who_asks(daemon: Daemon, asked: str, promised: bytes | None) -> None:
    with Phone("bob", daemon.address) as bob:
        for _ in range(2):
            bob.send(bob.registration().replace(b";rport", b";rport" + asked.encode(), 1))
            answer = bob.response()
            via = answer.headers.get(b"via") or b""
            assert answer.status == 200
            assert promised in via if promised else b"keep" not in via
            assert f"rport={bob.port}".encode() in via

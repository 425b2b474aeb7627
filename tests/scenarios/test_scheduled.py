"""Scheduled messages on the whole daemon: kept until due, then delivered at once; other messages do not wait."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone


def at(seconds: float) -> str:
    """A time in RFC 3339 with an offset other than UTC."""
    return (datetime.now(UTC) + timedelta(hours=2, seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S+02:00")


def test_by_header_also_to_a_user_who_is_here(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon('[silo]\ndue_header = "X-Due"\nregistrar = "sip:silo@example.test"\n')
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        alice.register()
        bob.register()
        when = at(4)
        assert alice.text("bob", "later", f"X-Due: {when}\r\n").status == 202
        assert alice.is_silent(0.2), "no notice: he is not offline"
        row = daemon.rows()[0]
        assert row["state"] == "scheduled"
        assert datetime.fromisoformat(row["due_at"]) == datetime.fromisoformat(when)
        alice.send(alice.message("bob", "sooner"))
        assert bob.take().body == b"sooner", "law 7: what is scheduled holds up nobody"
        assert alice.response().status == 200
        got = bob.take()
        assert time.time() >= datetime.fromisoformat(when).timestamp()
        assert got.body == b"later"
        assert got.from_.uri == b"sip:alice@example.test"
        assert alice.text("bob", "x", "X-Due: tomorrow\r\n").status == 400


def test_by_inject_over_a_restart_held_and_purged(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon()

    def inject(text: str, when: str) -> None:
        done = daemon.msilo(
            "inject", "bob@example.test", text, "--at", when, "--from", "sip:office@example.test"
        )
        assert done.returncode == 0, done.stderr

    for text in ("held", "gone", "next year"):
        inject(text, "+300d")
    assert daemon.msilo("hold", "1").returncode == 0
    assert daemon.msilo("purge", "2", "--yes").returncode == 0
    inject("soon", "+4s")
    daemon.kill()
    daemon.start()
    with Phone("bob", daemon.address) as bob:
        bob.register()
        got = bob.take()
        assert (got.body, got.from_.uri) == (b"soon", b"sip:office@example.test")
        assert bob.is_silent()
    assert [(row["id"], row["state"]) for row in daemon.rows()] == [(1, "held"), (3, "scheduled")]


def test_bad_times_are_usage(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon()
    for when in ("soon", "2020-01-01T00:00:00Z", "2099-01-01T00:00:00", "+400d", "+x"):
        done = daemon.msilo("inject", "bob@example.test", "x", "--at", when)
        assert (done.returncode, done.stdout) == (2, ""), when
    assert daemon.rows() == []

"""Operator 4: `purge --expired` ends messages as the daemon's own sweep does: same end, same notice, same receipt."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from msilod.config import Config, SiloConfig
from tests.network.desk import Desk
from tests.network.world import World, play
from tests.scenarios.conftest import Daemon, start_daemon
from tests.scenarios.phone import Phone

__all__ = ["start_daemon"]
NOTICE = 'registrar = "sip:registrar@example.test"\nnotice = "away"\nfailure_notice = "lost: {reason}"\n'
CPIM = (
    "From: <sip:alice@example.test>\r\nTo: <sip:bob@example.test>\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
    "imdn.Message-ID: m1\r\nDateTime: 2026-11-01T00:00:00Z\r\n"
    "imdn.Disposition-Notification: negative-delivery\r\n\r\nContent-Type: text/plain\r\n\r\nhello"
)


def expire_all(silo: Path) -> None:
    """Let all messages expire, a second ago."""
    with sqlite3.connect(silo) as db:
        db.execute("UPDATE silo SET expires_at = ?", (time.time() - 1,))
    db.close()


def ends(one: Daemon) -> list[tuple[str, str]]:
    with sqlite3.connect(one.silo) as db:
        found = db.execute("SELECT event, actor FROM silo_history ORDER BY id").fetchall()
    db.close()
    return found


@pytest.mark.parametrize("by", ["purge", "sweep"])
def test_with_a_daemon_all_is_as_after_its_sweep(tmp_path: Path, by: str) -> None:
    section = SiloConfig(
        registrar="sip:registrar@example.test", notice="away", failure_notice="lost: {reason}"
    )

    async def story(world: World) -> None:
        alice, desk = world.phone("alice"), Desk(world)
        alice.boot()
        await trio.sleep(1)
        alice.text("bob", "Expires: 10\r\n", lives=10.0)
        alice.message("bob", CPIM.encode(), "message/cpim", extra="Expires: 10\r\n")
        await trio.sleep(20)
        before = len(alice.got)
        if by == "purge":
            desk.do("purge", "*@example.test", "expired")
            await trio.sleep(2)
        else:
            await trio.sleep(300)
        assert [row for row in world.rows() if b"-1" in row] == []
        assert [(event, actor) for _, event, actor in desk.entries() if event == "expired"] == [
            ("expired", "")
        ] * 2
        got = [request.body for request in alice.got[before:]]
        assert b"lost: expired" in got
        assert any(b"<failed/>" in body for body in got), got
        assert world.parts.counters.expired_messages == 2

    assert play(tmp_path, story, config=Config(silo=section)).ledger.faults == []


def test_without_a_daemon_its_next_start_tells_them(start_daemon: Callable[..., Daemon]) -> None:
    one = start_daemon(f"[silo]\ncheck_time = 1\nclean_period = 1\n{NOTICE}")
    with Phone("alice", one.address) as alice:
        alice.register()
        assert alice.text("bob").status == 202
        assert alice.take().body == b"away"
        one.stop()
        assert one.msilo("inject", "bob@example.test", "from a program").returncode == 0
        assert (
            one.msilo("inject", "carol@example.test", "yours", "--from", "sip:dave@example.test").returncode
            == 0
        )
        assert one.msilo("inject", "carol@example.test", "<p/>", "--type", "text/html", "--header",
                         "Precedence: bulk").returncode == 0  # fmt: skip
        expire_all(one.silo)
        told = one.msilo("purge", "--expired", "--dry-run", "--ids").stdout.split()
        done = one.msilo("purge", "--expired")
        assert (done.returncode, done.stdout) == (0, "")
        kept = one.msilo("list", "--ids").stdout.split()
        assert done.stderr.splitlines()[-1] == f"{len(kept)} left: msilod tells their senders when it runs"
        assert "1" in kept, "alice wants to be told"
        assert sorted(told + kept) == ["1", "2", "3", "4"]
        assert ends(one) == [("expired", "")] * len(told)
        again = one.msilo("-q", "purge", "--expired")
        assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
        one.start()
        assert alice.take().body == b"lost: expired"
    assert one.msilo("list", "--ids").stdout == ""
    assert one.stop() == 0
    assert ends(one) == [("expired", "")] * 4


def test_where_nobody_is_told_all_go_without_a_daemon(start_daemon: Callable[..., Daemon]) -> None:
    one = start_daemon()
    one.stop()
    for text in ("one", "two"):
        assert one.msilo("inject", "bob@example.test", text).returncode == 0
    expire_all(one.silo)
    assert one.msilo("inject", "bob@example.test", "three").returncode == 0
    assert one.msilo("purge", "--expired", "--limit", "1").stderr == "1 deleted, 3 B\n"
    assert one.msilo("purge", "--expired").stderr == "1 deleted, 3 B\n"
    assert one.msilo("list", "--ids").stdout == "3\n"
    assert ends(one) == [("expired", "")] * 2


def test_a_selection_beside_expired_is_kept_to(start_daemon: Callable[..., Daemon]) -> None:
    one = start_daemon(f"[silo]\n{NOTICE}")
    for user in ("bob", "carol"):
        assert one.msilo("inject", f"{user}@example.test", "x").returncode == 0
    expire_all(one.silo)
    assert one.msilo("purge", "bob@example.test", "--expired").stderr == "1 deleted, 1 B\n"
    assert one.msilo("list", "--ids").stdout == "2\n"

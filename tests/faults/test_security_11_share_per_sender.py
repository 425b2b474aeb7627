"""Security 11: once there are users, one sender cannot fill another's mailbox: a share of each, and so many an hour."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from msilod.config import SiloConfig
from msilod.silo.stored_message import StoredMessage
from msilod.store.jobs import Added, AddResult, Limit, OverQuota
from msilod.store.limits import LEAST_SHARE, PER_HOUR, Limits
from msilod.store.silo import HISTORY, Silo
from msilod.store.tables.queue import Queue
from tests.scenarios.account import Account
from tests.scenarios.conftest import Daemon, start_daemon
from tests.scenarios.phone import Phone
from tests.store.rows import add, open_silo, row

__all__ = ["start_daemon"]
BOB = "bob@example.test"


def by(sender: str, number: int, aor: str = BOB, size: int = 5) -> StoredMessage:
    return row(number, aor, sender=sender, body=b"x" * size)


def open_with(folder: Path, limits: Limits) -> Silo:
    silo = open_silo(folder)
    silo.configure(limits, HISTORY)
    silo.writer.flush()
    return silo


def put(silo: Silo, message: StoredMessage) -> AddResult:
    (result,) = add(silo, message)
    return result


def test_the_defaults_begin_with_the_first_user() -> None:
    before, after = Limits.of(SiloConfig(), False), Limits.of(SiloConfig(), True)
    assert (before.share_messages, before.share_bytes, before.max_per_hour) == (0, 0, 0)
    assert (after.share_messages, after.share_bytes, after.max_per_hour) == (100, 1_000_000, PER_HOUR)
    small = Limits.of(SiloConfig(max_messages=20, max_bytes=1000, max_body=100), True)
    assert (small.share_messages, small.share_bytes) == (LEAST_SHARE, LEAST_SHARE * 100)
    off = Limits.of(SiloConfig(sender_share=1, max_per_hour=0), True)
    assert (off.share_messages, off.share_bytes, off.max_per_hour) == (0, 0, 0)
    assert Limits.of(SiloConfig(sender_share=0.5), False).share_messages == 500


def test_a_sender_has_his_share_and_others_have_room(tmp_path: Path) -> None:
    silo = open_with(tmp_path, Limits(max_messages=20, share_messages=5, share_bytes=10_000))
    for number in range(5):
        assert isinstance(put(silo, by("mallory@example.test", number)), Added)
    refused = put(silo, by("mallory@example.test", 5))
    assert isinstance(refused, OverQuota)
    assert (refused.limit, refused.messages) == (Limit.SHARE, 5)
    assert isinstance(put(silo, by("mallory@example.test", 6, "carol@example.test")), Added)
    for number in range(10, 15):
        assert isinstance(put(silo, by("alice@example.test", number)), Added)
    assert isinstance(put(silo, by("alice@example.test", 15)), OverQuota)
    silo.close()
    # The command line counts in the same way, also within one transaction.
    queue = Queue(tmp_path / "silo.db", "silo")
    limits = Limits(max_messages=20, share_messages=5, share_bytes=10_000)
    batch = [by("dave@example.test", number) for number in range(20, 28)]
    rehearsed = queue.rehearse(batch, limits, again=False)
    stored = queue.take_in(batch, limits, again=False)
    queue.close()
    for results in (rehearsed, stored):
        assert [isinstance(result, Added) for result in results] == [True] * 5 + [False] * 3


def test_bytes_are_shared_too(tmp_path: Path) -> None:
    silo = open_with(tmp_path, Limits(max_bytes=1000, share_messages=100, share_bytes=100))
    assert isinstance(put(silo, by("mallory@example.test", 1, size=90)), Added)
    assert isinstance(put(silo, by("mallory@example.test", 2, size=20)), OverQuota)
    assert isinstance(put(silo, by("mallory@example.test", 3, size=10)), Added)
    assert isinstance(put(silo, by("alice@example.test", 4, size=90)), Added)
    silo.close()


def test_by_sip_inject_and_import(start_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    one = start_daemon("[silo]\nmax_messages = 12\nmax_per_hour = 100\n")
    for user in ("alice", "bob", "mallory"):
        assert one.msilo("user", "add", f"{user}@example.test", stdin="secret\n").returncode == 0
    file = tmp_path / "lines"
    share = LEAST_SHARE
    with Phone("mallory", one.address) as mallory, Phone("alice", one.address) as alice:
        his, hers = Account(mallory, "secret"), Account(alice, "secret")
        for number in range(share):
            assert his.text("bob", f"m{number}").status == 202
        refused = his.text("bob", "one too many")
        assert refused.status == 480
        assert b"no more room for this sender" in (refused.headers.get(b"warning") or b"")
        assert hers.text("bob", "hello").status == 202
    done = one.msilo("inject", BOB, "x", "--from", "sip:mallory@example.test")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no more room for this sender" in done.stderr
    line = {"aor": BOB, "from": "<sip:mallory@example.test>", "call_id": "c", "body": "x"}
    file.write_text(json.dumps(line))
    for more in ((), ("--dry-run",)):
        done = one.msilo("import", str(file), *more)
        assert done.returncode == 1
        assert "1 failed (1 mailbox has no more room for this sender)" in done.stderr
    assert one.msilo("inject", BOB, "x", "--from", "sip:alice@example.test").returncode == 0


def test_the_hour_of_a_sender_is_limited_once_there_are_users(
    start_daemon: Callable[..., Daemon],
) -> None:
    one = start_daemon()
    one.stop()
    session_limits = "from msilo_cli.session import Session; print(Session().limits.max_per_hour)"

    def per_hour() -> int:
        command = [sys.executable, "-c", session_limits]
        return int(subprocess.check_output(command, env=one.environment, text=True))

    assert per_hour() == 0
    assert one.msilo("user", "add", "alice@example.test", stdin="secret\n").returncode == 0
    assert per_hour() == PER_HOUR

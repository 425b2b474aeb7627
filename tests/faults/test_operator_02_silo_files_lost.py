"""Operator 2, reliability 11: the files of a silo are deleted, moved, replaced or overwritten under a running daemon.

The loss is noticed before the next 202: the sender gets 503 or nothing, and the daemon ends with one line and exit code
69. All messages answered with 202 before are on the disk.
"""

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from msilod.errors import SiloLost
from msilod.sip.message import Response
from msilod.store.engine.sqlite.connection import open_sqlite, raw
from msilod.store.engine.sqlite.watch import FINE, SECOND, FileWatch
from msilod.store.limits import Limits
from msilod.store.schema.maintenance import Maintenance
from tests.faults.disk import only_child, stop_idle, wait_until_dead
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import PATIENCE, Phone
from tests.store.databases import SqliteDatabase
from tests.store.test_writer_process import Desk

STATE = "state"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with the silo in a separate directory, for moves."""
    made = Daemon(tmp_path)
    (tmp_path / STATE).mkdir()
    made.environment["STATE_DIRECTORY"] = str(tmp_path / STATE)
    yield made.start()
    if made.process is not None:
        made.end()


def _bodies(silo: Path) -> list[bytes]:
    with closing(sqlite3.connect(silo)) as db:
        return [bytes(body) for (body,) in db.execute("SELECT body FROM silo ORDER BY id")]


def _delete(silo: Path) -> Path:
    silo.unlink()
    return silo.with_name("silo.db.rescued")


def _move(silo: Path) -> Path:
    return silo.rename(silo.with_name("old.db"))


def _replace(silo: Path) -> Path:
    other = silo.with_name("other.db")
    Maintenance(other, "silo").upgrade()
    other.rename(silo)
    return silo.with_name("silo.db.rescued")


def _move_directory(silo: Path) -> Path:
    return silo.parent.rename(silo.parent.with_name("elsewhere")) / silo.name


def _delete_log(silo: Path) -> Path:
    silo.with_name("silo.db-wal").unlink()
    return silo


def _delete_all(silo: Path) -> Path:
    for path in silo.parent.glob("silo.db*"):
        path.unlink()
    return silo.with_name("silo.db.rescued")


@pytest.mark.parametrize("lose", [_delete, _move, _replace, _move_directory, _delete_log])
def test_no_202_after_the_loss_and_nothing_of_before_is_lost(
    daemon: Daemon, lose: Callable[[Path], Path]
) -> None:
    silo = daemon.folder / STATE / "silo.db"
    process = daemon.process
    assert process is not None
    with Phone("alice", daemon.address) as alice:
        assert alice.text("bob", "first").status == 202
        kept = lose(silo)
        alice.send(alice.message("bob", b"second"))
        assert process.wait(PATIENCE) == 69
        assert _answers(alice) <= {503}
    lines = [line for line in (daemon.folder / "log").read_text().splitlines() if line.startswith("msilod:")]
    assert len(lines) == 1, lines
    assert "silo.db" in lines[0]
    assert "Traceback" not in (daemon.folder / "log").read_text()
    if lose is not _move_directory:
        told = daemon.msilo("status")
        assert told.returncode == 69
        assert "silo.db" in told.stderr, "the status says why the daemon is not there"
        assert "removed" in told.stderr or "replaced" in told.stderr
    assert _bodies(kept)[0] == b"first"
    if lose is _move_directory:
        (daemon.folder / STATE).mkdir()
    daemon.stop()
    daemon.start()
    assert Maintenance(silo, "silo").check() == [], "a new start has a sound file"


def _answers(phone: Phone) -> set[int]:
    """The statuses of all responses received until now."""
    found: set[int] = set()
    phone.socket.settimeout(0.2)
    while True:
        try:
            message = phone.receive(0.2)
        except TimeoutError:
            return found
        assert isinstance(message, Response)
        found.add(message.status)


def test_the_sender_of_what_was_not_begun_gets_503_with_retry_after(daemon: Daemon) -> None:
    with Phone("alice", daemon.address) as alice:
        assert alice.text("bob", "first").status == 202
        silo = daemon.folder / STATE / "silo.db"
        assert daemon.process is not None
        writer = only_child(daemon.process.pid)
        stop_idle(writer)
        _delete(silo)
        alice.send(alice.message("bob", b"second"))
        os.kill(writer, signal.SIGCONT)
        answer = alice.response()
    assert answer.status == 503
    assert answer.headers.get(b"retry-after")


def test_an_idle_daemon_notices_as_well(daemon: Daemon) -> None:
    process = daemon.process
    assert process is not None
    _delete_all(daemon.folder / STATE / "silo.db")
    assert wait_until_dead(process.pid)
    assert process.wait(PATIENCE) == 69


# --- verdicts of the watch ----------------------------------------------------------------------------


@pytest.fixture
def silo(tmp_path: Path) -> Iterator[tuple[Path, sqlite3.Connection, FileWatch]]:
    path = tmp_path / "silo.db"
    Maintenance(path, "silo").upgrade()
    database = open_sqlite(path)
    db = raw(database)
    db.execute("PRAGMA user_version")
    yield path, db, FileWatch(path)
    database.close()


Watched = tuple[Path, sqlite3.Connection, FileWatch]


def _write(db: sqlite3.Connection, count: int = 1) -> None:
    for number in range(count):
        db.execute("INSERT OR REPLACE INTO silo_secret VALUES (?, randomblob(3000))", (str(number),))


@pytest.mark.parametrize("mode", ["PASSIVE", "FULL", "RESTART", "TRUNCATE"])
def test_checkpoints_of_this_or_another_process_are_no_loss(silo: Watched, mode: str) -> None:
    path, db, watch = silo
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for _ in range(3):
            _write(db, 20)
            watch.check()
            other.execute(f"PRAGMA wal_checkpoint({mode})")
            watch.check()
            _write(other, 20)
            watch.check()
            db.execute(f"PRAGMA wal_checkpoint({mode})")
            watch.check()


def test_a_vacuum_a_touch_and_a_new_owner_are_no_loss(silo: Watched) -> None:
    path, db, watch = silo
    _write(db, 50)
    db.execute("DELETE FROM silo_secret")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("VACUUM")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    watch.check()
    path.touch()
    path.chmod(0o600)
    watch.check()


def test_a_file_that_is_overwritten_in_place_is_noticed_and_its_log_put_aside(
    silo: Watched, tmp_path: Path
) -> None:
    path, db, watch = silo
    _write(db, 20)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = tmp_path / "backup.db"
    db.execute("VACUUM INTO ?", (str(backup),))
    _write(db, 40)
    watch.check()
    shutil.copyfile(backup, path)
    with pytest.raises(SiloLost, match="overwritten"):
        watch.check()
    assert "silo.db-wal.lost" in watch.save(db)
    assert path.read_bytes() == backup.read_bytes(), "no checkpoint over the file that was put there"


def test_the_log_of_a_deleted_file_that_is_whole_is_rescued_once(silo: Watched, tmp_path: Path) -> None:
    path, db, watch = silo
    _write(db, 20)
    path.unlink()
    with pytest.raises(SiloLost, match="removed"):
        watch.check()
    assert "silo.db.rescued" in watch.save(db)
    rescued = tmp_path / "silo.db.rescued"
    assert rescued.stat().st_mode & 0o777 == 0o660
    with closing(sqlite3.connect(rescued)) as db_rescued:
        assert db_rescued.execute("SELECT count(*) FROM silo_secret").fetchone() == (20,)


def _settle(watch: FileWatch) -> None:
    """Wait until the time stamp of the directory's last change is old enough to be trusted."""
    while watch._unchanged == (0, 0, 0):
        watch.check()


@pytest.mark.parametrize("lose", [_delete, _move, _replace, _move_directory, _delete_log, _delete_all])
def test_a_loss_is_seen_when_the_directory_was_unchanged_for_long(
    silo: Watched, lose: Callable[[Path], Path]
) -> None:
    path, db, watch = silo
    _write(db)
    _settle(watch)
    lose(path)
    with pytest.raises(SiloLost, match=r"silo\.db"):
        watch.check()


def test_the_names_are_looked_up_after_a_change_of_the_directory_only(
    silo: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, db, watch = silo
    _settle(watch)
    looks: list[object] = []
    monkeypatch.setattr(watch, "_look_at_names", looks.append)
    _write(db, 20)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    watch.check()
    assert not looks
    path.with_name("beside").touch()
    # Restoring the directory's old time stamps changes st_ctime nevertheless.
    os.utime(path.parent, (1, 1))
    watch.check()
    assert looks


def test_a_young_time_stamp_is_not_trusted(silo: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change in the same step of the clock has the same time stamp."""
    _, _, watch = silo
    monkeypatch.setattr("msilod.store.engine.sqlite.watch.time.time_ns", lambda: 100 * SECOND)
    for change, is_trusted in (
        (100 * SECOND - FINE + 1, False),
        (100 * SECOND - FINE - 1, True),
        (98 * SECOND, False),
        (97 * SECOND, True),
    ):
        watch._unchanged = (0, 0, 0)
        watch._look_at_names((1, 2, change))
        assert (watch._unchanged == (1, 2, change)) is is_trusted


def test_rows_that_wait_are_failed_and_rows_under_way_are_not_answered(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path)
    bank = Desk(database, Limits())
    bank.add(1)
    bank.wait(1)
    stop_idle(bank.writer.process.pid)
    bank.add(2)
    bank.writer.flush()
    database.path.unlink()
    bank.continue_child()
    with pytest.raises(SiloLost, match=r"silo\.db has been removed"):
        bank.wait(3)
    assert bank.heard[1].reason.startswith(str(database.path))
    bank.silo.close()

"""Reliability 7: an I/O error at COMMIT is an unknown outcome.

The sender gets neither 202 nor 503, and the daemon ends with one line. The next start reads the log, and a repetition
is answered 202, as a copy or as a new message. A full disk at COMMIT is a known outcome: 503, nothing is stored.
"""

import errno
import sqlite3
from pathlib import Path

import pytest

from msilod.errors import UnknownOutcome
from msilod.store.engine.sqlite.connection import leaves_unknown
from msilod.store.jobs import Batch, Keeping
from msilod.store.limits import Limits
from tests.faults.conftest import FaultyDaemon
from tests.faults.disk import FaultyDisk
from tests.scenarios.phone import PATIENCE, Phone
from tests.store.rows import open_silo, query, row


def test_a_commit_whose_sync_fails_gets_no_answer_and_the_retransmission_gets_202(
    on_disk: FaultyDaemon, disk: FaultyDisk
) -> None:
    daemon = on_disk()
    process = daemon.process
    assert process is not None
    with Phone("alice", daemon.address) as alice:
        assert alice.text("bob", "first").status == 202
        disk.set("fail_sync", errno.EIO)
        second = alice.message("bob", b"second")
        alice.send(second)
        assert process.wait(PATIENCE) == 69
        assert alice.is_silent(0.2), "neither 202 nor 503"
        log = (daemon.folder / "log").read_text()
        assert "Traceback" not in log
        assert len([line for line in log.splitlines() if line.startswith("msilod:")]) == 1
        assert "disk I/O error" in log
        assert "disk I/O error" in daemon.msilo("status").stderr
        daemon.stop()
        disk.set("fail_sync", 0)
        daemon.start()
        alice.send(second)
        assert alice.response().status == 202
    assert [row["size"] for row in daemon.rows()] == [5, 6], "kept once"


def test_a_write_that_fails_is_no_202_either(on_disk: FaultyDaemon, disk: FaultyDisk) -> None:
    daemon = on_disk()
    process = daemon.process
    assert process is not None
    with Phone("alice", daemon.address) as alice:
        assert alice.text("bob", "first").status == 202
        disk.set("fail_write", errno.EIO)
        alice.send(alice.message("bob", b"second"))
        assert process.wait(PATIENCE) == 69
        assert alice.is_silent(0.2)
    disk.set("fail_write", 0)
    daemon.stop()
    daemon.start()
    assert [row["size"] for row in daemon.rows()] == [5]


def test_a_read_that_fails_ends_the_daemon_with_one_line(on_disk: FaultyDaemon, disk: FaultyDisk) -> None:
    """The files are checked before a commit, and again for saving: neither check causes a traceback."""
    daemon = on_disk()
    process = daemon.process
    assert process is not None
    with Phone("alice", daemon.address) as alice:
        assert alice.text("bob", "first").status == 202
        disk.set("fail_read", errno.EIO)
        alice.send(alice.message("bob", b"second"))
        assert process.wait(PATIENCE) == 69
    log = (daemon.folder / "log").read_text()
    assert "Traceback" not in log
    (line,) = [line for line in log.splitlines() if line.startswith("msilod:")]
    assert "Input/output error" in line
    disk.set("fail_read", 0)
    daemon.stop()
    daemon.start()
    # The second message had no answer: the message may have been committed or not.
    assert [row["size"] for row in daemon.rows()] in ([5], [5, 6])


def test_a_sync_of_ends_that_fails_ends_the_daemon(on_disk: FaultyDaemon, disk: FaultyDisk) -> None:
    daemon = on_disk()
    process = daemon.process
    assert process is not None
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        assert alice.text("bob", "first").status == 202
        assert bob.register().status == 200
        message = bob.request()
        disk.set("fail_sync", errno.EIO)
        bob.answer(message)
        assert process.wait(PATIENCE) == 69
    disk.set("fail_sync", 0)


def test_a_full_disk_at_commit_is_known(on_disk: FaultyDaemon, disk: FaultyDisk) -> None:
    daemon = on_disk("[silo]\nmin_free_bytes = 0\n")
    with Phone("alice", daemon.address) as alice:
        assert alice.text("bob", "first").status == 202
        disk.set("size", 1)
        assert alice.text("bob", "x" * 5000).status == 503
        disk.set("size", 0)
        assert alice.text("bob", "third").status == 202
    assert [row["size"] for row in daemon.rows()] == [5, 5]


def _error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("x")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "is_unknown"),
    [
        (sqlite3.SQLITE_BUSY, False),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, False),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_CONSTRAINT, False),
        (sqlite3.SQLITE_IOERR, True),
        (sqlite3.SQLITE_IOERR_FSYNC, True),
        (sqlite3.SQLITE_IOERR_SHMSIZE, True),
        (sqlite3.SQLITE_CANTOPEN, True),
    ],
)
def test_which_errors_leave_the_outcome_unknown(code: int, is_unknown: bool) -> None:
    assert leaves_unknown(_error(code)) is is_unknown


class _Failing:
    """A connection with a failing COMMIT, or a failing INSERT in autocommit."""

    def __init__(self, db: sqlite3.Connection, word: str, code: int) -> None:
        self._db, self._word, self._code = db, word, code

    def execute(self, sql: str, values: object = ()) -> sqlite3.Cursor:
        if sql.startswith(self._word):
            raise _error(self._code)
        return self._db.execute(sql, values)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)


@pytest.mark.interpreted
@pytest.mark.parametrize("word", ["COMMIT", "INSERT INTO silo ("])
def test_neither_way_of_committing_takes_an_io_error_for_a_rollback(tmp_path: Path, word: str) -> None:
    silo = open_silo(tmp_path)
    transactions = silo.writer.transactions  # type: ignore[attr-defined]
    engine = transactions.engine
    real = engine.db
    if word == "COMMIT":
        # With a limit by the hour rows are counted in a transaction of several statements.
        transactions.configure(Keeping(Limits(max_per_hour=5).values(), 0.0, 0.0))
    engine.db = _Failing(real, word, sqlite3.SQLITE_IOERR_FSYNC)
    with pytest.raises(UnknownOutcome):
        transactions.execute(Batch([row(1)]))
    engine.db = real
    if real.in_transaction:
        real.execute("ROLLBACK")
    silo.close()
    assert query(tmp_path, "SELECT count(*) FROM silo") == [(0,)]

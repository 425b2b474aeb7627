"""Reliability 12: after a MemoryError, in daemon or writer, both end in time, with exit code 1 and one line."""

import os
import resource
import select
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from msilod.daemon.writer_results import WriterResults
from msilod.store.limits import Limits
from msilod.store.writer import parent as store_process
from tests.faults.disk import only_child, wait_until_dead
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import PATIENCE, Phone
from tests.store.databases import SqliteDatabase
from tests.store.rows import open_silo, row
from tests.store.test_writer_process import Desk

MORE = 32 << 20


def _starve(pid: int) -> None:
    """Limit the memory of a process to little more than now."""
    size = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize() + MORE
    resource.prlimit(pid, resource.RLIMIT_AS, (size, size))


def _fill_until_dead(daemon: Daemon, pid: int) -> None:
    """Send large messages until the process has run out of memory."""
    gone = os.pidfd_open(pid)
    with Phone("alice", daemon.address) as alice:
        for number in range(100_000):
            alice.send(alice.message(f"user{number}", b"x" * 60_000))
            if select.select([gone], [], [], 0.001)[0]:
                break
    os.close(gone)


@pytest.mark.parametrize("whose", ["daemon", "writer"])
def test_both_processes_end_with_one_line(daemon: Daemon, whose: str) -> None:
    process = daemon.process
    assert process is not None
    writer = only_child(process.pid)
    gone = os.pidfd_open(writer)
    with Phone("alice", daemon.address) as alice:
        assert alice.text("bob", "kept").status == 202
    if whose == "daemon":
        # Rows not accepted by the writer stay in the daemon's memory.
        os.kill(writer, signal.SIGSTOP)
        _starve(process.pid)
    else:
        resource.prlimit(writer, resource.RLIMIT_AS, (1 << 20, 1 << 20))
    _fill_until_dead(daemon, process.pid)
    with suppress(ProcessLookupError):
        os.kill(writer, signal.SIGCONT)
    assert process.wait(PATIENCE) == 1
    assert select.select([gone], [], [], PATIENCE)[0], "the writer ends with it"
    os.close(gone)
    log = (daemon.folder / "log").read_text()
    assert "Traceback" not in log
    assert len([line for line in log.splitlines() if "out of memory" in line]) == 1
    daemon.stop()
    daemon.start()
    assert daemon.rows()[0]["size"] == 4


def test_close_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_process, "CLOSING", 0.05)
    bank = Desk(SqliteDatabase(tmp_path), Limits())
    bank.stop_child()
    bank.add(1)
    bank.silo.close()
    assert bank.heard == []
    assert not wait_until_dead(bank.writer.process.pid, 0), "it is left to finish"
    bank.continue_child()
    assert bank.writer.process.wait(PATIENCE) == 0


def test_a_memory_error_is_not_taken_for_a_failed_job() -> None:
    def done(result: object) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        WriterResults().tell([(done, None)])


@pytest.mark.interpreted
def test_nor_for_a_row_that_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silo = open_silo(tmp_path)
    transactions = silo.writer.transactions  # type: ignore[attr-defined]

    def raises(*arguments: Any) -> Sequence[Any]:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(type(transactions.quota), "is_easy", raises)
        silo.writer.add(row(1), print)
        with pytest.raises(MemoryError):
            silo.writer.flush()
    silo.close()

"""Reliability 14: with a hanging writer and a killed daemon, the next start names the process with the lock."""

import os
import signal
from pathlib import Path

import pytest

from msilod.errors import BusyError, UnavailableError
from msilod.store.engine.sqlite import lock
from msilod.store.engine.sqlite.lock import DaemonLock, last_words
from msilod.store.schema.maintenance import Maintenance
from tests.faults.disk import only_child, wait_until_dead
from tests.scenarios.conftest import Daemon


def test_the_writer_is_named_when_its_daemon_is_dead(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    assert daemon.process is not None
    pid = daemon.process.pid
    writer = only_child(pid)
    os.kill(writer, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(lock, "PATIENCE", 0.0)
        with pytest.raises(UnavailableError, match=rf"another msilod, pid {pid} "):
            DaemonLock(daemon.silo)
        daemon.kill()
        with pytest.raises(UnavailableError, match=rf"the writer of a msilod that has ended, pid {writer} "):
            DaemonLock(daemon.silo)
        with pytest.raises(BusyError, match=rf"pid {writer} "):
            Maintenance(daemon.silo, "silo").upgrade()
    os.kill(writer, signal.SIGCONT)
    assert wait_until_dead(writer)
    daemon.start()


def test_a_start_beside_a_hanging_writer_is_one_line(daemon: Daemon) -> None:
    assert daemon.process is not None
    writer = only_child(daemon.process.pid)
    os.kill(writer, signal.SIGSTOP)
    daemon.kill()
    done = daemon.msilod("start", "--listen", "udp:127.0.0.1:0")
    os.kill(writer, signal.SIGCONT)
    assert done.returncode == 69
    assert len(done.stderr.splitlines()) == 1
    assert f"pid {writer} " in done.stderr
    assert wait_until_dead(writer)


@pytest.mark.parametrize("content", ["", "\n", "nonsense", "1 2 3", "99999999", "\x00\xff", "x" * 9000])
def test_whatever_stands_in_the_file_a_free_lock_can_be_had(tmp_path: Path, content: str) -> None:
    (tmp_path / "silo.db.lock").write_text(content)
    held = DaemonLock(tmp_path / "silo.db")
    assert (tmp_path / "silo.db.lock").read_text() == f"{os.getpid()}\n"
    held.release()


def test_why_the_last_daemon_ended_is_kept_until_the_next_start(tmp_path: Path) -> None:
    silo = tmp_path / "silo.db"
    assert last_words(silo) == ""
    held = DaemonLock(silo)
    held.name_writer(4711)
    held.note("the log has been cut", True)
    held.release()
    assert last_words(silo) == "the log has been cut"
    again = DaemonLock(silo)
    assert (again.reason, again.wants_check) == ("the log has been cut", True)
    assert last_words(silo) == ""
    again.release()
    assert not DaemonLock(silo).wants_check

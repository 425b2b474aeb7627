"""Reliability 6: a failed start prints one line and exits with 69, without a traceback.

Too few descriptors, a write lock of another process, an I/O error, an unusable folder, a full disk.
"""

import errno
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from msilod.daemon.process import _causes
from msilod.errors import PermissionDenied, UnavailableError
from msilod.store.engine.sqlite.connection import BUSY_MS, translated
from tests.faults.disk import FaultyDisk
from tests.scenarios.conftest import Daemon
from tests.store.rows import add, claim, open_silo, row


def _start(
    daemon: Daemon, prepare: Callable[[], None] = lambda: None, *words: str
) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "msilod", "start", "--listen", "udp:127.0.0.1:0", *words]
    return subprocess.run(
        command, env=daemon.environment, capture_output=True, text=True, timeout=60, check=False,
        preexec_fn=prepare,
    )  # fmt: skip


def _is_one_line(done: "subprocess.CompletedProcess[str]", word: str, code: int = 69) -> None:
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("msilod: ")
    assert word in lines[0]
    assert done.stdout == "", "no ready line"


@pytest.mark.parametrize("files", [8, 20, 50])
def test_few_descriptors(tmp_path: Path, files: int) -> None:
    done = _start(Daemon(tmp_path), lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)))
    _is_one_line(done, "LimitNOFILE")


def test_a_write_lock_of_another_process(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    add(silo, row(1))
    claim(silo)
    silo.close()
    with closing(sqlite3.connect(tmp_path / "silo.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = _start(Daemon(tmp_path))
    assert BUSY_MS < 60_000
    _is_one_line(done, "locked by another process")


@pytest.mark.parametrize("fault", ["fail_read", "fail_sync", "fail_write"])
def test_an_io_error(tmp_path: Path, disk: FaultyDisk, fault: str) -> None:
    silo = open_silo(tmp_path)
    add(silo, row(1))
    claim(silo)
    silo.close()
    daemon = Daemon(tmp_path)
    daemon.environment |= disk.environment
    if fault == "fail_sync":
        # The log is not synced at a start, but a new file is.
        (tmp_path / "silo.db").unlink()
    disk.set(fault, errno.EIO)
    _is_one_line(_start(daemon), "silo.db")
    disk.set(fault, 0)


def test_the_writers_process_cannot_open_the_file(tmp_path: Path) -> None:
    """A failure in the writer's process is reported by the daemon, without a second traceback."""
    environment = Daemon(tmp_path).environment | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "none.db")],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "UnavailableError there is no silo at" in done.stdout
    assert done.stderr == ""


CHILD = """
import select, sys
from msilod.errors import MsilodError
from msilod.store.writer.parent import ProcessWriter
writer = ProcessWriter("sqlite:///" + sys.argv[1], "silo", "test", lambda results: None)
try:
    while True:
        select.select([writer.socket], [], [])
        writer.receive()
except MsilodError as error:
    print(type(error).__name__, error)
writer.close()
"""


def test_a_folder_that_may_not_be_read_is_not_permitted(tmp_path: Path) -> None:
    """The kernel's answer to other users than root. CI runs as root."""
    with pytest.raises(PermissionDenied, match="group msilod") as caught, translated(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 77


@pytest.mark.parametrize("what", ["a file", "a loop", "too long"])
def test_a_folder_that_is_none(tmp_path: Path, what: str) -> None:
    state = tmp_path / "state"
    if what == "a file":
        state.write_text("")
    elif what == "a loop":
        state.symlink_to(state)
    else:
        state = tmp_path / ("x" * 300)
    daemon = Daemon(tmp_path)
    daemon.environment["STATE_DIRECTORY"] = str(state)
    _is_one_line(_start(daemon), str(state))


def test_a_configuration_in_a_folder_that_is_none(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    del daemon.environment["MSILO_CONFIG"]
    daemon.environment["XDG_CONFIG_HOME"] = "/" + "x" * 300
    _is_one_line(_start(daemon), "x" * 300)


def test_an_error_is_found_in_groups_within_groups() -> None:
    wanted = UnavailableError("x")
    group = BaseExceptionGroup("a", [KeyboardInterrupt(), ExceptionGroup("b", [ValueError(), wanted])])
    assert wanted in list(_causes(group))

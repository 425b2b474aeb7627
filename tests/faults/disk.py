"""Disk: a disk that fails on request. Builds disk.c, runs daemons on the disk, and computes states after power cuts."""

import mmap
import os
import select
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from msilod.store.writer.child import UNCHECKED
from tests.programs import program

SOURCE = Path(__file__).with_name("disk.c")
NUMBERS = ("fail_sync", "fail_write", "fail_read", "size", "syncs", "refused")
_RECORD = struct.Struct("=cHqQ")
Record = tuple[int, bytes, str, int, bytes]


class FaultyDisk:
    """A faulty disk for the silo's files in `folder`, in processes with `environment`.

    `fail_sync`, `fail_write` and `fail_read`: errno values (0: no failure). `size`: bytes (0: no limit). `syncs` and
    `refused`: counts.
    """

    def __init__(self, folder: Path, library: Path) -> None:
        self.folder = folder
        control = folder / "disk.control"
        control.write_bytes(bytes(8 * len(NUMBERS)))
        with control.open("r+b") as file:
            self._numbers = mmap.mmap(file.fileno(), 0)
        self.journal = folder / "disk.journal"
        self.environment = {
            "LD_PRELOAD": str(library), "DISK_CONTROL": str(control), "DISK_FILES": str(folder / "silo.db"),
        }  # fmt: skip

    def record(self) -> None:
        """Record all writes for `after_power_cut`. Call this before the start of the daemon."""
        self.environment["DISK_JOURNAL"] = str(self.journal)

    def set(self, name: str, value: int) -> None:
        struct.pack_into("=q", self._numbers, 8 * NUMBERS.index(name), value)

    def get(self, name: str) -> int:
        return int(struct.unpack_from("=q", self._numbers, 8 * NUMBERS.index(name))[0])

    def after_power_cut(self, target: Path) -> None:
        """Write the files to `target`, without all unsynced writes. Removals are kept."""
        durable: dict[str, bytearray] = {}
        pending: dict[str, list[tuple[bytes, int, bytes]]] = {}
        for _, what, name, at, data in self.records():
            if what == b"s":
                for each in pending.pop(name, []):
                    apply(durable.setdefault(name, bytearray()), *each)
            elif what == b"u":
                durable.pop(name, None)
                pending.pop(name, None)
            else:
                pending.setdefault(name, []).append((what, at, data))
        target.mkdir()
        for name, content in durable.items():
            (target / f"silo.db{name}").write_bytes(content)

    @property
    def journal_size(self) -> int:
        """The bytes recorded so far: the current moment, as in `records`."""
        return self.journal.stat().st_size

    def records(self) -> Iterator[Record]:
        """(moment, what, name, offset or size, data). what: w (write), t (truncate), s (sync), u (unlink)."""
        content, start = self.journal.read_bytes(), 0
        while start < len(content):
            what, named, at, count = _RECORD.unpack_from(content, start)
            start += _RECORD.size
            name = content[start : start + named].decode()
            start += named
            start += count
            yield start, what, name, at, content[start - count : start]


def apply(content: bytearray, what: bytes, at: int, data: bytes) -> None:
    if what == b"t":
        del content[at:]
        return
    content.extend(bytes(max(0, at - len(content))))
    content[at : at + len(data)] = data


@pytest.fixture(scope="session")
def disk_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = program("cc")
    library = tmp_path_factory.mktemp("disk") / "disk.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    return library


@pytest.fixture
def disk(tmp_path: Path, disk_library: Path) -> FaultyDisk:
    """A faulty disk in the test's folder, for the silo of a daemon of `start_daemon`."""
    return FaultyDisk(tmp_path, disk_library)


def only_child(pid: int) -> int:
    """The pid of the only child of a process."""
    (child,) = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return child


def stop_idle(pid: int) -> None:
    """Send SIGSTOP to an idle writer, without a job in hand, after an idle time longer than UNCHECKED."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        os.sched_yield()
    os.kill(pid, signal.SIGSTOP)
    until = time.monotonic() + 2 * UNCHECKED
    while time.monotonic() < until:
        os.sched_yield()


def wait_until_dead(pid: int, seconds: float = 20.0) -> bool:
    """Wait for the end of any process. False when the process still lives after `seconds`."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)

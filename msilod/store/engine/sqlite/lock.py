"""Lock: one daemon per SQLite file, by a lock on a file beside the silo.

The kernel drops the lock with the last holding process, so a crash leaves nothing to clean up. The writer's process
holds the lock as well: the writer may still commit after a kill of the daemon, and the next daemon waits for the
writer.

The first line of the file holds the pid of the daemon and, after a space, the pid of the writer. After the end of a
daemon because of its files, the second line has the reason, for `msilo status` and the next start; the third line is
`check` when the next start has to check the database.
"""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from msilod.errors import UnavailableError
from msilod.ownership import adopt_file
from msilod.store.engine.sqlite.connection import translated

# Seconds: a commit that a dead daemon had asked for takes milliseconds, on a disk in trouble more.
PATIENCE: Final = 10.0
AGAIN: Final = 0.02
MAX_BYTES: Final = 4096
CHECK: Final = "check"


class DaemonLock:
    """Held from construction to `release`. Raises UnavailableError with the pid of the holding process.

    `reason`: why the daemon before has ended, "" when the files were no cause. `wants_check`: the database may be
    damaged since then.
    """

    def __init__(self, silo: Path) -> None:
        self.path = lock_path(silo)
        with translated(self.path):
            self.descriptor = _opened(self.path)
            until = time.monotonic() + PATIENCE
            while not self._is_taken():
                daemon, writer = _pids(_lines(self.descriptor))
                if _lives(daemon) or time.monotonic() > until:
                    os.close(self.descriptor)
                    raise UnavailableError(_in_use(silo, daemon, writer))
                time.sleep(AGAIN)
        lines = _lines(self.descriptor)
        self.reason = lines[1] if len(lines) > 1 else ""
        self.wants_check = lines[2:3] == [CHECK]
        self._holders = f"{os.getpid()}"
        self._write()

    def name_writer(self, pid: int) -> None:
        """The process `pid` holds the lock as well."""
        self._holders = f"{os.getpid()} {pid}"
        self._write()

    def note(self, reason: str, wants_check: bool) -> None:
        """Write the reason for the end of the daemon; `wants_check`: the database may be damaged."""
        self._write(f"{reason}\n{CHECK if wants_check else ''}\n")

    def _write(self, rest: str = "") -> None:
        """Overwrite the content, then cut the file: on a full disk the only block of the file stays allocated."""
        content = f"{self._holders}\n{rest}".encode()[:MAX_BYTES]
        # The kernel keeps the lock; the content is for readers only.
        with suppress(OSError):
            os.pwrite(self.descriptor, content, 0)
            os.ftruncate(self.descriptor, len(content))

    def _is_taken(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Release the lock. The file stays: a removal would race with the next daemon's open."""
        os.close(self.descriptor)


def _opened(path: Path) -> int:
    """The open file, created if missing: mode 0660 for any umask, owned as the directory when root creates the file."""
    while True:
        try:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            with suppress(FileExistsError):
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                adopt_file(descriptor, path.parent)
                return descriptor


def lock_path(silo: Path) -> Path:
    """The lock file of a silo."""
    return silo.with_name(silo.name + ".lock")


def last_words(silo: Path) -> str:
    """Why the last daemon of this silo has ended, if the files were the cause; "" if not."""
    with suppress(OSError):
        descriptor = os.open(lock_path(silo), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return "".join(_lines(descriptor)[1:2])
        finally:
            os.close(descriptor)
    return ""


def _lines(descriptor: int) -> list[str]:
    return os.pread(descriptor, MAX_BYTES, 0).decode("utf-8", "replace").splitlines()


def _pids(lines: list[str]) -> tuple[str, str]:
    daemon, _, writer = (lines[0] if lines else "").strip().partition(" ")
    return daemon, writer


def _in_use(silo: Path, daemon: str, writer: str) -> str:
    if not _lives(daemon) and writer.isdecimal():
        return (
            f"{silo} is in use by the writer of a msilod that has ended, pid {writer} "
            "(it ends when its last commit is done; if it hangs, kill it)"
        )
    return f"{silo} is in use by another msilod, pid {daemon or '?'} (stop it, or choose another db_url)"


def _lives(pid: str) -> bool:
    """True when the process exists, or when the file has no pid yet."""
    return not pid.isdecimal() or Path(f"/proc/{pid}").exists()

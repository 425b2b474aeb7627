"""One daemon per SQLite file: a lock on a file beside it, which holds the daemon's pid.

The kernel drops the lock with the last process that has it, so a crash leaves nothing to clean up. The daemon's
writer has it as well: it may still commit when its daemon has been killed, and the next daemon waits for that.
"""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from msilod.errors import UnavailableError
from msilod.store.database import translated
from msilod.store.ownership import adopt_file

# Seconds: a commit that a dead daemon had asked for takes milliseconds, on a disk in trouble more.
PATIENCE: Final = 10.0
AGAIN: Final = 0.02


class DaemonLock:
    """Held from construction to `release`. Raises UnavailableError naming the pid of who has it."""

    def __init__(self, silo: Path) -> None:
        self.path = silo.with_name(silo.name + ".lock")
        with translated(self.path):
            self.descriptor = _opened(self.path)
            until = time.monotonic() + PATIENCE
            while not self._is_taken():
                pid = os.pread(self.descriptor, 32, 0).decode("ascii", "replace").strip()
                if _lives(pid) or time.monotonic() > until:
                    os.close(self.descriptor)
                    raise UnavailableError(
                        f"{silo} is in use by another msilod, pid {pid or '?'} (stop it, or choose another db_url)"
                    )
                time.sleep(AGAIN)
            os.ftruncate(self.descriptor, 0)
            os.write(self.descriptor, b"%d\n" % os.getpid())

    def _is_taken(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let go; the file stays, for removing it would race with the next one."""
        os.close(self.descriptor)


def _opened(path: Path) -> int:
    """The open file, made if need be: with mode 0660 whatever the umask, and the directory's when root makes it."""
    while True:
        try:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            with suppress(FileExistsError):
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                adopt_file(descriptor, path.parent)
                return descriptor


def _lives(pid: str) -> bool:
    """Whether the process is there; one that has not written its pid yet is."""
    return not pid.isdecimal() or Path(f"/proc/{pid}").exists()

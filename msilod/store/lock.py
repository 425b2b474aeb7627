"""One daemon per SQLite file: a lock on a file beside it, which holds the daemon's pid.

The kernel drops the lock with the process, so a crash leaves nothing to clean up.
"""

import fcntl
import os
from pathlib import Path

from msilod.errors import UnavailableError
from msilod.store.database import FILE_MODE, translated


class DaemonLock:
    """Held from construction to `release`. Raises UnavailableError naming the pid of who has it."""

    def __init__(self, silo: Path) -> None:
        self.path = silo.with_name(silo.name + ".lock")
        with translated(self.path):
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                pid = os.read(self._descriptor, 32).decode("ascii", "replace").strip() or "?"
                os.close(self._descriptor)
                raise UnavailableError(
                    f"{silo} is in use by another msilod, pid {pid} (stop it, or choose another db_url)"
                ) from error
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, b"%d\n" % os.getpid())

    def release(self) -> None:
        """Let go; the file stays, for removing it would race with the next one."""
        os.close(self._descriptor)

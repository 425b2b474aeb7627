"""The reserve: a file beside the silo that is removed when the disk is full (space.py makes it)."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

# With less free bytes than this a process that opens the silo removes the reserve. It is more than the largest
# transaction of a purge writes (operator.py).
FLOOR: Final = 4 << 20


def reserve_path(silo: Path) -> Path:
    """Beside the silo."""
    return silo.with_name(silo.name + ".reserve")


def free_bytes(silo: Path) -> int:
    """The bytes of the silo's disk that a process without privileges may still take."""
    found = os.statvfs(silo.parent)
    return found.f_bavail * found.f_frsize


def release_if_full(silo: Path) -> None:
    """Before an open: SQLite needs room for the log and its index."""
    with suppress(OSError):
        if free_bytes(silo) < FLOOR:
            reserve_path(silo).unlink(missing_ok=True)

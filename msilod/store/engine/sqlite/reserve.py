"""Reserve: a file beside the silo, removed when the disk is full. space.py makes the file."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

# Free bytes. Below, an open of the silo removes the reserve. The largest transaction of a purge writes less
# (operator.py).
FLOOR: Final = 4 << 20


def reserve_path(silo: Path) -> Path:
    """The reserve of a silo."""
    return silo.with_name(silo.name + ".reserve")


def free_bytes(silo: Path) -> int:
    """Free bytes on the disk of the silo, for processes without privileges."""
    found = os.statvfs(silo.parent)
    return found.f_bavail * found.f_frsize


def release_if_full(silo: Path) -> None:
    """Called before an open: SQLite needs room for the log and the index."""
    with suppress(OSError):
        if free_bytes(silo) < FLOOR:
            reserve_path(silo).unlink(missing_ok=True)

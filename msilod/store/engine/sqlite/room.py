"""Room: whether the disk of a silo has room for new rows ([silo] min_free_bytes)."""

import time
from pathlib import Path
from typing import Final

from msilod.store.engine.sqlite.reserve import free_bytes
from msilod.store.limits import Limits

LOOK_EVERY: Final = 1.0


class Room:
    """Looks at the disk at most once in LOOK_EVERY seconds. `limits` are the current ones.

    In the writer's process space.py looks, and sets `is_found_full`.
    """

    __slots__ = ("_found", "_looked", "_path", "is_found_full", "limits")

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self.limits = limits
        # Whether the disk is full, as space.py found it; None: `is_full` looks.
        self.is_found_full: bool | None = None
        self._looked = -LOOK_EVERY
        self._found = False

    def is_full(self) -> bool:
        """True when less than `min_free_bytes` are free. Raises OSError."""
        if self.is_found_full is not None:
            return self.is_found_full
        now = time.monotonic()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._found = free_bytes(self._path) < self.limits.min_free_bytes
        return self._found

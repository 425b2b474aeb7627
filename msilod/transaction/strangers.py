"""Strangers: bounds the server transactions of senders without a password, in number and bytes.

When the gate admits senders of foreign domains, their requests share tables with the requests of users. This bound
keeps room in the tables for users. A refused request is answered without state and takes no room.

The end of a transaction is not counted at once: `_sweep` removes ended transactions, at most once a second and only at
the bound. So other requests cost nothing more.
"""

from collections.abc import Container
from typing import Final

from msilod.transaction.completed import Remembered

# Live transactions and remembered answers: about 1,500 requests a second.
MAX_NUMBER: Final = 50_000
MAX_BYTES: Final = 32_000_000
# Bytes of a live transaction without its request, and of a remembered answer.
LIVE: Final = 2_500
REMEMBERED: Final = 200
SWEEP_EVERY: Final = 1.0


class Strangers:
    """Sizes of transactions by key. `live` are the live transactions, `memory` holds the answers of ended ones."""

    __slots__ = ("_live", "_memory", "_next_sweep", "_sizes", "bytes")

    def __init__(self, live: Container[bytes], memory: Remembered) -> None:
        self._live = live
        self._memory = memory
        self._sizes: dict[bytes, int] = {}
        self._next_sweep = 0.0
        self.bytes = 0

    def add(self, key: bytes, size: int, now: float) -> bool:
        """Count a transaction with a request of `size` bytes; False when there is no room. `now` never decreases."""
        if (len(self._sizes) >= MAX_NUMBER or self.bytes + size > MAX_BYTES) and now >= self._next_sweep:
            self._next_sweep = now + SWEEP_EVERY
            self._sweep()
        if len(self._sizes) >= MAX_NUMBER or self.bytes + size > MAX_BYTES:
            return False
        self._sizes[key] = size + LIVE
        self.bytes += size + LIVE
        return True

    def _sweep(self) -> None:
        left: dict[bytes, int] = {}
        for key, size in self._sizes.items():
            if key in self._live:
                left[key] = size
            elif self._memory.get(key) is not None:
                left[key] = REMEMBERED
        self._sizes = left
        self.bytes = sum(left.values())

    def __len__(self) -> int:
        return len(self._sizes)

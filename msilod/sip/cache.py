"""A cache of parsed values of the wire, bounded in bytes and not only in entries.

A key may come from any stranger, so the number of entries alone bounds nothing: one URI of 2 kB with 50 parameters
takes as much memory as 20 usual ones. Each cache has a function that says how many bytes an entry takes, and drops
its oldest entries when the sum exceeds the limit.

The class is a `dict`, because `cache.__getitem__` then runs at the speed of C for an entry that is there (40 ns) and
costs the caller no more than `functools.lru_cache` would. Python code runs only when a key is new. Not compiled:
mypyc knows no generic subclass of dict.
"""

from collections.abc import Callable
from itertools import islice
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Cache(dict[K, V]):
    """`cache[key]` is `read(key)`, remembered. An exception of `read` is raised and not remembered.

    `size_of(key, value)` estimates the bytes of an entry; `limit` bounds their sum. `bytes` is the present sum.
    """

    __slots__ = ("_limit", "_read", "_size_of", "bytes")

    def __init__(self, read: Callable[[K], V], size_of: Callable[[K, V], int], limit: int) -> None:
        super().__init__()
        self._read = read
        self._size_of = size_of
        self._limit = limit
        self.bytes = 0

    def __missing__(self, key: K) -> V:
        value = self._read(key)
        size = self._size_of(key, value)
        if size <= self._limit // 16:
            # An entry that is larger than that would drop many others.
            self.bytes += size
            if self.bytes > self._limit:
                self._drop_oldest()
            self[key] = value
        return value

    def _drop_oldest(self) -> None:
        """Drop the older half: to drop one at a time, a dict looks through all that went before."""
        for key in list(islice(self, len(self) // 2 + 1)):
            self.bytes -= self._size_of(key, self.pop(key))

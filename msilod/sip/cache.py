"""Cache: remembers parsed values, bounded in bytes and not only in entries.

Any sender can choose the keys, so a bound on the number of entries is not enough: one URI of 2 kB with 50 parameters
takes as much memory as 20 usual URIs. Each cache has a function for the bytes of an entry, and drops the oldest entries
when the sum exceeds the limit.

The class is a `dict`: for a known key `cache.__getitem__` runs at the speed of C (40 ns) and costs no more than
`functools.lru_cache`. Python code runs only for a new key. The module is not compiled, since mypyc does not support
generic subclasses of dict.
"""

from collections.abc import Callable
from itertools import islice
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Cache(dict[K, V]):
    """`cache[key]` is the remembered result of `read(key)`. Exceptions of `read` are raised and not remembered.

    `size_of(key, value)` estimates the bytes of an entry. `limit` bounds the sum of these, and `bytes` is the present
    sum.
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
            # A larger entry would evict many others, and is not remembered.
            self.bytes += size
            if self.bytes > self._limit:
                self._drop_oldest()
            self[key] = value
        return value

    def _drop_oldest(self) -> None:
        """Drop the older half of the entries.

        Dropping one entry at a time would be slow: a dict scans past all dropped entries.
        """
        for key in list(islice(self, len(self) // 2 + 1)):
            self.bytes -= self._size_of(key, self.pop(key))

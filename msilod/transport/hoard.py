"""Hoard: bounds the memory of connections, in all and per source, and chooses the oldest connections to close.

A connection takes some kilobytes, and the bytes of a message that is not complete. Both are bounded per connection, and
the number of connections is bounded per address. Without a bound on the sum, one address could hold 160 MB of
unfinished messages, and ten addresses 400 MB of idle TLS connections.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

Connection = TypeVar("Connection", bound=Hashable)


class Hoard(Generic[Connection]):
    """Bytes by connection. `limit` bounds the sum, and `per_source` the sum of one source, both in bytes.

    A source is a text. The source "" has no limit of its own.
    """

    __slots__ = ("_by_source", "_limit", "_per_source", "_sums", "_where", "bytes")

    def __init__(self, limit: int, per_source: int) -> None:
        self._limit = limit
        self._per_source = per_source
        # Both dicts are in order of time: the first connection has held bytes for the longest time.
        self._where: dict[Connection, str] = {}
        self._by_source: dict[str, dict[Connection, int]] = {}
        self._sums: dict[str, int] = {}
        self.bytes = 0

    def put(self, connection: Connection, source: str, size: int) -> list[Connection]:
        """Note that `connection` holds `size` bytes now, 0 for none. Returns the connections to close to make room.

        The returned connections are counted no longer.
        """
        if not size:
            self.drop(connection)
            return []
        source = self._where.setdefault(connection, source)
        held = self._by_source.setdefault(source, {})
        more = size - held.get(connection, 0)
        held[connection] = size
        self.bytes += more
        self._sums[source] = self._sums.get(source, 0) + more
        surplus: list[Connection] = []
        while source and self._sums.get(source, 0) > self._per_source:
            surplus.append(next(iter(held)))
            self.drop(surplus[-1])
        while self.bytes > self._limit:
            surplus.append(next(iter(self._where)))
            self.drop(surplus[-1])
        return surplus

    def drop(self, connection: Connection) -> None:
        """Forget a connection, which holds no bytes any longer."""
        source = self._where.pop(connection, None)
        if source is None:
            return
        held = self._by_source[source]
        size = held.pop(connection)
        self.bytes -= size
        self._sums[source] -= size
        if not held:
            del self._by_source[source], self._sums[source]

    def __len__(self) -> int:
        return len(self._where)

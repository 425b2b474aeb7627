"""Bounded tables, which drop the oldest entry first, and shares of a bounded resource.

A dict keeps the order of insertion, so the first entry is the oldest.
"""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def put_last(table: dict[K, V], key: K, value: V, limit: int) -> None:
    """Put the entry last, and remove the first entry when the table has more than `limit`."""
    table.pop(key, None)
    table[key] = value
    if len(table) > limit:
        del table[next(iter(table))]


class PartyShares:
    """Counts how much of a bounded resource each party holds. A party may hold `most`; "" has no bound."""

    __slots__ = ("_held", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: dict[str, int] = {}

    def has_room(self, party: str) -> bool:
        """True when `party` may take one more unit."""
        return not party or self._held.get(party, 0) < self.most

    def take(self, party: str) -> None:
        """Count one more unit for `party`, even without room."""
        if party:
            self._held[party] = self._held.get(party, 0) + 1

    def give_back(self, party: str) -> None:
        """Count one unit less for `party`."""
        if party:
            left = self._held.pop(party) - 1
            if left:
                self._held[party] = left

    def __len__(self) -> int:
        """Number of parties with at least one unit."""
        return len(self._held)

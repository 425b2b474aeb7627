"""Tables with a bound that forget their oldest entry first, and shares of what several parties want.

A dict keeps its entries in the order in which they were put in, so the first entry is the oldest one.
"""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def put_last(table: dict[K, V], key: K, value: V, limit: int) -> None:
    """Put the entry behind all others, and remove the first one when there are more than `limit`."""
    table.pop(key, None)
    table[key] = value
    if len(table) > limit:
        del table[next(iter(table))]


class Shares:
    """How much of a bounded resource each party holds. A party may hold `most`; "" may hold any number."""

    __slots__ = ("_held", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: dict[str, int] = {}

    def has_room(self, party: str) -> bool:
        """True when `party` may take one more."""
        return not party or self._held.get(party, 0) < self.most

    def take(self, party: str) -> None:
        """`party` holds one more, whether it has room or not."""
        if party:
            self._held[party] = self._held.get(party, 0) + 1

    def give_back(self, party: str) -> None:
        """`party` holds one less."""
        if party:
            left = self._held.pop(party) - 1
            if left:
                self._held[party] = left

    def __len__(self) -> int:
        """Parties that hold something."""
        return len(self._held)

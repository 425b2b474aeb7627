"""Text: SQL for many values at once, built once for each number of values."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final, TypeVar

LARGEST: Final = 512
# Up to this number of values each number has a prepared statement of its own.
EXACT: Final = 32
Item = TypeVar("Item")


def chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Pieces of `items` in order. Their lengths are powers of two, the largest first; the last has up to EXACT items.

    So a few prepared statements serve every number of items.
    """
    start, left = 0, len(items)
    while left:
        size = left if left <= EXACT else min(LARGEST, 1 << (left.bit_length() - 1))
        yield items[start : start + size]
        start += size
        left -= size


@cache
def marks(rows: int, columns: int) -> str:
    """Question marks for the VALUES of so many rows."""
    one = f"({', '.join('?' * columns)})"
    return ", ".join([one] * rows)

"""Tables with a bound that forget their oldest entry first.

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

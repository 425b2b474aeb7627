"""The bytes held by connections in sum: the counts, and the connection that is closed first."""

from collections.abc import Sequence
from typing import cast

from msilod.transport.hoard import Hoard
from msilod.transport.streams import Connection


def connections(number: int) -> list[Connection]:
    """Only the identity of a connection matters here."""
    return cast(list[Connection], [object() for _ in range(number)])


def put(hoard: Hoard[Connection], crowd: Sequence[Connection], source: str, size: int) -> list[Connection]:
    return [gone for one in crowd for gone in hoard.put(one, source, size)]


def test_the_oldest_connection_of_a_source_over_its_limit_is_closed_and_no_other() -> None:
    hoard, honest, greedy = Hoard[Connection](1_000, 300), connections(1), connections(4)
    assert put(hoard, honest, "a", 100) == []
    assert put(hoard, greedy, "b", 100) == greedy[:1]
    assert hoard.bytes == 400
    assert hoard.put(greedy[3], "b", 250) == greedy[1:3], "it grows, and keeps its place"


def test_the_oldest_connection_of_all_is_closed_when_all_sources_exceed_the_sum() -> None:
    hoard, crowd = Hoard[Connection](1_000, 300), connections(12)
    gone = [left for number, one in enumerate(crowd) for left in hoard.put(one, f"s{number}", 100)]
    assert gone == crowd[:2]
    assert hoard.bytes == 1_000


def test_a_source_without_a_name_counts_in_the_sum_only() -> None:
    hoard, crowd = Hoard[Connection](1_000, 300), connections(11)
    assert put(hoard, crowd, "", 100) == crowd[:1]


def test_a_connection_that_holds_nothing_is_not_counted() -> None:
    hoard, crowd = Hoard[Connection](1_000, 300), connections(3)
    put(hoard, crowd, "a", 100)
    hoard.put(crowd[0], "a", 0)
    hoard.drop(crowd[1])
    hoard.drop(crowd[1])
    assert (len(hoard), hoard.bytes) == (1, 100)
    assert hoard.put(crowd[2], "a", 400) == crowd[2:]
    assert (len(hoard), hoard.bytes, hoard._sums, hoard._by_source) == (0, 0, {}, {})

"""The cache of parsed values: bounded in bytes, exact while there is room, and without errors."""

import pytest

from msilod.sip.cache import Cache


def test_a_cached_value_is_not_parsed_again() -> None:
    read: list[bytes] = []

    def length(key: bytes) -> int:
        read.append(key)
        return len(key)

    found = Cache(length, lambda key, value: value, 1_000).__getitem__
    assert [found(b"abc"), found(b"abc"), found(b"de")] == [3, 3, 2]
    assert read == [b"abc", b"de"]


def test_an_error_is_raised_each_time_and_takes_no_room() -> None:
    cache: Cache[bytes, int] = Cache(int, lambda key, value: len(key), 1_000)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            cache[b"x"]
    assert not cache
    assert cache.bytes == 0


def test_the_oldest_values_are_dropped_and_the_sum_is_right() -> None:
    cache = Cache(len, lambda key, value: len(key), 10_000)
    for number in range(5_000):
        cache[b"%0100d" % number]
        assert cache.bytes == 100 * len(cache) <= 10_000
    assert b"%0100d" % 4_999 in cache
    assert b"%0100d" % 0 not in cache


def test_a_too_large_value_is_parsed_and_not_cached() -> None:
    cache = Cache(len, lambda key, value: len(key), 10_000)
    assert cache[b"x" * 5_000] == 5_000
    assert not cache

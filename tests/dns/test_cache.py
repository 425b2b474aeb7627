"""The life and the number of cached answers (row P15: cache by TTL; bounds)."""

import pytest

from msilod.dns.cache import MAX_NAMES, MAX_UNREACHABLE, Cache, Heard, Unreachable
from msilod.dns.records import Found, Question
from msilod.sip.hop import Hop
from tests.dns.zone import record

A = Question("a.test", "A")
FOUND = Found((record("a.test A 192.0.2.1"),), ())
ALIAS = Found((), ("b.test",))
NONE = Found((), ())


@pytest.mark.parametrize(
    ("heard", "ttl", "kept"),
    [
        (FOUND, 60, 60), (FOUND, 0, 5), (FOUND, 5, 5), (FOUND, 3600, 3600), (FOUND, 2**31 - 1, 3600),
        (ALIAS, 60, 60), (NONE, 0, 30), (NONE, 86400, 30), ("DNS: failed", 3600, 5),
    ],
)  # fmt: skip
def test_p15_an_answer_is_kept_for_its_ttl_within_bounds(heard: Heard, ttl: int, kept: float) -> None:
    cache = Cache()
    cache.put(A, heard, ttl, 1000.0)
    assert cache.get(A, 1000.0 + kept - 0.01) == heard
    assert cache.get(A, 1000.0 + kept) is None
    assert len(cache) == 0


def test_dns_the_least_recently_used_goes_first() -> None:
    cache = Cache(2)
    b, c = Question("b.test", "A"), Question("c.test", "A")
    for question in (A, b):
        cache.put(question, FOUND, 60, 0.0)
    assert cache.get(A, 1.0) == FOUND
    cache.put(c, FOUND, 60, 1.0)
    assert (cache.get(A, 1.0), cache.get(b, 1.0), cache.get(c, 1.0)) == (FOUND, None, FOUND)


def test_dns_ten_thousand_names_are_kept() -> None:
    cache = Cache()
    for n in range(MAX_NAMES + 10):
        cache.put(Question(f"{n}.test", "A"), NONE, 0, 0.0)
    assert len(cache) == MAX_NAMES == 10_000


def test_p15_a_failed_hop_is_tried_last_for_half_a_minute() -> None:
    first, second, third = [Hop("udp", f"192.0.2.{n}", 5060) for n in (1, 2, 3)]
    unreachable = Unreachable()
    assert unreachable.last([first, second, third], 0.0) == [first, second, third]
    unreachable.add(first, 10.0)
    assert unreachable.last([first, second, third], 39.9) == [second, third, first]
    assert unreachable.last([first, second, third], 40.0) == [first, second, third]
    unreachable.add(first, 50.0)
    unreachable.add(second, 50.0)
    assert unreachable.last([first, second, third], 51.0) == [third, first, second]


def test_dns_the_unreachable_hops_are_bounded() -> None:
    unreachable = Unreachable()
    hops = [Hop("udp", "192.0.2.1", port + 1) for port in range(MAX_UNREACHABLE + 1)]
    for hop in hops:
        unreachable.add(hop, 0.0)
    # The oldest hop was dropped, so the hop comes before the second again.
    assert unreachable.last([hops[1], hops[0]], 1.0) == [hops[0], hops[1]]


def test_p16_a_hop_with_retry_after_is_tried_last_for_an_hour_at_most() -> None:
    first, second = [Hop("udp", f"192.0.2.{n}", 5060) for n in (1, 2)]
    unreachable = Unreachable()
    for asked, given in ((0.0, 30.0), (5.0, 30.0), (120.0, 120.0), (1e9, 3600.0)):
        unreachable.add(first, 0.0, asked)
        assert unreachable.has(first, given - 0.1)
        assert not unreachable.has(first, given)
    assert not unreachable.has(second, 0.0)

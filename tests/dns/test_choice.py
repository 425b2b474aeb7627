"""The order of SRV records (RFC 2782; row P15)."""

import random
from collections import Counter

import pytest

from msilod.dns.choice import in_srv_order
from msilod.dns.records import Srv
from tests.dns.zone import always


def srv(priority: int, weight: int, target: str) -> Srv:
    return Srv("_sip._udp.example.test", priority, weight, 5060, target)


def order(records: list[Srv], number: float) -> str:
    return "".join([record.target for record in in_srv_order(records, always(number))])


@pytest.mark.parametrize("number", [0.0, 0.5, 0.999999])
def test_p15_the_lowest_priority_is_first_for_any_random_number(number: float) -> None:
    records = [srv(20, 65535, "c"), srv(10, 0, "b"), srv(0, 1, "a")]
    assert order(records, number) == "abc"


def test_p15_the_random_number_is_in_the_running_sum_with_both_ends() -> None:
    # RFC 2782: a number of 0..sum; the first whose running sum is not less. Sum 4: five numbers.
    records = [srv(0, 3, "b"), srv(0, 1, "c"), srv(0, 0, "a")]
    assert [order(records, n / 5)[0] for n in range(5)] == ["a", "b", "b", "b", "c"]


def test_p15_a_chosen_record_no_longer_counts() -> None:
    assert order([srv(0, 3, "a"), srv(0, 1, "b"), srv(0, 2, "c")], 0.99) == "cba"


def test_p15_weights_are_shares() -> None:
    chance = random.Random(3263).random
    records = [srv(0, 75, "a"), srv(0, 25, "b")]
    first = Counter(in_srv_order(records, chance)[0].target for _ in range(2000))
    assert 0.70 < first["a"] / 2000 < 0.80


def test_p15_no_record_is_lost_or_chosen_twice() -> None:
    chance = random.Random(1).random
    records = [srv(n % 3, n % 4, f"{n}") for n in range(16)]
    assert sorted(in_srv_order(records, chance)) == sorted(records)
    assert in_srv_order([], chance) == []

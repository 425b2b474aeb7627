"""The shed sources, and the ports of shed sources that still pass: all of it bounded."""

from msilod.auth.fruitless import (
    MAX_PER_SECOND,
    MAX_PORTS,
    MAX_PROVEN,
    MAX_REMEMBERED,
    MAX_SHED,
    MAX_SOURCES,
    PROVEN_FOR,
    SHED_FOR,
    Fruitless,
    Proven,
)

MANY = int(MAX_PER_SECOND)


def test_a_source_is_shed_when_it_has_had_enough_in_one_second() -> None:
    found = Fruitless()
    assert not any(found.count("a", 10.0, 1.0) for _ in range(MANY))
    assert found.count("a", 10.9, 1.0)
    assert not found.count("b", 10.9, 1.0)
    assert not found.count("a", 11.0, 1.0), "a new second"


def test_small_requests_count_less() -> None:
    found = Fruitless()
    assert not any(found.count("a", 10.0, 0.2) for _ in range(4 * MANY))


def test_a_shed_source_is_heard_again_after_its_time() -> None:
    found = Fruitless()
    for _ in range(MANY + 1):
        found.count("a", 10.0, 1.0)
    found.shed_now("a", 10.0)
    assert not found.count("a", 10.1, 1.0), "it is shed already"
    assert not found.lift(10.0 + SHED_FOR - 0.1)
    assert found.lift(10.0 + SHED_FOR)
    assert not found.shed


def test_counts_and_shed_sources_are_bounded() -> None:
    found = Fruitless()
    for number in range(MAX_SOURCES + 10):
        found.count(str(number), 10.0, 1.0)
    assert len(found._counts) == MAX_SOURCES
    for number in range(MAX_SHED):
        found.shed_now(str(number), 10.0)
    assert not any(found.count("500", 10.0, 1.0) for _ in range(2 * MANY))


def test_proved_ports_are_bounded() -> None:
    proven = Proven()
    for port in range(MAX_REMEMBERED + 10):
        assert proven.has_many("a") is (port >= MAX_PORTS)
        proven.add("a", port, 10.0)
    assert len(proven.ports("a")) == MAX_REMEMBERED
    assert proven.has_many("a")
    proven.add("a", 5, 10.0 + PROVEN_FOR + 1)
    proven.add("a", 60_000, 10.0 + PROVEN_FOR + 1)
    assert set(proven.ports("a")) == {5, 60_000}, "the others have been quiet for an hour"
    for number in range(MAX_PROVEN):
        proven.add(f"source {number}", 1, 10.0)
    assert not proven.ports("a")
    assert len(proven._ports) == MAX_PROVEN

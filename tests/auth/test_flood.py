"""Challenges per second and source: bounded, alone and in sum, and so is the memory of it."""

from msilod.auth.flood import LATEST, MAX_PER_SECOND, MAX_SOURCES, SOONEST, ChallengeRate


def test_a_source_gets_so_many_challenges_a_second() -> None:
    rate = ChallengeRate()
    waits = [rate.wait("192.0.2.1", "", 0, 10.5) for _ in range(MAX_PER_SECOND + 5)]
    assert waits == [0] * MAX_PER_SECOND + [SOONEST] * 5
    assert rate.wait("192.0.2.2", "", 0, 10.6) == 0
    assert rate.wait("192.0.2.1", "", 0, 11.0) == 0


def test_sources_have_a_limit_in_sum_and_the_others_have_not() -> None:
    rate = ChallengeRate()
    waits = [rate.wait(f"2001:db8:0:{number:x}::/64", "2001:db8::/56", 40, 10.0) for number in range(50)]
    assert waits.count(0) == 40
    assert rate.wait("2001:db8:0:100::/64", "2001:db8:0:100::/56", 40, 10.0) == 0


def test_the_refused_are_told_different_times() -> None:
    rate = ChallengeRate()
    waits = [rate.wait(f"phone {number}", "edge", 100, 10.0) for number in range(10_000)]
    assert sorted(set(waits)) == [0, *range(SOONEST, LATEST + 1)]
    assert all(waits.count(seconds) == 100 for seconds in range(SOONEST, LATEST))


def test_a_crowd_of_forged_sources_is_bounded_and_those_before_it_are_served() -> None:
    rate = ChallengeRate()
    waits = [rate.wait(str(number), "", 0, 10.0) for number in range(MAX_SOURCES + 500)]
    assert waits.count(0) == MAX_SOURCES
    assert rate.wait("7", "", 0, 10.5) == 0
    assert rate.wait("192.0.2.1", "", 0, 11.0) == 0

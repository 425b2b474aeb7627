"""Challenges per second and source: bounded for each source and in sum, with a bounded memory."""

from msilod.auth.flood import LATEST, MAX_PER_SECOND, MAX_SOURCES, SOONEST, ChallengeRate


def test_a_source_gets_a_bounded_number_of_challenges_a_second() -> None:
    rate = ChallengeRate()
    waits = [rate.wait("192.0.2.1", "", 0, 10.5) for _ in range(MAX_PER_SECOND + 5)]
    assert waits == [0] * MAX_PER_SECOND + [SOONEST] * 5
    assert rate.wait("192.0.2.2", "", 0, 10.6) == 0
    assert rate.wait("192.0.2.1", "", 0, 11.0) == 0


def test_sources_in_a_sum_share_a_limit_and_other_sources_do_not() -> None:
    rate = ChallengeRate()
    waits = [rate.wait(f"2001:db8:0:{number:x}::/64", "2001:db8::/56", 40, 10.0) for number in range(50)]
    assert waits.count(0) == 40
    assert rate.wait("2001:db8:0:100::/64", "2001:db8:0:100::/56", 40, 10.0) == 0


def test_refused_sources_get_different_retry_times() -> None:
    rate = ChallengeRate()
    waits = [rate.wait(f"phone {number}", "edge", 100, 10.0) for number in range(10_000)]
    assert sorted(set(waits)) == [0, *range(SOONEST, LATEST + 1)]
    assert all(waits.count(seconds) == 100 for seconds in range(SOONEST, LATEST))


def test_a_crowd_of_forged_sources_is_bounded_and_earlier_sources_are_served() -> None:
    rate = ChallengeRate()
    waits = [rate.wait(str(number), "", 0, 10.0) for number in range(MAX_SOURCES + 500)]
    assert waits.count(0) == MAX_SOURCES
    assert rate.wait("7", "", 0, 10.5) == 0
    assert rate.wait("192.0.2.1", "", 0, 11.0) == 0

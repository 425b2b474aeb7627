"""Challenges per second and source: bounded, and so is the memory of it."""

from msilod.auth.flood import MAX_PER_SECOND, MAX_SOURCES, ChallengeRate


def test_a_source_gets_so_many_challenges_a_second() -> None:
    rate = ChallengeRate()
    assert [rate.allows("192.0.2.1", 10.5) for _ in range(MAX_PER_SECOND + 5)].count(True) == MAX_PER_SECOND
    assert rate.allows("192.0.2.2", 10.6)
    assert rate.allows("192.0.2.1", 11.0)


def test_a_crowd_of_forged_sources_is_bounded() -> None:
    rate = ChallengeRate()
    allowed = sum(rate.allows(str(number), 10.0) for number in range(MAX_SOURCES + 500))
    assert allowed == MAX_SOURCES
    assert rate.allows("192.0.2.1", 11.0)

"""Guessed passwords: the guesser waits longer and longer, and other clients do not wait."""

from msilod.auth.throttle import (
    FORGIVEN_AFTER,
    FREE_PAIR,
    FREE_SOURCE,
    FREE_USER,
    LONGEST_WAIT,
    Throttle,
)

ALICE, BOB = "alice@example.test", "bob@example.test"
HERE, THERE = b"here", b"ther"


def guess(throttle: Throttle, source: bytes, user: str, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        throttle.failed(source, user, now)


def test_a10_some_guesses_are_free_and_then_the_wait_doubles_to_a_minute() -> None:
    throttle = Throttle()
    guess(throttle, HERE, ALICE, FREE_PAIR)
    assert throttle.wait(HERE, ALICE, 0.0) == 0
    waits = []
    for _ in range(10):
        throttle.failed(HERE, ALICE, 0.0)
        waits.append(throttle.wait(HERE, ALICE, 0.0))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 64, 64, 64]
    assert waits[-1] == LONGEST_WAIT
    assert throttle.wait(HERE, ALICE, 63.0) == 1
    assert throttle.wait(HERE, ALICE, 64.0) == 0


def test_a10_the_victim_does_not_wait_for_the_guesser() -> None:
    throttle = Throttle()
    guess(throttle, HERE, ALICE, 1000)
    assert throttle.wait(THERE, ALICE, 0.0) == 0, "alice, from where she is"
    assert throttle.wait(HERE, BOB, 0.0) > 0, "the source has tried enough"
    throttle = Throttle()
    guess(throttle, HERE, ALICE, FREE_PAIR + 3)
    assert throttle.wait(HERE, BOB, 0.0) == 0, "another user behind the same address"


def test_a10_one_password_tried_on_many_users_is_slowed_by_its_source() -> None:
    throttle = Throttle()
    for number in range(FREE_SOURCE + 3):
        throttle.failed(HERE, f"user{number}@example.test", 0.0)
    assert throttle.wait(HERE, "new@example.test", 0.0) == 4


def test_a10_many_sources_at_one_user_get_one_guess_each() -> None:
    throttle = Throttle()
    for number in range(FREE_USER + 3):
        source = number.to_bytes(4, "big")
        assert throttle.wait(source, ALICE, 0.0) == 0, "the first one is looked at"
        throttle.failed(source, ALICE, 0.0)
    assert throttle.wait((1).to_bytes(4, "big"), ALICE, 0.0) == 4, "the second one waits"
    assert throttle.wait(THERE, ALICE, 0.0) == 0, "so alice comes in from anywhere"


def test_a10_a_right_password_and_a_quiet_time_end_the_wait() -> None:
    throttle = Throttle()
    guess(throttle, HERE, ALICE, FREE_PAIR + 1)
    throttle.succeeded(HERE, ALICE)
    assert throttle.wait(HERE, ALICE, 0.0) == 0
    guess(throttle, HERE, ALICE, FREE_PAIR + 5)
    throttle.failed(HERE, ALICE, FORGIVEN_AFTER + 1)
    assert throttle.wait(HERE, ALICE, FORGIVEN_AFTER + 1) == 0


def test_a10_the_memory_of_guessers_is_bounded() -> None:
    throttle = Throttle(limit=100)
    guess(throttle, HERE, ALICE, 20)
    for number in range(1000):
        throttle.failed(number.to_bytes(4, "big"), f"user{number}@example.test", 0.0)
        if number % 20 == 0:
            throttle.failed(HERE, ALICE, 0.0)
    assert len(throttle) <= 100
    assert throttle.wait(HERE, ALICE, 0.0) > 0, "who goes on guessing is not forgotten"

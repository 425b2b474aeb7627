"""registrar/keep_alive.py: the times of pings, and the contacts that count as away."""

from collections import Counter
from itertools import count

import pytest

from msilod.registrar.binding import Binding
from msilod.registrar.keep_alive import MAX_AT_ONCE, MISSED, ROUNDING, KeepAlives
from msilod.registrar.location import LocationService
from msilod.registrar.ping_state import PingState
from msilod.sip.flow import Flow
from tests.registrar.wire import ENDPOINT, WALL

PERIOD = 25
_tokens = count(1)


def bound(aor: str, contact: str = "sip:a@10.0.0.5", expires: float = 3600.0) -> Binding:
    flow = Flow(ENDPOINT, "192.0.2.9", 5062)
    return Binding(aor, contact, "c", 1, WALL + expires, WALL, flow=flow, pings=PingState())


class Wheel:
    """A wheel, and a clock that `turn` moves."""

    def __init__(self, *bindings: Binding, period: int = PERIOD) -> None:
        self.location = LocationService()
        self.location.load(bindings)
        self.keep_alives = KeepAlives(self.location)
        self.now = 1000.0
        self.pinged: Counter[str] = Counter()
        self.gone: list[str] = []
        self.keep_alives.configure(period, bindings, self.now, WALL)

    @property
    def wall(self) -> float:
        return WALL + self.now - 1000

    def step(self) -> list[Binding]:
        """Ping the bindings that are due next, and return them."""
        self.now += self.keep_alives.until_next(self.now) or 1.0
        due, gone = self.keep_alives.due(self.now, self.wall)
        self.gone += [binding.contact for binding in gone]
        for binding in due:
            assert binding.pings is not None
            binding.pings.token = b"%d" % next(_tokens)
            self.pinged[binding.contact] += 1
        return due

    def turn(self, times: int = 1, seconds: float = 0.0) -> None:
        """Advance by a number of slots of the wheel, or by seconds."""
        end = self.now + (seconds or times * PERIOD)
        while self.now < end:
            self.step()

    def answer(self, binding: Binding, token: bytes | None = None) -> Binding | None:
        state = binding.pings
        assert state is not None
        return self.keep_alives.answered(state.serial, state.token if token is None else token, self.wall)


def test_each_contact_is_pinged_once_in_a_period_and_pings_are_spread_evenly() -> None:
    bindings = [bound(f"u{number}@example.test", f"sip:u{number}@10.0.0.5") for number in range(5000)]
    wheel = Wheel(*bindings)
    sizes = []
    for _ in range(500):
        before = wheel.pinged.total()
        wheel.step()
        sizes.append(wheel.pinged.total() - before)
    assert set(wheel.pinged.values()) == {1}
    assert len(wheel.pinged) == 5000
    assert max(sizes) <= 12, "ten in each twentieth of a second"


def test_a_new_contact_is_pinged_within_a_period_but_not_at_once() -> None:
    wheel = Wheel()
    for number in range(200):
        made = bound(f"u{number}@example.test", f"sip:u{number}@10.0.0.5")
        wheel.location.load([made])
        wheel.keep_alives.watch([made], wheel.now)
    wheel.turn(seconds=4.9)
    assert not wheel.pinged
    wheel.turn(seconds=20.2)
    assert len(wheel.pinged) == 200


def test_after_a_pause_overdue_contacts_are_pinged_once_in_portions() -> None:
    wheel = Wheel(*(bound(f"u{number}@example.test", f"sip:u{number}@10.0.0.5") for number in range(7000)))
    wheel.now += 10 * PERIOD
    portions = []
    while wheel.keep_alives.until_next(wheel.now) == ROUNDING:
        portions.append(len(wheel.step()))
    assert sum(portions) == 7000
    assert max(portions) < MAX_AT_ONCE + 50


def test_three_unanswered_pings_in_a_row_after_an_answer_mean_away() -> None:
    bob = bound("bob@example.test")
    wheel = Wheel(bob)
    wheel.turn()
    assert wheel.answer(bob) is None
    wheel.turn(MISSED)
    assert not bob.is_away
    wheel.turn()
    assert bob.is_away
    assert wheel.gone == [bob.contact]
    assert wheel.location.away == {bob.aor}
    wheel.turn(5)
    assert wheel.gone == [bob.contact], "told once"
    assert wheel.answer(bob) is bob
    assert not bob.is_away
    assert not wheel.location.away


def test_an_answer_between_restarts_the_count_and_counts_once() -> None:
    bob = bound("bob@example.test")
    wheel = Wheel(bob)
    wheel.turn()
    assert bob.pings is not None
    token = bob.pings.token
    wheel.answer(bob)
    assert wheel.answer(bob, token) is None
    for _ in range(4):
        wheel.turn(2)
        wheel.answer(bob)
    wheel.turn(MISSED)
    wheel.answer(bob, token)
    wheel.turn()
    assert bob.is_away, "a repeated answer is none"


@pytest.mark.parametrize("token", [b"", b"0", b"nonsense"])
def test_an_answer_without_the_token_is_ignored(token: bytes) -> None:
    bob = bound("bob@example.test")
    wheel = Wheel(bob)
    wheel.turn()
    wheel.answer(bob)
    wheel.turn(MISSED + 1)
    assert wheel.answer(bob, token) is None
    assert wheel.keep_alives.answered(10**12, token, WALL) is None
    assert wheel.keep_alives.answered(-1, token, WALL) is None
    assert bob.is_away


def test_a_refresh_ends_away_without_a_call_and_restarts_the_count() -> None:
    bob = bound("bob@example.test")
    wheel = Wheel(bob)
    wheel.turn()
    wheel.answer(bob)
    wheel.turn(MISSED + 1)
    wheel.location.prolong(bob, 2, wheel.wall)
    assert not bob.is_away
    assert bob.heard_at == wheel.wall
    wheel.turn(MISSED)
    assert not bob.is_away
    assert not wheel.location.away
    wheel.turn()
    assert bob.is_away


def test_one_of_two_away_contacts_returns_and_the_other_stays_away() -> None:
    one, two = bound("bob@example.test", "sip:one@10.0.0.5"), bound("bob@example.test", "sip:two@10.0.0.5")
    wheel = Wheel(one, two)
    wheel.turn()
    wheel.answer(one), wheel.answer(two)
    wheel.turn(MISSED + 1)
    assert wheel.answer(one) is one
    assert wheel.location.away == {"bob@example.test"}
    wheel.location.remove([two])
    wheel.turn()
    assert not wheel.location.away
    assert len(wheel.keep_alives) == 1


def test_expired_and_removed_contacts_leave_the_wheel() -> None:
    short, removed, stays = bound("a@x", "sip:a@10.0.0.5", 30), bound("b@x"), bound("c@x")
    wheel = Wheel(short, removed, stays)
    wheel.turn()
    wheel.keep_alives.forget([removed], wheel.wall)
    assert len(wheel.keep_alives) == 2
    wheel.turn(2)
    assert len(wheel.keep_alives) == 1


def test_a_contact_that_registers_again_keeps_its_slot_and_its_state() -> None:
    bob = bound("bob@example.test")
    wheel = Wheel(bob)
    wheel.turn()
    wheel.answer(bob)
    again = bound("bob@example.test")
    again.pings = bob.pings
    wheel.location.remove([bob])
    wheel.location.load([again])
    wheel.keep_alives.watch([again], wheel.now)
    assert len(wheel.keep_alives) == 1
    wheel.turn(MISSED + 1)
    assert again.is_away
    assert wheel.pinged[again.contact] == MISSED + 2


def test_without_a_period_no_contact_is_pinged_or_away() -> None:
    bob = bound("bob@example.test")
    wheel = Wheel(bob)
    wheel.turn()
    wheel.answer(bob)
    wheel.turn(MISSED + 1)
    assert wheel.keep_alives.configure(0, [bob], wheel.now, wheel.wall) == ["bob@example.test"]
    assert not bob.is_away
    assert wheel.keep_alives.due(wheel.now + 100, wheel.wall) == ([], [])
    assert wheel.keep_alives.until_next(wheel.now) is None
    wheel.keep_alives.watch([bob], wheel.now)
    wheel.keep_alives.forget([bob], wheel.wall)
    assert wheel.answer(bob, b"1") is None


def test_long_periods_have_no_more_slots_than_necessary() -> None:
    bindings = [bound(f"u{number}@example.test", f"sip:u{number}@10.0.0.5") for number in range(100)]
    wheel = Wheel(*bindings, period=3600)
    wheel.turn(seconds=3602)
    assert len(wheel.pinged) == 100

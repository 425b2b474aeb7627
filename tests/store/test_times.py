"""Silo time: the kept time after a restart and in the command, in the same boot and in another boot."""

import time

import pytest

from msilod.store import times
from msilod.store.times import BELIEVED, KeptClock, resumed, silo_clock

DAY = 86_400.0
SEEN = 1_795_600_800.0
# Seen 1,000 s after its boot; system time was ten seconds ahead.
KEPT = KeptClock("one", SEEN - 1000, SEEN, 10.0, 10.0)


def test_a_written_time_is_read_back() -> None:
    assert KeptClock.parse(KEPT.to_bytes()) == KEPT
    unnamed = KeptClock("", -1.5, SEEN, -1e9, -2e9)
    assert KeptClock.parse(unnamed.to_bytes()) == unnamed


@pytest.mark.parametrize(
    "kept", [b"", b"boot", b"boot 1795600000.25", b"boot x", b"boot 1 2 3 4 5", b"\xff\x00 1,5"]
)
def test_an_unreadable_time_is_ignored(kept: bytes) -> None:
    assert KeptClock.parse(kept) is None


@pytest.mark.parametrize("system", [SEEN + 60, SEEN + 400 * DAY, SEEN - 400 * DAY, 0.0])
def test_in_the_same_boot_silo_time_goes_on_by_the_elapsed_time(system: float) -> None:
    found = resumed(KEPT, "one", 1050.0, system)
    ahead = system - SEEN - 50
    assert found == KeptClock("one", KEPT.base, SEEN + 50, ahead, min(10.0, ahead))


def test_the_difference_before_a_step_is_kept_over_starts() -> None:
    """Two starts after the step, before a daemon has made scheduled rows due."""
    stepped = resumed(KEPT, "one", 1050.0, SEEN + 4 * DAY)
    assert (stepped.ahead, stepped.due_ahead) == (4 * DAY - 50, 10.0)
    again = resumed(KeptClock.parse(stepped.to_bytes()), "one", 1060.0, SEEN + 4 * DAY + 10)
    assert (again.ahead, again.due_ahead) == (4 * DAY - 50, 10.0)


@pytest.mark.parametrize(
    ("system", "silo"),
    [
        # Off for an hour, with the clock as it was, and with one that has been put right.
        (SEEN + 3610, SEEN + 3600), (SEEN + 5, SEEN + 5),
        # A clock that is behind, or further ahead than a system is off: nothing is known of how long it was off.
        (SEEN - 1, SEEN), (0.0, SEEN), (SEEN + BELIEVED + 11, SEEN), (SEEN + 4 * DAY, SEEN),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("boot", "since_boot"), [("two", 30.0), ("", 30.0), ("one", 900.0)])
def test_after_another_boot_a_clock_is_believed_within_a_day(
    system: float, silo: float, boot: str, since_boot: float
) -> None:
    """One that counts from a later zero although it has the name of that boot is another (a virtual machine)."""
    found = resumed(KEPT, boot, since_boot, system)
    assert (found.seen, found.base + since_boot, found.ahead) == (silo, silo, system - silo)


def test_a_new_silo_has_system_time() -> None:
    found = resumed(None, "two", 30.0, SEEN)
    assert (found.seen, found.base, found.ahead) == (SEEN, SEEN - 30, 0.0)


def test_the_command_finds_silo_time(monkeypatch: pytest.MonkeyPatch) -> None:
    boot = times.boot_name() or "none"
    monkeypatch.setattr(times, "boot_name", lambda: boot)
    base = time.time() - 4 * DAY - times.since_boot()
    kept = KeptClock(boot, base, base + times.since_boot(), 0.0, 0.0)
    clock = silo_clock(kept.to_bytes())
    assert 0 <= clock() - times.since_boot() - base + 1 <= 2
    assert clock() <= clock()
    assert silo_clock(b"") is time.time


def test_the_clock_of_the_version_before_is_read() -> None:
    """It had no `due_ahead`. Without the clock silo time would begin again as system time."""
    assert KeptClock.parse(f"one {SEEN - 1000!r} {SEEN!r} 10.0".encode()) == KEPT

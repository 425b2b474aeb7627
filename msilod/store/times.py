"""Silo time: the time in rows and bindings. A step of the system's clock does not change silo time.

Silo time runs with the clock that counts from the boot of the system, and equals UTC until the first step of the
system's clock. A step changes `ahead`, the seconds from silo time to system time, and no row and no binding.
`<table>_secret` keeps a KeptClock under the name 'silo_clock': a restart and `msilo` compute silo time from the row.

Within one boot silo time is exact, also while no daemon runs. The clock of another boot counts from another zero, so
after a boot silo time must come from the system's clock. The time without power and an error of the clock look alike.
The system's clock is believed when it is at most BELIEVED seconds later than the last known silo time. Otherwise silo
time goes on from the last known silo time: a stored message may live longer, but does not expire unsent.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

# Seconds. Few systems are off for longer than a day, and a wrong clock is often wrong by more.
BELIEVED: Final = 86_400.0
CLOCK: Final = "silo_clock"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
# CLOCK_BOOTTIME includes the time in suspend. Systems without this clock use CLOCK_MONOTONIC, without suspend.
_SINCE_BOOT: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_name() -> str:
    """The name of this boot of the system; "" on a system without names of boots."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


# Seconds since this boot, with suspend. A call in C alone, since each message calls the clock.
since_boot: Final[Callable[[], float]] = partial(time.clock_gettime, _SINCE_BOOT)


@dataclass(frozen=True, slots=True)
class KeptClock:
    """Where silo time stood at `seen`.

    `base` is silo time at the zero of `boot`, and `ahead` are the seconds from silo time to system time. `due_ahead` is
    `ahead` before the last step of the system's clock, until all scheduled rows that the step made due are waiting.
    """

    boot: str
    base: float
    seen: float
    ahead: float
    due_ahead: float

    def to_bytes(self) -> bytes:
        """The clock as the silo keeps it: ASCII, numbers separated by spaces."""
        return f"{self.boot} {self.base!r} {self.seen!r} {self.ahead!r} {self.due_ahead!r}".encode()

    @classmethod
    def parse(cls, kept: bytes) -> "KeptClock | None":
        """The clock that `to_bytes` wrote; None for b"" (a new silo) and for unreadable bytes."""
        boot, _, numbers = kept.decode("ascii", "replace").partition(" ")
        try:
            base, seen, ahead, *due_ahead = map(float, numbers.split())
            # The version before wrote no `due_ahead`.
            return cls(boot, base, seen, ahead, *(due_ahead or (ahead,)))
        except (TypeError, ValueError):
            return None


def resumed(kept: KeptClock | None, boot: str, since_boot: float, system: float) -> KeptClock:
    """The clock of silo time now. Silo time goes on from `kept`; without `kept` silo time is system time.

    `system` is UTC seconds by the system's clock, `since_boot` seconds since `boot`.
    """
    silo = system
    if kept is not None:
        silo = since_boot + kept.base
        if kept.boot != boot or not boot or silo < kept.seen:
            silo = _after_another_boot(kept, system)
    ahead = system - silo
    due_ahead = ahead if kept is None else min(kept.due_ahead, ahead)
    return KeptClock(boot, silo - since_boot, silo, ahead, due_ahead)


def _after_another_boot(kept: KeptClock, system: float) -> float:
    for ahead in (kept.ahead, 0.0):
        if kept.seen <= system - ahead <= kept.seen + BELIEVED:
            return system - ahead
    return kept.seen


def silo_clock(kept: bytes) -> Callable[[], float]:
    """A clock of silo time for the command line. `kept`: the bytes of the KeptClock; b"" for system time."""
    known = KeptClock.parse(kept)
    if known is None:
        return time.time
    base = resumed(known, boot_name(), since_boot(), time.time()).base
    return lambda: since_boot() + base

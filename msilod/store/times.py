"""Silo time: the time that rows and bindings carry, which no change of the system's clock moves.

Silo time runs with the clock that counts from the boot of the system, and is UTC until somebody sets the clock. A step
of the system's clock changes `ahead`, the seconds from silo time to system time, and changes no row and no binding.
`<table>_secret` keeps under the name 'silo_clock' what a restart and `msilo` need to find silo time again.

Within one boot silo time is exact, also while no daemon runs. Another boot counts from another zero, and only the
system's clock is left: how long the system was off cannot be told from how wrong its clock is. The clock is believed
then when it is at most BELIEVED seconds later than silo time was last. If not, silo time goes on where it stood: a
message that waits lives longer rather than ends unsent.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

# Seconds between two boots. Few systems are off for longer; a clock that is wrong is often wrong by more.
BELIEVED: Final = 86_400.0
CLOCK: Final = "silo_clock"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
# Suspended time included; where a system has no such clock, without that.
_SINCE_BOOT: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_name() -> str:
    """A name for this boot of the system; "" where there is none to be had."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


# Seconds since this boot, those included that the system slept. A call of C alone: it is on the path of each message.
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
        """As the silo keeps it."""
        return f"{self.boot} {self.base!r} {self.seen!r} {self.ahead!r} {self.due_ahead!r}".encode()

    @classmethod
    def parse(cls, kept: bytes) -> "KeptClock | None":
        """What `to_bytes` wrote; None for b"" (a new silo) and for what cannot be read."""
        boot, _, numbers = kept.decode("ascii", "replace").partition(" ")
        try:
            return cls(boot, *map(float, numbers.split()))
        except (TypeError, ValueError):
            return None


def resumed(kept: KeptClock | None, boot: str, since_boot: float, system: float) -> KeptClock:
    """Silo time now. It goes on from `kept`; without that it is system time.

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
    """A clock of silo time for a process beside the daemon; `kept` is what the silo keeps, b"" for nothing."""
    known = KeptClock.parse(kept)
    if known is None:
        return time.time
    base = resumed(known, boot_name(), since_boot(), time.time()).base
    return lambda: since_boot() + base

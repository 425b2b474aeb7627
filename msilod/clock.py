"""Clock: the clocks of the daemon. No other module of the daemon reads a clock.

`now` is monotonic and drives all timers. `wall` is silo time (store/times.py). Rows and bindings carry silo time, since
rows and bindings outlive the process. `system` is UTC by the system's clock, for users and other hosts. A step of the
system's clock does not change `wall`. Tests use a virtual clock instead.
"""

import time
from collections.abc import Callable
from typing import Final

import trio

from msilod.store.times import KeptClock, boot_name, resumed, since_boot

# Seconds. A larger difference between two looks means that the clock was set: a slewed clock gains or loses less than
# 1 ms in a second (adjtime(3)).
IS_SET: Final = 1.0


class Clock:
    """The real clocks; made inside trio.run().

    `now()`: trio's monotonic seconds, without trio.current_time()'s two calls for finding the clock.
    `ahead`: seconds from silo time to system time, as of the last `look`.
    `due_ahead`: `ahead` before the last step, until all scheduled rows that the step made due are waiting.
    """

    def __init__(self) -> None:
        self.now: Callable[[], float] = trio.lowlevel.current_clock().current_time
        self.ahead: float = 0.0
        self.due_ahead: float = 0.0
        # Silo time at the zero of since_boot().
        self.base: float = self.system() - self.since_boot()

    def wall(self) -> float:
        """Silo time: seconds since 1970, in UTC except for steps of the system's clock; silo time makes no step."""
        return since_boot() + self.base

    def system(self) -> float:
        """Seconds since 1970, UTC; follows corrections of the system's clock."""
        return time.time()

    def since_boot(self) -> float:
        """Seconds since the boot of the system, including time asleep."""
        return since_boot()

    def boot(self) -> str:
        """A name for this boot of the system; "" where the system has none."""
        return boot_name()

    def resume(self, kept: KeptClock | None) -> None:
        """Continue the silo time kept in a silo; with None, silo time starts as system time."""
        found = resumed(kept, self.boot(), self.since_boot(), self.system())
        self.base, self.ahead = found.base, round(found.ahead, 3)
        self.due_ahead = round(found.due_ahead, 3)

    def look(self) -> float:
        """Read the system's clock. Returns the seconds by which the clock was set since the last look."""
        # The two clocks are read one after the other: rounding hides the time in between.
        before, self.ahead = self.ahead, round(self.system() - self.wall(), 3)
        self.due_ahead = min(self.due_ahead, self.ahead)
        return self.ahead - before

    def took_due(self, ahead: float) -> bool:
        """All scheduled rows that were due when `self.ahead` was `ahead` are waiting.

        Returns True when `due_ahead` has changed by a step of the system's clock, and not only by corrections.
        """
        before, self.due_ahead = self.due_ahead, min(ahead, self.ahead)
        return abs(self.due_ahead - before) > IS_SET

    def kept(self) -> KeptClock:
        """The clock as kept in the silo, for `resume`."""
        return KeptClock(self.boot(), self.base, self.wall(), self.ahead, self.due_ahead)

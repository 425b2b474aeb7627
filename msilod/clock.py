"""The clocks of the daemon. Nothing else in it reads one.

`now` is monotonic and drives every timer; `wall` is silo time (store/times.py) and is what rows and bindings carry,
because they outlive the process; `system` is UTC as the system's clock says, for what people and other hosts read.
`wall` does not follow when somebody sets the system's clock. Tests put a virtual clock in the place of this one.
"""

import time
from collections.abc import Callable

import trio

from msilod.store.times import KeptClock, boot_name, resumed, since_boot


class Clock:
    """The real clocks; made inside trio.run().

    `now()`: monotonic seconds, trio's, without the two calls that trio.current_time() looks its clock up with.
    `ahead`: seconds from silo time to system time, as `look` found them last.
    """

    def __init__(self) -> None:
        self.now: Callable[[], float] = trio.lowlevel.current_clock().current_time
        self.ahead: float = 0.0
        # Silo time at the zero of since_boot().
        self.base: float = self.system() - self.since_boot()

    def wall(self) -> float:
        """Silo time: seconds since 1970, UTC but for what the system's clock was set by; never set itself."""
        return since_boot() + self.base

    def system(self) -> float:
        """Seconds since 1970, UTC; follows corrections of the system's clock."""
        return time.time()

    def since_boot(self) -> float:
        """Seconds since the boot of the system, in which the system also slept."""
        return since_boot()

    def boot(self) -> str:
        """A name for this boot of the system; "" where there is none to be had."""
        return boot_name()

    def resume(self, kept: KeptClock | None) -> None:
        """Go on with the silo time that a silo has kept; None: silo time is system time."""
        found = resumed(kept, self.boot(), self.since_boot(), self.system())
        self.base, self.ahead = found.base, round(found.ahead, 3)

    def look(self) -> float:
        """Look at the system's clock; the seconds that it was set by since the last look."""
        # Two clocks are read one after the other.
        former, self.ahead = self.ahead, round(self.system() - self.wall(), 3)
        return self.ahead - former

    def kept(self) -> KeptClock:
        """What a silo keeps of silo time."""
        return KeptClock(self.boot(), self.base, self.wall(), self.ahead)

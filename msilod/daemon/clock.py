"""The two clocks of the daemon. Nothing else in it reads one.

`now` is monotonic and drives every timer; `wall` is UTC seconds since 1970 and is what rows and bindings
carry, because they outlive the process. Tests put a virtual one in its place.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import trio

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
# Seconds since the boot, suspended time included; where a system has no such clock, without that.
_SINCE_BOOT: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock:
    """The real clocks; made inside trio.run().

    `now()`: monotonic seconds, trio's, without the two calls that trio.current_time() looks its clock up with.
    """

    def __init__(self) -> None:
        self.now: Callable[[], float] = trio.lowlevel.current_clock().current_time

    def wall(self) -> float:
        """Seconds since 1970, UTC; follows corrections of the system's clock."""
        return time.time()

    def offset(self) -> float:
        """Seconds from the boot's zero to the wall clock's: changes only when the clock is set.

        To be compared while `boot` is the same, also between two processes.
        """
        return self.wall() - time.clock_gettime(_SINCE_BOOT)

    def boot(self) -> str:
        """A name for this boot of the system; "" where there is none to be had."""
        try:
            return _BOOT.read_text().strip()
        except OSError:
            return ""

"""The two clocks of the daemon. Nothing else in it reads one.

`now` is monotonic and drives every timer; `wall` is UTC seconds since 1970 and is what rows and bindings
carry, because they outlive the process. Tests put a virtual one in its place.
"""

import time

import trio


class Clock:
    """The real clocks; used inside trio.run() only."""

    def now(self) -> float:
        """Monotonic seconds."""
        return trio.current_time()

    def wall(self) -> float:
        """Seconds since 1970, UTC; follows corrections of the system's clock."""
        return time.time()

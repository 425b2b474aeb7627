"""The two clocks of the daemon. Nothing else in it reads one.

`now` is monotonic and drives every timer; `wall` is UTC seconds since 1970 and is what rows and bindings
carry, because they outlive the process. Tests put a virtual one in its place.
"""

import time
from collections.abc import Callable

import trio


class Clock:
    """The real clocks; made inside trio.run().

    `now()`: monotonic seconds, trio's, without the two calls that trio.current_time() looks its clock up with.
    """

    def __init__(self) -> None:
        self.now: Callable[[], float] = trio.lowlevel.current_clock().current_time

    def wall(self) -> float:
        """Seconds since 1970, UTC; follows corrections of the system's clock."""
        return time.time()

"""Sparing: chooses the datagrams of unknown sources that are read during a flood from many sources.

Forged datagrams come from many addresses, so no single source exceeds its limit. To parse and refuse a datagram costs
30 to 100 us; to read and drop a datagram costs 5 us. So during a flood only some datagrams are parsed from sources
without a right password lately. A client at an unknown source sends its request again (RFC 3261 §17.1.2.2), and one of
the copies gets in.
"""

from typing import Final

# Datagrams of unknown sources that are parsed in a second, and at once.
PASSED_PER_SECOND: Final = 1_000.0
BURST: Final = 100.0
# Seconds without an excess datagram, after which all datagrams are parsed again.
QUIET: Final = 3.0
# The kernel drops datagrams longer than this when so many of them exceeded the limit in one flood: they would fill the
# buffer of the socket before datagrams of users. RFC 3261 §18.1.1 sends messages longer than 1,300 bytes by TCP.
LONG: Final = 8_192
MANY_LONG: Final = 200
# Responses without a transaction. Beyond so many in one flood the kernel also drops most responses of unknown sources.
MANY_RESPONSES: Final = 2_000


class Sparing:
    """A bucket of tokens. `now` is monotonic seconds."""

    __slots__ = ("_filled_at", "_last", "_tokens", "left_out", "long", "responses")

    def __init__(self, now: float) -> None:
        self._tokens = BURST
        self._filled_at = now
        self._last = now
        self.left_out = 0
        self.long = 0
        self.responses = 0

    def passes(self, length: int, now: float) -> bool:
        """False for a datagram beyond the limit."""
        self._tokens = min(BURST, self._tokens + (now - self._filled_at) * PASSED_PER_SECOND)
        self._filled_at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return True
        self._last = now
        self.left_out += 1
        if length > LONG:
            self.long += 1
        return False

    def is_over(self, now: float) -> bool:
        """True when no datagram exceeded the limit for QUIET seconds."""
        return now - self._last > QUIET

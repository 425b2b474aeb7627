"""Which datagrams of strangers are looked at while all strangers together send too much.

Forged datagrams come from as many sources as there are addresses, so no source is one that sends too much. To parse and
to refuse one costs 30 to 100 us; to read it and to leave it costs 5 us. So while a flood lasts, only some of the
datagrams are looked at that come from sources where no user has lately shown a password. A stranger's client sends its
request again (RFC 3261 §17.1.2.2), and gets in with one of them.
"""

from typing import Final

# Datagrams of unknown sources that are looked at in a second, and at once.
PASSED_PER_SECOND: Final = 1_000.0
BURST: Final = 100.0
# Seconds without a datagram too many, after which all are looked at again.
QUIET: Final = 3.0
# Datagrams that are longer than this are dropped by the kernel, when so many of them were too many in one flood: they
# would fill the socket's buffer before those of users. RFC 3261 §18.1.1 wants what is longer than 1,300 bytes to go by
# TCP.
LONG: Final = 8_192
MANY_LONG: Final = 200
# Responses that nothing waits for: beyond so many in one flood the kernel drops most responses of strangers, too.
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
        """False for a datagram too many."""
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
        """True when no datagram was one too many for a while."""
        return now - self._last > QUIET

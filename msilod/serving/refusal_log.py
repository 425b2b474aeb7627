"""RefusalLog: logs why credentials were refused. The reason is never sent to the client.

A phone shows "incorrect password" for each reason, and the operator needs the true reason. A line has the reason,
the required user and the source, and never a name, a nonce or a response from the credentials.

A source can be forged and a stranger can send thousands of requests a second. So lines are limited: one line per
source and reason in PERIOD seconds, and LINES in all.
"""

from typing import Final

from msilod.log import get_log

PERIOD: Final = 60.0
LINES: Final = 60
# After this many right passwords with the same old nonce, or from a changing address, within PERIOD, the client counts
# as ignoring the nonces of challenges, and cannot get in.
LOOPS: Final = 5
# Sources, and clients with an old nonce, that are counted separately in a period. Others are counted together.
MAX_COUNTED: Final = 2_000
MAX_NAME: Final = 128


class RefusalLog:
    """Counts of this period. `now` is monotonic seconds."""

    __slots__ = ("_began", "_left_out", "_lines", "_stale", "_told")

    def __init__(self) -> None:
        self._began = 0.0
        self._lines = 0
        self._left_out = 0
        # Pairs (source, reason) that were logged in this period.
        self._told: set[tuple[str, str]] = set()
        # (source, user): the old nonce, and how often the nonce came.
        self._stale: dict[tuple[str, str], tuple[bytes, int]] = {}

    def refused(self, reason: str, user: str, source: str, now: float, is_mendable: bool = False) -> None:
        """Credentials for `user` from `source` were refused.

        `is_mendable`: the operator can remove the cause, so the line is a warning.
        """
        self._turn(now)
        key = (source, reason)
        if key in self._told or self._lines >= LINES or len(self._told) >= MAX_COUNTED:
            self._left_out += 1
            return
        self._told.add(key)
        self._lines += 1
        log = get_log()
        tell = log.warning if is_mendable else log.info
        tell("credentials refused", reason=reason, user=user[:MAX_NAME], source=source)

    def stale(self, reason: str, nonce: bytes, user: str, source: str, now: float) -> None:
        """A right password came with an old nonce: log only when the client repeats the nonce.

        `nonce` is b"" when any old nonce counts as a repetition.
        """
        self._turn(now)
        key = (source, user[:MAX_NAME])
        former = self._stale.get(key)
        if former is None and len(self._stale) >= MAX_COUNTED:
            return
        count = former[1] + 1 if former is not None and former[0] == nonce else 1
        self._stale[key] = (nonce, count)
        if count >= LOOPS:
            self.refused(
                f"{reason}, again and again: the client does not take the new nonce", user, source, now, True
            )

    def _turn(self, now: float) -> None:
        """Begin a new period after PERIOD seconds."""
        if now - self._began < PERIOD:
            return
        if self._left_out:
            get_log().info("credentials refused, lines left out", count=self._left_out)
        self._began = now
        self._lines = self._left_out = 0
        self._told = set()
        self._stale = {}

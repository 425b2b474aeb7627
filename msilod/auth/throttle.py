"""Throttle: slows password guessing, per user and source, per source, and per user.

Some wrong passwords are free. Each further wrong password doubles the time until the next guess, up to a minute.

    counted per            free   against
    a user from a source     10   one guesser; other sources of the user do not wait
    a source                 30   one password tried on many users
    a user                   50   many sources; the first guess of each source is still checked
    a source in sum         120   one customer with many sources: an IPv6 /56, the ports of loopback

Rules: a right password is never refused to a client without wrong guesses, so no guesser can lock out a user. The
source is the source that the nonce proves (nonce.py), never the source address of a datagram.
"""

from typing import Final

from msilod.auth.nonce import NAME_BYTES
from msilod.sip.bounded import put_last

# One try of a phone with a mistyped password is up to four guesses, since some phones answer each new challenge. Two
# tries get 401 each time, which phones show as a wrong password; phones show the 503 of a slowed guess as a server
# fault.
FREE_PAIR: Final = 10
FREE_SOURCE: Final = 30
FREE_USER: Final = 50
FREE_SUM: Final = 120
LONGEST_WAIT: Final = 64.0
# Seconds without a wrong password after which all guesses are forgotten.
FORGIVEN_AFTER: Final = 900.0
# About 300 bytes each. Beyond this number the records without guesses for the longest time are forgotten first.
MAX_RECORDS: Final = 50_000

Key = tuple[bytes, str]


class _Record:
    __slots__ = ("failures", "last", "until")

    def __init__(self) -> None:
        self.failures = 0
        self.last = 0.0
        self.until = 0.0


class Throttle:
    """Wrong guesses, and the time of the next guess. `source` is the home of a nonce, `now` monotonic seconds."""

    __slots__ = ("_limit", "_records")

    def __init__(self, limit: int = MAX_RECORDS) -> None:
        self._records: dict[Key, _Record] = {}
        self._limit = limit

    def wait(self, source: bytes, user: str, now: float) -> float:
        """Return the seconds until a guess of `source` at `user` is checked; 0 for at once."""
        if not self._records:
            return 0.0
        pair = self._left((source, user), now)
        found = max(pair, self._left((source, ""), now))
        in_sum = source[NAME_BYTES:]
        if any(in_sum):
            found = max(found, self._left((in_sum, ""), now))
        # A source without a wrong guess does not wait for the guesses of other sources.
        return max(found, self._left((b"", user), now)) if (source, user) in self._records else found

    def failed(self, source: bytes, user: str, now: float) -> None:
        """Record a wrong password."""
        for key, free in (((source, user), FREE_PAIR), ((source, ""), FREE_SOURCE), ((b"", user), FREE_USER)):
            self._count(key, free, now)
        in_sum = source[NAME_BYTES:]
        if any(in_sum):
            self._count((in_sum, ""), FREE_SUM, now)

    def succeeded(self, source: bytes, user: str) -> None:
        """Record a right password."""
        if self._records:
            self._records.pop((source, user), None)

    def _left(self, key: Key, now: float) -> float:
        record = self._records.get(key)
        return max(0.0, record.until - now) if record is not None else 0.0

    def _count(self, key: Key, free: int, now: float) -> None:
        record = self._records.get(key)
        if record is None or now - record.last > FORGIVEN_AFTER:
            record = _Record()
        record.failures += 1
        record.last = now
        beyond = record.failures - free
        if beyond > 0:
            record.until = now + min(2.0 ** min(beyond - 1, 10), LONGEST_WAIT)
        # The first record is always the record without guesses for the longest time.
        put_last(self._records, key, record, self._limit)

    def __len__(self) -> int:
        return len(self._records)

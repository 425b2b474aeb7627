"""Guessing is slowed, per user and source, per source, and per user (checklist §4, digest brute force).

Some wrong passwords are free, then each doubles the time until the next guess is looked at, to a minute at most.

    who                    free   what it is against
    a user from a source     10   one guesser; other sources of the user do not wait
    a source                 30   one password tried on many users
    a user                   50   many sources; the first guess of each is looked at all the same
    a source in sum         120   one customer with many sources: an IPv6 /56, the ports of loopback

Rules: a right password is never refused to whoever has not guessed himself, so nobody can lock another out. A
source is what a nonce proves it to be (nonce.py), never what a datagram claims.
"""

from typing import Final

from msilod.auth.nonce import NAME_BYTES
from msilod.sip.bounded import put_last

# One try of a phone with a mistyped password is up to four guesses, since some answer each new challenge. Two tries get
# 401 each time, which phones show as a wrong password; the 503 of a slowed guess is shown as a fault of the server.
FREE_PAIR: Final = 10
FREE_SOURCE: Final = 30
FREE_USER: Final = 50
FREE_SUM: Final = 120
LONGEST_WAIT: Final = 64.0
# After this long without a wrong password all is forgotten.
FORGIVEN_AFTER: Final = 900.0
# Some 300 bytes each. Beyond it the longest quiet ones are forgotten first.
MAX_RECORDS: Final = 50_000

Key = tuple[bytes, str]


class _Record:
    __slots__ = ("failures", "last", "until")

    def __init__(self) -> None:
        self.failures = 0
        self.last = 0.0
        self.until = 0.0


class Throttle:
    """Wrong guesses, and until when the next one waits. `source` is the home of a nonce, `now` monotonic seconds."""

    __slots__ = ("_limit", "_records")

    def __init__(self, limit: int = MAX_RECORDS) -> None:
        self._records: dict[Key, _Record] = {}
        self._limit = limit

    def wait(self, source: bytes, user: str, now: float) -> float:
        """Seconds until a guess of `source` at `user` is looked at; 0 for at once."""
        if not self._records:
            return 0.0
        pair = self._left((source, user), now)
        found = max(pair, self._left((source, ""), now))
        in_sum = source[NAME_BYTES:]
        if any(in_sum):
            found = max(found, self._left((in_sum, ""), now))
        # Who has not guessed wrong yet does not wait for those who have.
        return max(found, self._left((b"", user), now)) if (source, user) in self._records else found

    def failed(self, source: bytes, user: str, now: float) -> None:
        """A wrong password."""
        for key, free in (((source, user), FREE_PAIR), ((source, ""), FREE_SOURCE), ((b"", user), FREE_USER)):
            self._count(key, free, now)
        in_sum = source[NAME_BYTES:]
        if any(in_sum):
            self._count((in_sum, ""), FREE_SUM, now)

    def succeeded(self, source: bytes, user: str) -> None:
        """A right password: whoever sends it has the user's word."""
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
        # The first record is always the one that has been quiet longest.
        put_last(self._records, key, record, self._limit)

    def __len__(self) -> int:
        return len(self._records)

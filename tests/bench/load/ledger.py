"""The books of a phone: what was accepted for it, what arrived, and what is wrong with it.

Rules: a message is known by the key in its body and by nothing else, for a server may give it another
Call-ID. The same key in the same transaction is a retransmission, which RFC 3261 §17.2.2 allows; in
another transaction it is a second delivery, which is a fault.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

from tests.bench.load.wire import KEY_AT, KEY_WIDTH, REQUEST_LINE, USER_WIDTH, body_of

_USER_AT = len(REQUEST_LINE)


@dataclass
class Books:
    """The sums, in messages; `missing` is known only when the run is over."""

    expected: int = 0
    arrived: int = 0
    missing: int = 0
    doubled: int = 0
    misordered: int = 0
    damaged: int = 0
    unasked: int = 0
    retransmitted: int = 0

    def add(self, other: "Books") -> None:
        """Takes the sums of another phone or worker in."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    @property
    def faults(self) -> dict[str, int]:
        """What must not happen and did."""
        names = ("missing", "doubled", "misordered", "damaged", "unasked")
        return {name: count for name, count in asdict(self).items() if name in names and count}


class Ledger:
    """The books of the users whose messages carry this run and size."""

    __slots__ = ("_after", "_before", "_last", "_seen", "books", "last_at", "latest")

    def __init__(self, run: bytes, size: int) -> None:
        self._before, self._after = body_of(run, size)
        self._seen: dict[bytes, bytes] = {}
        self._last: dict[bytes, bytes] = {}
        self.books = Books()
        self.last_at: dict[bytes, float] = {}
        self.latest = 0.0

    def receive(self, request: bytes, body_at: int, via: bytes, now: float) -> None:
        """Enters a MESSAGE whose body begins at `body_at`; `via` is its top Via line."""
        body = request[body_at:]
        key = body[KEY_AT : KEY_AT + KEY_WIDTH]
        user = key[:USER_WIDTH]
        if (
            body[KEY_AT + KEY_WIDTH :] != self._after
            or not body.startswith(self._before)
            or request[_USER_AT : _USER_AT + USER_WIDTH] != user
        ):
            self.books.damaged += 1
            return
        seen = self._seen.get(key)
        if seen is None:
            self._first_time(key, user, via, now)
        elif seen == via:
            self.books.retransmitted += 1
        else:
            self.books.doubled += 1
            self._seen[key] = via

    def _first_time(self, key: bytes, user: bytes, via: bytes, now: float) -> None:
        self._seen[key] = via
        self.books.arrived += 1
        self.last_at[user] = self.latest = now
        # Fixed width: the keys of one user sort as their numbers do.
        if key < self._last.get(user, b""):
            self.books.misordered += 1
        else:
            self._last[user] = key

    def close(self, accepted: Iterable[bytes], sent: Iterable[bytes] = ()) -> Books:
        """The books against the keys that were `accepted`; those only `sent` may or may not arrive."""
        expected = set(accepted)
        self.books.expected = len(expected)
        self.books.missing = len(expected - self._seen.keys())
        self.books.unasked = len(self._seen.keys() - expected.union(sent))
        return self.books

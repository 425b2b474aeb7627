"""What has been heard from DNS, and what could not be reached: two bounded tables with times.

Rules: the least recently used goes first at the bound; a TTL is kept between MIN_TTL and MAX_TTL; times are the
caller's `now` in seconds, taken before the question was sent, so an entry never outlives its TTL by that.
"""

from typing import Final

from msilod.dns.records import Found, Question
from msilod.sip.bounded import put_last
from msilod.sip.hop import Hop

MAX_NAMES: Final = 10_000
MIN_TTL: Final = 5.0
MAX_TTL: Final = 3600.0
# RFC 2308 §5, §7: no such name or none of the type; and a server's failure or silence, which may pass sooner.
NEGATIVE_TTL: Final = 30.0
FAILURE_TTL: Final = 5.0
# RFC 3263 §4.3 leaves the time open; Timer F is 32 s.
UNREACHABLE_S: Final = 30.0
MAX_UNREACHABLE_S: Final = 3600.0
MAX_UNREACHABLE: Final = 1000

# A failure is kept as its reason: an exception raised twice would grow its traceback each time.
Heard = Found | str


class Cache:
    """Outcomes by question, for their time."""

    __slots__ = ("_entries", "_most")

    def __init__(self, most: int = MAX_NAMES) -> None:
        self._entries: dict[Question, tuple[float, Heard]] = {}
        self._most = most

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, question: Question, now: float) -> Heard | None:
        """What was heard, None when nothing was or its time is over."""
        entry = self._entries.pop(question, None)
        if entry is None or entry[0] <= now:
            return None
        self._entries[question] = entry
        return entry[1]

    def put(self, question: Question, heard: Heard, ttl: int, now: float) -> None:
        """`ttl` in seconds counts for what has records or an alias only."""
        put_last(self._entries, question, (now + _lifetime(heard, ttl), heard), self._most)


def _lifetime(heard: Heard, ttl: int) -> float:
    if isinstance(heard, str):
        return FAILURE_TTL
    if not heard.records and not heard.aliases:
        return NEGATIVE_TTL
    return min(max(float(ttl), MIN_TTL), MAX_TTL)


class Unreachable:
    """Hops that failed lately; they are tried last (RFC 3263 §4.3)."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[Hop, float] = {}

    def add(self, hop: Hop, now: float, seconds: float = 0.0) -> None:
        """For so many seconds from now, which are UNREACHABLE_S at least and MAX_UNREACHABLE_S at most."""
        until = now + min(max(seconds, UNREACHABLE_S), MAX_UNREACHABLE_S)
        put_last(self._until, hop, until, MAX_UNREACHABLE)

    def has(self, hop: Hop, now: float) -> bool:
        """True when `hop` failed lately."""
        return self._until.get(hop, now) > now

    def last(self, hops: list[Hop], now: float) -> list[Hop]:
        """`hops` in their order, those that failed lately behind the others."""
        if not self._until:
            return hops
        return sorted(hops, key=lambda hop: self.has(hop, now))

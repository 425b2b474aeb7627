"""Cache and Unreachable: two bounded tables with times, for answers from DNS and for failed hops.

Rules: at the bound the least recently used entry is dropped. A TTL is kept between MIN_TTL and MAX_TTL. Times are the
caller's `now` in seconds, taken before the question was sent, so no entry outlives its TTL.
"""

from typing import Final

from msilod.dns.records import Found, Question
from msilod.sip.bounded import put_last
from msilod.sip.hop import Hop

MAX_NAMES: Final = 10_000
MIN_TTL: Final = 5.0
MAX_TTL: Final = 3600.0
# RFC 2308 §5, §7: no such name, or no record of the type. Failures and silence of a server count for FAILURE_TTL.
NEGATIVE_TTL: Final = 30.0
FAILURE_TTL: Final = 5.0
# RFC 3263 §4.3 sets no time; Timer F is 32 s.
UNREACHABLE_S: Final = 30.0
MAX_UNREACHABLE_S: Final = 3600.0
MAX_UNREACHABLE: Final = 1000

# A failure is kept as text: an exception that is raised twice would grow its traceback each time.
Heard = Found | str


class Cache:
    """Outcomes of questions, until their time is over."""

    __slots__ = ("_entries", "_most")

    def __init__(self, most: int = MAX_NAMES) -> None:
        self._entries: dict[Question, tuple[float, Heard]] = {}
        self._most = most

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, question: Question, now: float) -> Heard | None:
        """Return the outcome, None when there is none or its time is over."""
        entry = self._entries.pop(question, None)
        if entry is None or entry[0] <= now:
            return None
        self._entries[question] = entry
        return entry[1]

    def put(self, question: Question, heard: Heard, ttl: int, now: float) -> None:
        """Keep an outcome. `ttl` in seconds counts only for an answer with records or an alias."""
        put_last(self._entries, question, (now + _lifetime(heard, ttl), heard), self._most)


def _lifetime(heard: Heard, ttl: int) -> float:
    if isinstance(heard, str):
        return FAILURE_TTL
    if not heard.records and not heard.aliases:
        return NEGATIVE_TTL
    return min(max(float(ttl), MIN_TTL), MAX_TTL)


class Unreachable:
    """Hops that failed lately. These hops are tried last (RFC 3263 §4.3)."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[Hop, float] = {}

    def add(self, hop: Hop, now: float, seconds: float = 0.0) -> None:
        """Keep `hop` for `seconds` from now, at least UNREACHABLE_S and at most MAX_UNREACHABLE_S."""
        until = now + min(max(seconds, UNREACHABLE_S), MAX_UNREACHABLE_S)
        put_last(self._until, hop, until, MAX_UNREACHABLE)

    def has(self, hop: Hop, now: float) -> bool:
        """True when `hop` failed lately."""
        return self._until.get(hop, now) > now

    def last(self, hops: list[Hop], now: float) -> list[Hop]:
        """Return `hops` in their order, but hops that failed lately behind the others."""
        if not self._until:
            return hops
        return sorted(hops, key=lambda hop: self.has(hop, now))

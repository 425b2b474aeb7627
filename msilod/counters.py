"""Counters: counts events since the start of the daemon, under the names of msilo's statistics.

The counts are plain integers. The code that handles an event adds to the count; `status` reads all counts.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Counters:
    """Counts since the start of the daemon. A count never decreases."""

    stored_messages: int = 0
    dumped_messages: int = 0
    failed_messages: int = 0
    failed_stores: int = 0
    rejected_messages: int = 0
    expired_messages: int = 0
    duplicate_messages: int = 0
    refused_messages: int = 0
    relayed_requests: int = 0
    registrations: int = 0
    notices: int = 0
    receipts: int = 0
    challenges: int = 0
    authenticated_requests: int = 0
    wrong_passwords: int = 0
    delayed_guesses: int = 0
    shed_challenges: int = 0
    refused_strangers: int = 0
    shed_sources: int = 0
    shed_datagrams: int = 0
    malformed: int = 0
    dropped: int = 0
    internal_errors: int = 0

    def as_dict(self) -> dict[str, int]:
        """Name to count."""
        return asdict(self)


class Histogram:
    """Counts durations by size. `bounds`: upper bounds in seconds, ascending.

    `counts[i]` is the number of durations up to `bounds[i]` and above the bound before; the last count is of durations
    above all bounds. `total` is the sum in seconds. `observe` takes a third of a microsecond.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = list(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration. A negative duration, after a step of a clock, counts as 0."""
        if seconds < 0.0:
            seconds = 0.0
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

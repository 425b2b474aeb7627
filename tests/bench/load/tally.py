"""Counting answers: a tally per phase and worker, percentiles and medians.

Rules: a percentile is the nearest rank over every answer in the window of every worker, never a mean of
percentiles. A transaction that was retransmitted counts from its first datagram. What never got an answer
has no latency and is counted as lost, beside the percentiles.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, inf
from typing import TypeVar

K = TypeVar("K", int, str)


@dataclass
class Tally:
    """Answers to one phase of one worker. Times are monotonic seconds, the same clock in all workers."""

    wanted: bytes = b"200"
    begin: float = 0.0
    end: float = inf
    good: int = 0
    late: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    unanswered: list[bytes] = field(default_factory=list)
    retransmissions: int = 0
    strays: int = 0
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    per_second: dict[int, int] = field(default_factory=dict)
    accepted: list[bytes] | None = None

    def answer(self, tail: bytes, status: bytes, started: float, now: float) -> None:
        """Enters a final answer; only those inside the window make the rate and the percentiles."""
        if status != self.wanted:
            name = status.decode("latin-1")
            self.refused[name] = self.refused.get(name, 0) + 1
            return
        if self.accepted is not None:
            self.accepted.append(tail[1:])
        if now > self.end:
            self.late += 1
            return
        self.good += 1
        self.latencies.append(now - started)
        second = int(now - self.begin)
        self.per_second[second] = self.per_second.get(second, 0) + 1

    def add(self, other: "Tally") -> None:
        """Takes the answers of another worker in."""
        for name in ("good", "late", "lost", "retransmissions", "strays"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.latencies.extend(other.latencies)
        _add_counts(self.refused, other.refused)
        _add_counts(self.per_second, other.per_second)

    @property
    def finals(self) -> int:
        """All final answers, in the window or after it."""
        return self.good + self.late + sum(self.refused.values())


def _add_counts(into: dict[K, int], other: dict[K, int]) -> None:
    for key, count in other.items():
        into[key] = into.get(key, 0) + count


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Nearest rank: the smallest value that at least `share` of all do not exceed. None of nothing."""
    if not ordered:
        return None
    return ordered[max(ceil(share * len(ordered)), 1) - 1]


def median(values: Iterable[float | None]) -> float | None:
    """The middle run; of an even number the mean of the two in the middle."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    half = len(known) // 2
    return known[half] if len(known) % 2 else (known[half - 1] + known[half]) / 2

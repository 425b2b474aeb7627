"""Timers: the timer values of RFC 3261 §17 (table 4), RFC 6026 and RFC 4320, and queues of running timers.

A queue holds (time, key) of timers with one interval, so the first entry is always the next. The keys of ended
transactions stay in the queue; `due` skips keys of ended transactions. This costs 0.1 us and 16 bytes for each. Heaps
and wheels of timer objects kept half a second of garbage alive and cost a quarter of the rate.
"""

from collections import deque
from collections.abc import Container
from heapq import heappop, heappush
from typing import Final

from msilod.transaction.tables import Input

# Seconds.
T1: Final = 0.5
T2: Final = 4.0
T4: Final = 5.0
# Timers B, F, H, J, L and M: a peer retransmits for so long.
PATIENCE: Final = 64 * T1
# RFC 4320 §4.1: a 100 is sent when Timer E of the peer reaches T2, after T1 + 2*T1 + 4*T1.
TRYING_AT: Final = 7 * T1
# RFC 3261 §17.1.1.2: "at least 32 seconds", for any T1.
TIMER_D: Final = 32.0

# First interval on an unreliable and on a reliable transport. None: not started. 0.0: fires at once.
INTERVALS: Final[dict[Input, tuple[float | None, float | None]]] = {
    Input.TIMER_A: (T1, None),
    Input.TIMER_B: (PATIENCE, PATIENCE),
    Input.TIMER_D: (TIMER_D, 0.0),
    Input.TIMER_E: (T1, None),
    Input.TIMER_F: (PATIENCE, PATIENCE),
    Input.TIMER_G: (T1, None),
    Input.TIMER_H: (PATIENCE, PATIENCE),
    Input.TIMER_I: (T4, 0.0),
    Input.TIMER_J: (PATIENCE, 0.0),
    Input.TIMER_K: (T4, 0.0),
    Input.TIMER_L: (PATIENCE, PATIENCE),
    Input.TIMER_M: (PATIENCE, PATIENCE),
    Input.TRYING_DUE: (TRYING_AT, None),
    Input.PEER_GAVE_UP: (PATIENCE, PATIENCE),
    Input.CANCEL_EXPIRED: (PATIENCE, PATIENCE),
}


def interval(timer: Input, is_reliable: bool) -> float | None:
    """Return the interval in seconds; None for a timer not used with this transport."""
    return INTERVALS[timer][is_reliable]


class TimerQueue:
    """Keys with the same `interval` (seconds). Each append to `times` needs an append to `keys`."""

    __slots__ = ("interval", "keys", "times")

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.times: deque[float] = deque()
        self.keys: deque[bytes] = deque()


class TimerQueues:
    """The queues of the server or the client transactions, and a heap for the few deadlines without a fixed interval.

    Intervals are constants of this room, so there are only a few queues. `now` never decreases.
    """

    __slots__ = ("_heap", "_queues")

    def __init__(self) -> None:
        self._queues: dict[float, TimerQueue] = {}
        self._heap: list[tuple[float, bytes]] = []

    def queue(self, interval: float) -> TimerQueue:
        """Return the queue of an interval, for callers which append directly."""
        found = self._queues.get(interval)
        if found is None:
            found = self._queues[interval] = TimerQueue(interval)
        return found

    def add(self, interval: float, key: bytes, now: float) -> float:
        """Start a timer for `key`, and return the deadline: now + interval."""
        queue = self.queue(interval)
        queue.times.append(now)
        queue.keys.append(key)
        return now + interval

    def add_at(self, deadline: float, key: bytes) -> None:
        """Start a timer for `key` with a given deadline."""
        heappush(self._heap, (deadline, key))

    def next_deadline(self) -> float | None:
        """Return the earliest deadline, also of ended transactions; None without timers."""
        found = self._heap[0][0] if self._heap else None
        for queue in self._queues.values():
            if queue.times:
                deadline = queue.times[0] + queue.interval
                if found is None or deadline < found:
                    found = deadline
        return found

    def due(self, now: float, live: Container[bytes]) -> list[tuple[float, float, bytes]]:
        """Remove the timers due at `now`, and return (deadline, interval, key) of live transactions, in order.

        The interval is 0.0 for timers from `add_at`.
        """
        found = []
        for queue in self._queues.values():
            times, keys, span = queue.times, queue.keys, queue.interval
            while times and times[0] + span <= now:
                deadline, key = times.popleft() + span, keys.popleft()
                if key in live:
                    found.append((deadline, span, key))
        while self._heap and self._heap[0][0] <= now:
            deadline, key = heappop(self._heap)
            if key in live:
                found.append((deadline, 0.0, key))
        found.sort()
        return found

    def __len__(self) -> int:
        return len(self._heap) + sum(len(queue.keys) for queue in self._queues.values())

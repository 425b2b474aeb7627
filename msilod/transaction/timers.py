"""Timer values of RFC 3261 §17 (table 4), RFC 6026 and RFC 4320, and the queues that timers wait in.

A queue holds (time, key) for one interval, so that its first is always its next. A transaction that has
ended leaves its keys behind; `due` looks them up among the living and does not find them. That costs 0.1 us
and 16 bytes each: heaps and wheels of timer objects kept half a second of garbage alive and cost a quarter
of the rate.
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
# Timers B, F, H, J, L and M: how long a peer keeps trying, and may come with a copy.
PATIENCE: Final = 64 * T1
# RFC 4320 §4.1: a 100 when the peer's Timer E reaches T2, after T1 + 2*T1 + 4*T1.
TRYING_AT: Final = 7 * T1
# RFC 3261 §17.1.1.2: "at least 32 seconds" whatever T1 is.
TIMER_D: Final = 32.0

# First interval on an unreliable and on a reliable transport. None: is not started. 0.0: fires at once.
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
    """Seconds; None for a timer that this transport does not need."""
    return INTERVALS[timer][is_reliable]


class TimerQueue:
    """Keys that all wait for the same `interval` (seconds). Append to `times` and `keys` together."""

    __slots__ = ("interval", "keys", "times")

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.times: deque[float] = deque()
        self.keys: deque[bytes] = deque()


class TimerQueues:
    """The queues of one half of the layer, and a heap for the few deadlines that fit no interval.

    Intervals are constants of this room, so there is a handful of queues. `now` never decreases.
    """

    __slots__ = ("_heap", "_queues")

    def __init__(self) -> None:
        self._queues: dict[float, TimerQueue] = {}
        self._heap: list[tuple[float, bytes]] = []

    def queue(self, interval: float) -> TimerQueue:
        """The queue of an interval, for those who append to it directly."""
        found = self._queues.get(interval)
        if found is None:
            found = self._queues[interval] = TimerQueue(interval)
        return found

    def add(self, interval: float, key: bytes, now: float) -> float:
        """Wait until now + interval, which is returned."""
        queue = self.queue(interval)
        queue.times.append(now)
        queue.keys.append(key)
        return now + interval

    def add_at(self, deadline: float, key: bytes) -> None:
        """Wait until `deadline`."""
        heappush(self._heap, (deadline, key))

    def next_deadline(self) -> float | None:
        """The earliest deadline, of the living and the dead; None when nothing waits."""
        found = self._heap[0][0] if self._heap else None
        for queue in self._queues.values():
            if queue.times:
                deadline = queue.times[0] + queue.interval
                if found is None or deadline < found:
                    found = deadline
        return found

    def due(self, now: float, living: Container[bytes]) -> list[tuple[float, float, bytes]]:
        """Take out all that is due, in order: (deadline, interval, key) of the living.

        The interval is 0.0 for what `add_at` put in.
        """
        found = []
        for queue in self._queues.values():
            times, keys, span = queue.times, queue.keys, queue.interval
            while times and times[0] + span <= now:
                deadline, key = times.popleft() + span, keys.popleft()
                if key in living:
                    found.append((deadline, span, key))
        while self._heap and self._heap[0][0] <= now:
            deadline, key = heappop(self._heap)
            if key in living:
                found.append((deadline, 0.0, key))
        found.sort()
        return found

    def __len__(self) -> int:
        return len(self._heap) + sum(len(queue.keys) for queue in self._queues.values())

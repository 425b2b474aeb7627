"""Timer values of RFC 3261 §17 (table 4) and the queues they wait in.

A timer is a (deadline, key) in the deque of its interval: deadlines in one deque never decrease, so the first
is always the next. A transaction that has ended leaves keys behind, which are looked up in the live dict
and found missing. (A heap of timer objects kept half a second of garbage alive: a quarter of the rate.)
"""

from collections import deque
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")


T1: Final = 0.5
T2: Final = 4.0
T4: Final = 5.0
TIMER_B: Final = 64 * T1
TIMER_D: Final = 32.0
TIMER_F: Final = 64 * T1
TIMER_H: Final = 64 * T1
TIMER_I: Final = T4
TIMER_J: Final = 64 * T1
TIMER_K: Final = T4
TIMER_L: Final = 64 * T1
TIMER_M: Final = 64 * T1
# RFC 4320 §4.1: a 100 when Timer E of the peer would reach T2, T1 + 2*T1 + 4*T1.
TRYING_AT: Final = 7 * T1


class TimerQueues(Generic[Key]):
    """Deques by interval. `add` needs `now` never to decrease between calls."""

    def __init__(self) -> None:
        self._queues: dict[float, deque[tuple[float, Key]]] = {}

    def add(self, interval: float, key: Key, now: float) -> None:
        """Fire for `key` at now + interval (seconds)."""
        queue = self._queues.get(interval)
        if queue is None:
            queue = self._queues[interval] = deque()
        queue.append((now + interval, key))

    def next_deadline(self) -> float | None:
        """The earliest deadline of all queues, of the living and the dead."""
        return min((queue[0][0] for queue in self._queues.values() if queue), default=None)

    def due(self, now: float) -> list[Key]:
        """Take out what is due, oldest first per interval. Intervals that have emptied are dropped."""
        found: list[tuple[float, Key]] = []
        for interval, queue in list(self._queues.items()):
            while queue and queue[0][0] <= now:
                found.append(queue.popleft())
            if not queue:
                del self._queues[interval]
        found.sort(key=lambda entry: entry[0])
        return [key for _, key in found]

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

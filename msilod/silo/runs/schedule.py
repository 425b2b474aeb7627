"""DeliverySchedule: decides which runs are in progress, and when back-offs end.

At most `limit` runs are in progress. Other recipients wait for a place in the order of arrival. A run beyond SHARE
claims goes to the end of the line while others wait (round robin, law 4). The memory is bounded: a forgotten back-off
costs nothing, because the row stores the time of the next attempt, and the sweep or a REGISTER begins the delivery.
Times are silo time.
"""

from collections import OrderedDict
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Final

from msilod.silo.runs.recipient_memory import RecipientMemory

# Enough for one process with devices answering in 50 ms. At 64 rows each, short messages take about 100 MB.
MAX_RUNS: Final = 2000
# An entry takes about 0.5 kB.
MAX_REMEMBERED: Final = 100_000
# Claims of one run before the run makes room for others: 256 messages at 64 rows per claim.
SHARE: Final = 4


class DeliverySchedule:
    """Runs by name (device_runs.py). Each name has at most one run."""

    def __init__(self, limit: int = MAX_RUNS, max_remembered: int = MAX_REMEMBERED) -> None:
        self.limit = limit
        self.max_remembered = max_remembered
        self._running: dict[str, int] = {}
        self._interrupted: dict[str, float] = {}
        self._waiting: OrderedDict[str, None] = OrderedDict()
        # The recipients waiting for a place. Read for each request.
        self.in_line = self._waiting
        self._memories: OrderedDict[str, RecipientMemory] = OrderedDict()
        # The memory of a recipient, nearly always None. Called for each relayed MESSAGE.
        self.known: Callable[[str], RecipientMemory | None] = self._memories.get
        self._retry_at: dict[str, float] = {}
        self._deadlines: list[tuple[float, str]] = []

    def begin(self, aor: str) -> bool:
        """Begin a run. Returns False if a run is in progress, or if the recipient has to wait for a place."""
        if aor in self._running:
            return False
        if len(self._running) >= self.limit:
            self._wait(aor)
            return False
        self._waiting.pop(aor, None)
        retry_at = self._retry_at.pop(aor, None)
        if retry_at is not None:
            self._interrupted[aor] = retry_at
        self._running[aor] = 0
        return True

    def memory(self, aor: str) -> RecipientMemory:
        """The memory of earlier runs, for the next run of `aor`."""
        memory = self._memories.get(aor)
        if memory is None:
            memory = self._memories[aor] = RecipientMemory()
            self._shed()
        else:
            self._memories.move_to_end(aor)
        return memory

    def must_yield(self, aor: str) -> bool:
        """Called at each Claim. True if the run had its share while other recipients wait.

        The recipient goes to the end of the line, and the caller tells the run of no more rows.
        """
        if aor not in self._running:
            return False
        self._running[aor] += 1
        if not self._waiting or self._running[aor] <= SHARE:
            return False
        self._wait(aor)
        return True

    def finished(
        self, aor: str, retry_at: float | None, now: float = 0.0, keeps_time: bool = False
    ) -> list[str]:
        """End a run with rows left for `retry_at`. Returns the recipients next in line.

        `keeps_time`: the run was not for all rows, so an earlier back-off goes on.
        """
        self._running.pop(aor, None)
        former = self._interrupted.pop(aor, None)
        if keeps_time and former is not None:
            self.back_off(aor, max(former, now))
        if aor in self._waiting:
            self._waiting.move_to_end(aor)
        if retry_at is not None:
            self.back_off(aor, retry_at)
        memory = self._memories.get(aor)
        if memory is not None and not memory.is_worth_keeping(now):
            del self._memories[aor]
        return self._next()

    def back_off(self, aor: str, retry_at: float) -> None:
        """Begin a back-off: no run before `retry_at`, except by a REGISTER.

        A run in progress may not see a row stored after failures online, so the end of the run does not change the
        back-off.
        """
        if retry_at < self._retry_at.get(aor, inf):
            self._remember(aor, retry_at)

    def forget(self, aor: str) -> None:
        """Forget a recipient without bindings: no timer helps, and later contacts are new contacts."""
        self._retry_at.pop(aor, None)
        self._interrupted.pop(aor, None)
        self._waiting.pop(aor, None)
        if aor not in self._running:
            self._memories.pop(aor, None)

    def next_deadline(self) -> float | None:
        """The next time with a result of `due`. None: after the end of a run."""
        if self._waiting and len(self._running) < self.limit:
            return 0.0
        self._drop_stale()
        return self._deadlines[0][0] if self._deadlines else None

    def due(self, now: float) -> list[str]:
        """Recipients at the end of a back-off, and waiting recipients if there is room. The caller calls `begin`."""
        found = self._next()
        room = self.limit - len(self._running) - len(found)
        self._drop_stale()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, aor = heappop(self._deadlines)
            del self._retry_at[aor]
            if room > 0:
                found.append(aor)
                room -= 1
            else:
                self._wait(aor)
            self._drop_stale()
        return found

    def retry_at(self, aor: str) -> float | None:
        """The end of the back-off of `aor`. None for no back-off."""
        return self._retry_at.get(aor)

    @property
    def is_full(self) -> bool:
        """True when back-offs may have been forgotten."""
        return len(self._retry_at) >= self.max_remembered

    @property
    def running(self) -> int:
        """The number of runs in progress."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """The number of recipients waiting for a place."""
        return len(self._waiting)

    def _next(self) -> list[str]:
        """The recipients next in line. `begin` puts a recipient back if the place is taken meanwhile."""
        room = max(0, self.limit - len(self._running))
        return [self._waiting.popitem(last=False)[0] for _ in range(min(room, len(self._waiting)))]

    def _wait(self, aor: str) -> None:
        if len(self._waiting) < self.max_remembered:
            self._waiting[aor] = None

    def _remember(self, aor: str, retry_at: float) -> None:
        if aor not in self._retry_at and len(self._retry_at) >= self.max_remembered:
            return
        self._retry_at[aor] = retry_at
        heappush(self._deadlines, (retry_at, aor))
        # Each REGISTER of a recipient may leave a stale deadline.
        if len(self._deadlines) > 2 * len(self._retry_at) + 64:
            self._deadlines = [(at, name) for name, at in self._retry_at.items()]
            heapify(self._deadlines)

    def _drop_stale(self) -> None:
        while self._deadlines and self._retry_at.get(self._deadlines[0][1]) != self._deadlines[0][0]:
            heappop(self._deadlines)

    def _shed(self) -> None:
        """Forget the longest unused memories beyond the bound, except memories of runs in progress."""
        while len(self._memories) > self.max_remembered + len(self._running):
            aor, memory = self._memories.popitem(last=False)
            if aor in self._running:
                self._memories[aor] = memory

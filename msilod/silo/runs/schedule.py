"""DeliverySchedule: whose delivery run goes now, who waits for a place, and whose back-off ends when.

Rules: at most `limit` runs at a time, the others wait in the order they came, each once; a run that has had
its share while others wait goes to the end of the line (round robin, law 4). What is remembered is bounded:
forgetting a back-off costs nothing but the sweep or the REGISTER that comes instead, since the rows carry
their own next attempt.
Times are wall seconds (UTC).
"""

from collections import OrderedDict
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Final

from msilod.silo.runs.recipient_memory import RecipientMemory

# Enough to keep one process busy where a device takes 50 ms to answer; at 64 rows each some 100 MB of short
# messages at the most.
MAX_RUNS: Final = 2000
# An entry is some 0.5 kB.
MAX_REMEMBERED: Final = 100_000
# Claims of one run before it makes room for those who wait: 256 messages at 64 rows a claim.
SHARE: Final = 4


class DeliverySchedule:
    """Recipients by their canonical AOR; each has at most one run."""

    def __init__(self, limit: int = MAX_RUNS, max_remembered: int = MAX_REMEMBERED) -> None:
        self.limit = limit
        self.max_remembered = max_remembered
        self._running: dict[str, int] = {}
        self._interrupted: dict[str, float] = {}
        self._waiting: OrderedDict[str, None] = OrderedDict()
        # Recipients that wait for a place among the runs: asked for each request.
        self.in_line = self._waiting
        self._memories: OrderedDict[str, RecipientMemory] = OrderedDict()
        # What is remembered of a recipient, nearly always nothing: asked for each MESSAGE that is relayed.
        self.known: Callable[[str], RecipientMemory | None] = self._memories.get
        self._retry_at: dict[str, float] = {}
        self._deadlines: list[tuple[float, str]] = []

    def begin(self, aor: str) -> bool:
        """True: the run of `aor` begins now. False: it is running already, or waits for a place."""
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
        """What the next run of `aor` has to know of the ones before."""
        memory = self._memories.get(aor)
        if memory is None:
            memory = self._memories[aor] = RecipientMemory()
            self._shed()
        else:
            self._memories.move_to_end(aor)
        return memory

    def must_yield(self, aor: str) -> bool:
        """Asked at each Claim of the run: True when it had its share while others wait.

        The recipient is then in their line, and the run is told that there are no more rows.
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
        """The run of `aor` is over, with rows left for `retry_at`. Returns whose runs may begin now.

        `keeps_time`: it was not for all rows, and the back-off that it began in goes on.
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
        """A row of `aor` was stored after its contacts had failed: no run before then but by a REGISTER.

        A run that is under way may not see that row any more, so that its end does not change this.
        """
        if retry_at < self._retry_at.get(aor, inf):
            self._remember(aor, retry_at)

    def forget(self, aor: str) -> None:
        """The recipient un-registered: no timer brings him back, and his next contacts are new ones."""
        self._retry_at.pop(aor, None)
        self._interrupted.pop(aor, None)
        self._waiting.pop(aor, None)
        if aor not in self._running:
            self._memories.pop(aor, None)

    def next_deadline(self) -> float | None:
        """When `due` has something to say next; None: when a run ends."""
        if self._waiting and len(self._running) < self.limit:
            return 0.0
        self._drop_stale()
        return self._deadlines[0][0] if self._deadlines else None

    def due(self, now: float) -> list[str]:
        """Whose back-off has ended or who waits while there is room; each may `begin`."""
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
        """When the back-off of `aor` ends; None when there is none."""
        return self._retry_at.get(aor)

    @property
    def is_full(self) -> bool:
        """True when back-offs may have been forgotten."""
        return len(self._retry_at) >= self.max_remembered

    @property
    def running(self) -> int:
        """Runs under way."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Recipients that wait for a place."""
        return len(self._waiting)

    def _next(self) -> list[str]:
        """Those in line for whom there is room; `begin` puts them back if somebody was quicker."""
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
        # A recipient who keeps registering leaves a stale deadline each time.
        if len(self._deadlines) > 2 * len(self._retry_at) + 64:
            self._deadlines = [(at, name) for name, at in self._retry_at.items()]
            heapify(self._deadlines)

    def _drop_stale(self) -> None:
        while self._deadlines and self._retry_at.get(self._deadlines[0][1]) != self._deadlines[0][0]:
            heappop(self._deadlines)

    def _shed(self) -> None:
        """Over the bound the longest unused memory goes, unless its run is under way."""
        while len(self._memories) > self.max_remembered + len(self._running):
            aor, memory = self._memories.popitem(last=False)
            if aor in self._running:
                self._memories[aor] = memory

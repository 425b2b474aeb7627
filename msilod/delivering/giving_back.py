"""GivingBack: rows that leave a run without the run waiting for it, and are asked for again when that fails.

A postponed, released or rejected row, and one that was delivered outside of any run, is told to the writer once. When
the commit fails (disk full, locked, I/O error), the row would keep its lease, or be sent again. So the job is kept here
and handed over again, after 1, 2, 5, 15 and then every 30 seconds.

A claim of a recipient waits until all such rows of the recipient are written (`when_written`), also those that the
writer has now. Otherwise newer rows would be sent before the rows that are still leased (law 4), and rows that were
refused or delivered would be sent again. Jobs that wait for another try are handed over at once then. When one of them
fails, the claim fails as well: a writer that cannot write those jobs cannot write a claim either.

Bounded: no rows are claimed while MAX_ROWS rows wait for another try, so at most MAX_ROWS and what all runs
have in hand are kept. Of ends that come without a claim MAX_KEPT are kept; rows beyond that become due when their lease
ends. A job holds no message, only what is to be written.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from msilod.errors import StoreError
from msilod.log import get_log
from msilod.silo.runs.leased_rows import SETTLE_AGAIN

MAX_ROWS: Final = 100_000
MAX_KEPT: Final = 300_000

# Hands the rows with these ids to the writer; the second argument hears the result.
Issue = Callable[[Sequence[int], Callable[[Any], None]], None]
IsHeld = Callable[[str, int], bool]
# AOR: its rows are free again.
Freed = Callable[[str], None]
# Hears whether all was written.
Written = Callable[[bool], None]


class Leaving:
    """Rows of one recipient on their way out of a run. `is_final`: they are not sent again.

    `is_issued` while the writer has the job; `is_over` when the job is written or given up.
    """

    __slots__ = ("aor", "at", "ids", "is_final", "is_issued", "is_over", "issue", "tries")

    def __init__(self, aor: str, ids: Sequence[int], issue: Issue, is_final: bool) -> None:
        self.aor = aor
        self.ids = ids
        self.issue = issue
        self.is_final = is_final
        self.is_issued = False
        self.is_over = False
        self.tries = 0
        self.at = 0.0


class Departure:
    """All that is on its way out for one recipient: `leavings` in their order, `issued` of them at the writer.

    `waiting` hear when none is at the writer any more. `has_freed`: rows were given back by a later try.
    """

    __slots__ = ("has_freed", "issued", "leavings", "waiting")

    def __init__(self) -> None:
        self.leavings: dict[Leaving, None] = {}
        self.issued = 0
        self.waiting: list[Written] = []
        self.has_freed = False


class GivingBack:
    """`is_held(aor, id)` says whether a run has the row in hand; `freed` is told when all of a recipient's rows are
    written and some of them by a later try.
    """

    def __init__(self, now: Callable[[], float], is_held: IsHeld, freed: Freed) -> None:
        self._now = now
        self._is_held = is_held
        self._freed = freed
        self._departures: dict[str, Departure] = {}
        self._failed: deque[Leaving] = deque()
        self._rows = 0

    def begin(self, aor: str, ids: Sequence[int], issue: Issue, is_final: bool = False) -> None:
        """Hand over, and again later if that fails."""
        departure = self._departures.get(aor)
        if departure is None:
            departure = self._departures[aor] = Departure()
        leaving = Leaving(aor, ids, issue, is_final)
        departure.leavings[leaving] = None
        self._issue(departure, leaving)

    def when_written(self, aor: str, done: Written) -> None:
        """`done` hears, perhaps at once, whether all rows of `aor` that are on their way out have been written.

        It hears False as well when so many rows wait for another try that no more are to be claimed.
        """
        departure = self._departures.get(aor)
        if departure is None:
            done(self._rows < MAX_ROWS)
            return
        departure.waiting.append(done)
        self.hand_over(aor)

    def hand_over(self, aor: str) -> None:
        """Hand over now the jobs of `aor` that wait for another try."""
        departure = self._departures.get(aor)
        if departure is not None:
            for leaving in list(departure.leavings):
                self._again(departure, leaving)
            self._tell(aor, departure)

    def tick(self, now: float) -> None:
        """Once a second: hand over again the jobs that are due."""
        for _ in range(len(self._failed)):
            leaving = self._failed.popleft()
            if leaving.is_over:
                continue
            self._failed.append(leaving)
            if leaving.at <= now:
                departure = self._departures[leaving.aor]
                self._again(departure, leaving)
                self._tell(leaving.aor, departure)

    def _again(self, departure: Departure, leaving: Leaving) -> None:
        """Hand over once more, unless the writer has the job."""
        if leaving.is_issued:
            return
        if not leaving.is_final:
            # The lease has ended meanwhile, and a new run has the row.
            held = [id for id in leaving.ids if self._is_held(leaving.aor, id)]
            if held:
                self._rows -= len(held)
                leaving.ids = [id for id in leaving.ids if id not in held]
        if leaving.ids:
            self._issue(departure, leaving)
        else:
            self._end(departure, leaving)

    def _issue(self, departure: Departure, leaving: Leaving) -> None:
        leaving.is_issued = True
        departure.issued += 1
        leaving.issue(leaving.ids, partial(self._told, departure, leaving))

    def _told(self, departure: Departure, leaving: Leaving, result: Any) -> None:
        leaving.is_issued = False
        departure.issued -= 1
        if isinstance(result, StoreError):
            self._put_off(departure, leaving, result)
        else:
            departure.has_freed = departure.has_freed or bool(leaving.tries and not leaving.is_final)
            self._end(departure, leaving)
        self._tell(leaving.aor, departure)

    def _put_off(self, departure: Departure, leaving: Leaving, error: StoreError) -> None:
        if not leaving.tries:
            if not self._rows:
                # One line for all of them: there may be thousands.
                get_log().error("rows could not be given back", aor=leaving.aor, reason=str(error))
            if self._rows >= MAX_KEPT:
                self._end(departure, leaving)
                return
            self._rows += len(leaving.ids)
            self._failed.append(leaving)
        leaving.at = self._now() + SETTLE_AGAIN[min(leaving.tries, len(SETTLE_AGAIN) - 1)]
        leaving.tries += 1

    def _end(self, departure: Departure, leaving: Leaving) -> None:
        leaving.is_over = True
        del departure.leavings[leaving]
        if leaving.tries:
            self._rows -= len(leaving.ids)

    def _tell(self, aor: str, departure: Departure) -> None:
        """Tell those who wait, when the writer has answered all jobs of the recipient."""
        if departure.issued:
            return
        is_written = not departure.leavings
        if is_written and self._departures.get(aor) is departure:
            del self._departures[aor]
            if departure.has_freed:
                self._freed(aor)
        waiting, departure.waiting = departure.waiting, []
        for done in waiting:
            done(is_written)

    def __len__(self) -> int:
        """Rows that wait for another try."""
        return self._rows

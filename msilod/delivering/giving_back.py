"""GivingBack: writes rows after a run has given up the rows, and repeats failed commits.

A run does not wait for postponed, released or rejected rows, nor for rows delivered outside a run. If the commit of one
of these rows fails (disk full, database locked, I/O error), the row would stay leased or be sent again. Therefore the
job is kept here and tried again after 1, 2, 5, 15 and then every 30 seconds.

A claim of a recipient waits until all these rows of the recipient are written (`when_written`), including rows in the
queue of the writer. Otherwise newer rows would be sent before leased rows (law 4), and refused or delivered rows would
be sent again. The claim makes waiting jobs due at once. If one of these jobs fails, the claim fails as well: the writer
could not write a claim either.

Bounds: no rows are claimed while MAX_ROWS rows wait for another try, so at most MAX_ROWS plus the rows in the hands of
all runs are kept. Ends without a claim are kept up to MAX_KEPT; further rows become due at the end of the lease. A job
contains no message.
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

# Gives the rows with these ids to the writer. The second argument is called with the result.
Issue = Callable[[Sequence[int], Callable[[Any], None]], None]
IsHeld = Callable[[str, int], bool]
# Called with an AOR after rows of the AOR have become free.
Freed = Callable[[str], None]
# Called with True when all rows were written, else False.
Written = Callable[[bool], None]


class Leaving:
    """Rows of one recipient, leaving a run together. `is_final`: the rows are never sent again.

    `is_issued` is True while the writer has the job; `is_over` after the job is written or given up.
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
    """All leaving rows of one recipient: `leavings` in order, and `issued`, the number of jobs at the writer.

    The functions in `waiting` are called when no job is at the writer. `has_freed`: rows were given back by a later
    try.
    """

    __slots__ = ("has_freed", "issued", "leavings", "waiting")

    def __init__(self) -> None:
        self.leavings: dict[Leaving, None] = {}
        self.issued = 0
        self.waiting: list[Written] = []
        self.has_freed = False


class GivingBack:
    """Keeps the jobs until they are written.

    `is_held(aor, id)` tells whether a run has the row in hand. `freed(aor)` is called when all rows of a recipient are
    written and a later try gave back some of the rows.
    """

    def __init__(self, now: Callable[[], float], is_held: IsHeld, freed: Freed) -> None:
        self._now = now
        self._is_held = is_held
        self._freed = freed
        self._departures: dict[str, Departure] = {}
        self._failed: deque[Leaving] = deque()
        self._rows = 0

    def begin(self, aor: str, ids: Sequence[int], issue: Issue, is_final: bool = False) -> None:
        """Give rows to the writer by calling `issue`, and again later if the commit fails."""
        departure = self._departures.get(aor)
        if departure is None:
            departure = self._departures[aor] = Departure()
        leaving = Leaving(aor, ids, issue, is_final)
        departure.leavings[leaving] = None
        self._issue(departure, leaving)

    def when_written(self, aor: str, done: Written) -> None:
        """Call `done` when the writer has answered all jobs of `aor`, at once if there are none.

        The argument of `done` is True if all rows were written, False if a job failed. Without jobs of `aor`, the
        argument is False while MAX_ROWS rows of all recipients wait for another try.
        """
        departure = self._departures.get(aor)
        if departure is None:
            done(self._rows < MAX_ROWS)
            return
        departure.waiting.append(done)
        self.hand_over(aor)

    def hand_over(self, aor: str) -> None:
        """Try the waiting jobs of `aor` now."""
        departure = self._departures.get(aor)
        if departure is not None:
            for leaving in list(departure.leavings):
                self._again(departure, leaving)
            self._tell(aor, departure)

    def tick(self, now: float) -> None:
        """Try the due jobs. Called once a second."""
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
        """Try a job again, unless the writer has the job now."""
        if leaving.is_issued:
            return
        if not leaving.is_final:
            # The lease has ended meanwhile, and a new run has these rows in hand.
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
                # One log line for the first failure: there may be thousands of rows.
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
        """Call the waiting functions after the writer has answered all jobs of the recipient."""
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
        """The number of rows waiting for another try."""
        return self._rows

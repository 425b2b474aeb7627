"""GivingBack: rows that leave a run without the run waiting for it, and are asked for again when that fails.

A postponed, released or rejected row is told to the writer once. When the commit fails (disk full, I/O error), the row
would keep its lease. So the job is kept here and handed over again, after 1, 2, 5, 15 and then every 30 seconds.

Bounded: MAX_ROWS rows wait for another try. Rows beyond that become due when their lease ends.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from msilod.daemon.log import get_log
from msilod.errors import StoreError
from msilod.silo.hand import SETTLE_AGAIN

MAX_ROWS: Final = 100_000

# Hands the rows with these ids to the writer; the second argument hears the result.
Issue = Callable[[Sequence[int], Callable[[Any], None]], None]
IsHeld = Callable[[str, int], bool]
# AOR: its rows are free again.
Freed = Callable[[str], None]


class Leaving:
    """Rows of one recipient on their way out of a run. `is_final`: they are not sent again."""

    __slots__ = ("aor", "at", "ids", "is_final", "issue", "tries")

    def __init__(self, aor: str, ids: Sequence[int], issue: Issue, is_final: bool) -> None:
        self.aor = aor
        self.ids = ids
        self.issue = issue
        self.is_final = is_final
        self.tries = 0
        self.at = 0.0


class GivingBack:
    """`is_held(aor, id)` says whether a run has the row in hand; `freed` is told when a later try has succeeded."""

    def __init__(self, now: Callable[[], float], is_held: IsHeld, freed: Freed) -> None:
        self._now = now
        self._is_held = is_held
        self._freed = freed
        self._failed: deque[Leaving] = deque()
        self._rows = 0

    def begin(self, aor: str, ids: Sequence[int], issue: Issue, is_final: bool = False) -> None:
        """Hand over, and again later if that fails."""
        leaving = Leaving(aor, ids, issue, is_final)
        issue(ids, partial(self._told, leaving))

    def tick(self) -> None:
        """Once a second: hand over again the jobs that are due."""
        now = self._now()
        for _ in range(len(self._failed)):
            leaving = self._failed.popleft()
            if leaving.at > now:
                self._failed.append(leaving)
                continue
            self._rows -= len(leaving.ids)
            if not leaving.is_final:
                # The lease has ended meanwhile, and a new run has the row.
                leaving.ids = [id for id in leaving.ids if not self._is_held(leaving.aor, id)]
            if leaving.ids:
                leaving.issue(leaving.ids, partial(self._told, leaving))

    def _told(self, leaving: Leaving, result: Any) -> None:
        if not isinstance(result, StoreError):
            if leaving.tries and not leaving.is_final:
                self._freed(leaving.aor)
            return
        if not self._failed and not leaving.tries:
            # One line for all of them: there may be thousands.
            get_log().error("rows could not be given back", aor=leaving.aor, reason=str(result))
        if self._rows >= MAX_ROWS:
            return
        leaving.at = self._now() + SETTLE_AGAIN[min(leaving.tries, len(SETTLE_AGAIN) - 1)]
        leaving.tries += 1
        self._rows += len(leaving.ids)
        self._failed.append(leaving)

    def __len__(self) -> int:
        """Rows that wait for another try."""
        return self._rows

"""Recollection: reads the silo's clock, recipients and back-offs into memory after a start.

The first page of recipients with mail is read before the daemon serves, the other pages while the daemon serves. Until
all pages are read, a REGISTER queries the index of the silo, and a MESSAGE to a user with possible mail goes through
the silo (law 7). Then back-offs are restored, and deliveries to registered recipients begin.
"""

from math import inf

import trio

from msilod.daemon.housekeeping import IS_SET
from msilod.delivering.deliverer import Deliverer
from msilod.delivering.intervention import Intervention
from msilod.log import get_log
from msilod.store.silo import PAGE, Silo

Due = tuple[float, str]


class Recollection:
    """The reads of a start: `begin` before the daemon serves, then `go_on` as a task."""

    def __init__(self, silo: Silo, deliverer: Deliverer, intervention: Intervention) -> None:
        self.silo = silo
        self.deliverer = deliverer
        self.intervention = intervention
        self._after = ""
        self._knows_clock = False
        # `Clock.ahead` at the last look of an earlier daemon.
        self.former_ahead = 0.0

    def begin(self) -> None:
        """Continue silo time, and read the first page of recipients with mail. Raises UnavailableError.

        Must be called before any code that compares times of rows or bindings.
        """
        clock, kept = self.deliverer.clock, self.silo.kept_clock()
        clock.resume(kept)
        self._knows_clock = kept is not None
        self.former_ahead = clock.ahead if kept is None else kept.ahead
        moved = clock.ahead - self.former_ahead
        if abs(moved) > IS_SET:
            get_log().warning(
                "the clock was set while no daemon ran; all that waits keeps its time", seconds=round(moved)
            )
        self.silo.writer.keep_clock(clock.kept())
        self._after = self._fill_mail("")

    async def go_on(self) -> None:
        """Read the other pages and the back-offs, then begin deliveries to registered recipients."""
        deliverer = self.deliverer
        while self._after:
            self._after = await trio.to_thread.run_sync(self._fill_mail, self._after)
        due: Due | None = (deliverer.clock.wall(), "")
        while due is not None:
            due = await trio.to_thread.run_sync(self._fill_schedule, due)
        self.intervention.wake_registered(deliverer.clock.now())
        deliverer.recalled()
        deliverer.tasks.after()

    def _fill_mail(self, after: str) -> str:
        """Read a page of recipients with mail. Returns the start of the next page, "" after the last."""
        page = self.silo.recipients(after)
        self.deliverer.mail.add_all(page)
        if len(page) == PAGE:
            return page[-1]
        self.deliverer.mail.complete()
        return ""

    def _fill_schedule(self, after: Due) -> Due | None:
        """Read a page of back-offs, so the next tries come at the same times as without the restart.

        Returns the start of the next page, None after the last.
        """
        deliverer, page = self.deliverer, self.silo.backing_off(after)
        # A silo without a kept clock does not say how long a back-off still lasts: at most the longest of [silo] retry.
        latest = inf if self._knows_clock else deliverer.clock.wall() + deliverer.policy.retry[-1]
        for at, aor in page:
            if deliverer.location.bindings(aor, deliverer.clock.wall()):
                deliverer.schedule.back_off(aor, min(at, latest))
        return page[-1] if len(page) == PAGE else None

"""Recollection: what a daemon that starts has to know of the silo that it finds.

Rules: the first page of recipients with mail is read before the daemon serves, the other pages beside the work. Until
all are read a REGISTER asks the index, and a MESSAGE to a user that may have mail goes by way of the silo: its claim
asks the index. Then back-offs are restored, and recipients that are registered already get their mail.
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
    """`begin` at the start, then `go_on` as a task, from where that ended."""

    def __init__(self, silo: Silo, deliverer: Deliverer, intervention: Intervention) -> None:
        self.silo = silo
        self.deliverer = deliverer
        self.intervention = intervention
        self._after = ""
        self._knows_clock = False
        # `Clock.ahead` when a daemon looked last.
        self.former_ahead = 0.0

    def begin(self) -> None:
        """Go on with the silo's time, and read the first page of recipients with mail. Raises UnavailableError.

        It comes before everything that reads a time of rows or bindings.
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
        """The other pages, and who backs off; then deliveries to who is here."""
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
        """Remember a page of who has mail; where the next one begins, "" when there is none."""
        page = self.silo.recipients(after)
        self.deliverer.mail.add_all(page)
        if len(page) == PAGE:
            return page[-1]
        self.deliverer.mail.complete()
        return ""

    def _fill_schedule(self, after: Due) -> Due | None:
        """Remember a page of who backs off, to be tried when he is due as before the restart; where the next begins."""
        deliverer, page = self.deliverer, self.silo.backing_off(after)
        # Of a silo of a former version nothing says how long a back-off still was: not longer than the longest.
        latest = inf if self._knows_clock else deliverer.clock.wall() + deliverer.policy.retry[-1]
        for at, aor in page:
            if deliverer.location.bindings(aor, deliverer.clock.wall()):
                deliverer.schedule.back_off(aor, min(at, latest))
        return page[-1] if len(page) == PAGE else None

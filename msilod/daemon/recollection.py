"""Recollection: reads the silo's clock, recipients and back-offs into memory after a start.

The first page of recipients with mail is read before the daemon serves, the other pages while the daemon serves. Until
all pages are read, a REGISTER queries the index of the silo, and a MESSAGE to a user with possible mail goes through
the silo (law 7). Then back-offs are restored, and deliveries to registered recipients begin.
"""

from collections.abc import Callable
from math import inf

import trio

from msilod.clock import IS_SET, Clock
from msilod.delivering.deliverer import Deliverer
from msilod.delivering.intervention import Intervention
from msilod.log import get_log
from msilod.registrar.location import LocationService
from msilod.silo.runs.schedule import DeliverySchedule
from msilod.silo.runs.who_has_mail import WhoHasMail
from msilod.store.silo import PAGE, Silo
from msilod.store.writer.contract import StoreWriter

Due = tuple[float, str]


class Recollection:
    """The reads of a start: `begin` before the daemon serves, then `go_on` as a task.

    `after` ends a batch: the collected jobs go to the writer, the bytes to the sockets.
    """

    def __init__(
        self,
        silo: Silo,
        writer: StoreWriter,
        clock: Clock,
        location: LocationService,
        mail: WhoHasMail,
        schedule: DeliverySchedule,
        deliverer: Deliverer,
        intervention: Intervention,
        after: Callable[[], None],
    ) -> None:
        self._silo = silo
        self._writer = writer
        self._clock = clock
        self._location = location
        self._mail = mail
        self._deliverer = deliverer
        self._schedule = schedule
        self._intervention = intervention
        self._after = after
        # Where the next page of recipients begins; "" after the last.
        self._next_page = ""
        self._knows_clock = False

    def begin(self) -> None:
        """Continue silo time, and read the first page of recipients with mail. Raises UnavailableError.

        Must be called before any code that compares times of rows or bindings.
        """
        clock, kept = self._clock, self._silo.kept_clock()
        clock.resume(kept)
        self._knows_clock = kept is not None
        moved = 0.0 if kept is None else clock.ahead - kept.ahead
        if abs(moved) > IS_SET:
            get_log().warning(
                "the clock was set while no daemon ran; all that waits keeps its time", seconds=round(moved)
            )
        self._writer.keep_clock(clock.kept())
        self._next_page = self._fill_mail("")

    async def go_on(self) -> None:
        """Read the other pages and the back-offs, then begin deliveries to registered recipients."""
        while self._next_page:
            self._next_page = await trio.to_thread.run_sync(self._fill_mail, self._next_page)
        due: Due | None = (self._clock.wall(), "")
        while due is not None:
            due = await trio.to_thread.run_sync(self._fill_schedule, due)
        self._intervention.wake_registered(self._clock.now())
        self._deliverer.recalled()
        self._after()

    def _fill_mail(self, after: str) -> str:
        """Read a page of recipients with mail. Returns the start of the next page, "" after the last."""
        page = self._silo.recipients(after)
        self._mail.add_all(page)
        if len(page) == PAGE:
            return page[-1]
        self._mail.complete()
        return ""

    def _fill_schedule(self, after: Due) -> Due | None:
        """Read a page of back-offs, so the next tries come at the same times as without the restart.

        Returns the start of the next page, None after the last.
        """
        page = self._silo.backing_off(after)
        # A silo without a kept clock does not say how long a back-off still lasts: at most the longest of [silo] retry.
        latest = inf if self._knows_clock else self._clock.wall() + self._deliverer.policy.retry[-1]
        for at, aor in page:
            if self._location.bindings(aor, self._clock.wall()):
                self._schedule.back_off(aor, min(at, latest))
        return page[-1] if len(page) == PAGE else None

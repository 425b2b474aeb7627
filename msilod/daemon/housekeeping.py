"""Housekeeping: work by the clock, for example due retries, lapsed leases and expired rows.

Every second: the system's clock, rows too late for the writer, commits of the command line (a missed wake-up is made up
for within a second), scheduled rows, retries, probes, Timer C, expired bindings. Every RENEWAL seconds: leases. Every
check_time times clean_period seconds: expired rows, in small batches (msilo's parameters). wiring.py has the list.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import trio

from msilod.clock import IS_SET, Clock
from msilod.delivering.deliverer import Deliverer
from msilod.delivering.silo_changes import SiloChanges
from msilod.errors import StoreError
from msilod.log import get_log
from msilod.registrar.location import LocationService
from msilod.serving.pings import Pings
from msilod.serving.registrar import Registrar
from msilod.store.jobs import Cleaned
from msilod.store.writer.contract import StoreWriter

TICK: Final = 1.0
# Seconds between two renewals. A lease lasts 60 s.
RENEWAL: Final = 20
# Seconds between two records of silo time in the silo. After a reboot silo time starts at the last record or later.
KEPT_EVERY: Final = 60
# Bindings per sweep, and rows per cleaning transaction. Each takes a few milliseconds.
BINDINGS_A_SWEEP: Final = 1000
ROWS_A_BATCH: Final = 500


class Every:
    """A periodic action. `seconds`: the period, a whole number. `action` is called with monotonic seconds."""

    __slots__ = ("action", "seconds")

    def __init__(self, seconds: int, action: Callable[[float], None]) -> None:
        self.seconds = seconds
        self.action = action


class Housekeeping:
    """Calls the actions of `work` in the given order, each at most once a second.

    `after` ends a batch: the collected jobs go to the writer, the bytes to the sockets.
    """

    def __init__(self, clock: Clock, work: Sequence[Every], after: Callable[[], None]) -> None:
        self._clock = clock
        self._work = work
        self._after = after
        self._ticks = 0

    async def run(self) -> None:
        """Tick every second until cancelled; one task."""
        while True:
            await trio.sleep(TICK)
            self.tick()
            self._after()

    def tick(self) -> None:
        """Do the work of one second."""
        now = self._clock.now()
        self._ticks += 1
        for every in self._work:
            if self._ticks % every.seconds == 0:
                every.action(now)


async def send_pings(pings: Pings) -> None:
    """Ping contacts by the schedule until the pings are stopped; one task."""
    while not pings.is_stopped:
        await trio.sleep(pings.until_next())
        if not pings.is_stopped:
            pings.send_due()


class ClockWatch:
    """Notices steps of the system's clock, and makes scheduled rows due.

    Rows and bindings carry silo time, so a step changes no row and no binding. Only `due_at`, the time set by a sender,
    is system time: a step can make many scheduled rows due at once.
    """

    def __init__(self, clock: Clock, writer: StoreWriter, changes: SiloChanges) -> None:
        self._clock = clock
        self._writer = writer
        self._changes = changes
        self._looks = 0
        self._is_asking = False

    def look(self, now: float) -> None:
        """Check whether the clock was set since the last call; called once a second."""
        moved = self._clock.look()
        is_set = abs(moved) > IS_SET
        self._looks += 1
        if is_set:
            get_log().warning("the clock was set; all that waits keeps its time", seconds=round(moved))
        if is_set or self._looks % KEPT_EVERY == 0:
            self._writer.keep_clock(self._clock.kept())

    def take_due(self, now: float) -> None:
        """Ask the writer to make scheduled rows due. A call without an answer yet is not repeated."""
        if self._is_asking:
            return
        self._is_asking, clock = True, self._clock
        done = partial(self._due, clock.ahead)
        self._writer.due(clock.system(), clock.wall(), clock.due_ahead, ROWS_A_BATCH, done)

    def _due(self, ahead: float, aors: "Sequence[str] | StoreError") -> None:
        """`ahead`: `Clock.ahead` at the call. `aors`: the recipient of each row made due, with repetitions."""
        self._is_asking = False
        if isinstance(aors, StoreError):
            return
        if len(aors) < ROWS_A_BATCH and self._clock.took_due(ahead):
            self._writer.keep_clock(self._clock.kept())
        self._changes.stored(sorted(set(aors)))


class Sweeping:
    """Removes expired bindings, leases and rows."""

    def __init__(
        self,
        clock: Clock,
        writer: StoreWriter,
        location: LocationService,
        registrar: Registrar,
        deliverer: Deliverer,
        changes: SiloChanges,
    ) -> None:
        self._clock = clock
        self._writer = writer
        self._location = location
        self._registrar = registrar
        self._deliverer = deliverer
        self._changes = changes

    def look_for_others(self, now: float) -> None:
        """Take over commits by other processes, for example `msilo`."""
        self._writer.poll_foreign(self._changes.foreign)

    def renew_leases(self, now: float) -> None:
        """Renew the leases of rows in delivery runs; rows with a lapsed lease become due again (law 3)."""
        wall = self._clock.wall()
        self._writer.renew(self._deliverer.in_hand(), wall)
        self._writer.free_lapsed(wall, self._changes.noticed)

    def sweep_bindings(self, now: float) -> None:
        """Remove expired bindings, at most BINDINGS_A_SWEEP per call."""
        expired = self._location.expire(self._clock.wall(), BINDINGS_A_SWEEP)
        self._registrar.forget_lost(expired)
        for binding in expired:
            self._deliverer.gone(binding, now)

    def clean(self, now: float) -> None:
        """Delete expired rows, in transactions of ROWS_A_BATCH."""
        self._clean()

    def _clean(self) -> None:
        self._writer.clean(self._clock.wall(), ROWS_A_BATCH, self._cleaned)

    def _cleaned(self, done: "Cleaned | StoreError") -> None:
        if isinstance(done, StoreError):
            get_log().error("expired rows could not be removed", reason=str(done))
            return
        self._changes.expired(done)
        if done.has_more:
            self._clean()

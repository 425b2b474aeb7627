"""What happens by the clock: retries that are due, wake-ups that were missed, leases, expiry.

Every second: rows that the writer cannot take any more, commits of the command line (a missed wake-up is made good
within that second), retries, probes. Every check_time: leases and expired bindings. Every clean_period-th check_time:
expired rows, in small batches (msilo's parameters and their meaning).
"""

from collections.abc import Callable, Sequence
from typing import Final

import trio

from msilod.clock import Clock
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
# Leases last 60 s.
RENEWAL: Final = 20
# Seconds. A clock that is slewed gains or loses less than a millisecond in a second (adjtime(3)).
IS_SET: Final = 1.0
# Seconds. After another boot silo time is not earlier than it was kept last.
KEPT_EVERY: Final = 60
# Bindings taken out per sweep and rows per cleaning transaction: a few milliseconds each.
BINDINGS_A_SWEEP: Final = 1000
ROWS_A_BATCH: Final = 500


class Every:
    """One piece of work, done every `seconds` (a whole number). `action` gets monotonic seconds."""

    __slots__ = ("action", "seconds")

    def __init__(self, seconds: int, action: Callable[[float], None]) -> None:
        self.seconds = seconds
        self.action = action


class Housekeeping:
    """Does `work` in its order, once a second at most. `after` hands over what it collected for writer and sockets."""

    def __init__(self, clock: Clock, work: Sequence[Every], after: Callable[[], None]) -> None:
        self._clock = clock
        self._work = work
        self._after = after
        self._ticks = 0

    async def run(self) -> None:
        """Forever; one task."""
        while True:
            await trio.sleep(TICK)
            self.tick()
            self._after()

    def tick(self) -> None:
        """One second's work."""
        now = self._clock.now()
        self._ticks += 1
        for every in self._work:
            if self._ticks % every.seconds == 0:
                every.action(now)


async def send_pings(pings: Pings) -> None:
    """Ping the contacts that have their turn, until the pings are stopped; one task."""
    while not pings.is_stopped:
        await trio.sleep(pings.until_next())
        if not pings.is_stopped:
            pings.send_due()


class ClockWatch:
    """Looks whether somebody has set the system's clock. Silo time does not follow, and nothing has to be moved.

    Rows with a time of the sender's (due_at) are in system time: a step of the clock can make many of them due at once.
    """

    def __init__(self, clock: Clock, writer: StoreWriter, changes: SiloChanges) -> None:
        self._clock = clock
        self._writer = writer
        self._changes = changes
        self._looks = 0
        # `Clock.ahead` before a step of the system's clock, until all rows that the step made due are waiting.
        self._due_ahead = clock.ahead

    def resume(self, former_ahead: float) -> None:
        """The system's clock was `former_ahead` of silo time when a daemon looked last."""
        self._due_ahead = min(former_ahead, self._clock.ahead)

    def look(self, now: float) -> None:
        """See whether the clock was set since the last look; once a second."""
        moved = self._clock.look()
        is_set = abs(moved) > IS_SET
        self._looks += 1
        if is_set:
            get_log().warning("the clock was set; all that waits keeps its time", seconds=round(moved))
        if is_set or self._looks % KEPT_EVERY == 0:
            self._writer.keep_clock(self._clock.kept())
        self._due_ahead = min(self._due_ahead, self._clock.ahead)

    def take_due(self, now: float) -> None:
        """Scheduled rows whose time has come."""
        clock = self._clock
        self._writer.due(clock.system(), clock.wall(), self._due_ahead, ROWS_A_BATCH, self._due)

    def _due(self, aors: "Sequence[str] | StoreError") -> None:
        """One AOR for each row that has fallen due."""
        if isinstance(aors, StoreError):
            return
        if len(aors) < ROWS_A_BATCH:
            self._due_ahead = self._clock.ahead
        self._changes.stored(sorted(set(aors)))


class Sweeping:
    """Takes out what has expired: bindings, leases, rows."""

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
        """Commits of other processes."""
        self._writer.poll_foreign(self._changes.foreign)

    def renew_leases(self, now: float) -> None:
        """Leases of rows that a run has in hand last longer; rows that no run has become due when theirs ends."""
        wall = self._clock.wall()
        self._writer.renew(self._deliverer.in_hand(), wall)
        self._writer.free_lapsed(wall, self._changes.noticed)

    def sweep_bindings(self, now: float) -> None:
        """Bindings that have expired are no bindings any more."""
        expired = self._location.expire(self._clock.wall(), BINDINGS_A_SWEEP)
        self._registrar.forget_lost(expired)
        for binding in expired:
            self._deliverer.gone(binding, now)

    def clean(self, now: float) -> None:
        """Rows whose life has ended are deleted."""
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

"""What happens by the clock: retries that are due, wake-ups that were missed, leases, expiry.

Every second: rows that the writer cannot take any more, commits of the command line (a missed wake-up is
made good within that second), retries, probes. Every check_time: leases and expired bindings. Every clean_period-th
check_time: expired rows, in small batches (msilo's parameters and their meaning).
"""

from collections.abc import Callable, Sequence
from typing import Final

import trio

from msilod.clock import Clock
from msilod.counters import Counters
from msilod.delivering.intervention import Intervention
from msilod.delivering.probes import Probes
from msilod.errors import StoreError
from msilod.keeping.storing import SiloService
from msilod.log import get_log
from msilod.registrar.location import LocationService
from msilod.relaying.forwarder import Forwarder
from msilod.serving.registrar import RegistrarService
from msilod.silo.runs.who_has_mail import MailMemory
from msilod.silo.stored_message import State
from msilod.store.commit.sweep import Cleaned
from msilod.store.engine.sqlite.foreign_changes import Foreign
from msilod.store.writer.contract import StoreWriter

TICK: Final = 1.0
# Leases last 60 s.
RENEWAL: Final = 20
# Seconds. A clock that is slewed gains or loses less than a millisecond in a second (adjtime(3)).
IS_SET: Final = 1.0
# Ticks. After another boot silo time is not earlier than it was kept last.
KEPT_EVERY: Final = 60
# Bindings taken out per sweep and rows per cleaning transaction: a few milliseconds each.
BINDINGS_A_SWEEP: Final = 1000
ROWS_A_BATCH: Final = 500


class Housekeeping:
    """The periodic work; `check_time` seconds and `clean_period` sweeps as in msilo."""

    def __init__(
        self,
        clock: Clock,
        writer: StoreWriter,
        silo: SiloService,
        registrar: RegistrarService,
        intervention: Intervention,
        probes: Probes,
        forwarder: Forwarder,
        location: LocationService,
        mail: MailMemory,
        counters: Counters,
        check_time: int,
        clean_period: int,
        after: Callable[[], None],
    ) -> None:
        self.clock = clock
        self.writer = writer
        self.silo = silo
        self.registrar = registrar
        self.deliverer = intervention.deliverer
        self.intervention = intervention
        self.probes = probes
        self.forwarder = forwarder
        self.location = location
        self.mail = mail
        self.counters = counters
        self.check_time = check_time
        self.clean_period = clean_period
        self.after = after
        self._ticks = 0
        # `Clock.ahead` before a step of the system's clock, until all rows that the step made due are waiting.
        self._due_ahead = clock.ahead

    async def run(self) -> None:
        """Forever; one task."""
        while True:
            await trio.sleep(TICK)
            self.tick()
            self.after()

    def tick(self) -> None:
        """One second's work."""
        now = self.clock.now()
        self._ticks += 1
        self._watch_clock()
        self.silo.withdraw_late(now)
        self.silo.forget_former(now)
        self.registrar.write_refreshes()
        self.writer.poll_foreign(self.foreign)
        self._take_due()
        self.deliverer.wake_due(now)
        self.probes.tick(now)
        self.forwarder.check_timer_c(now)
        self.deliverer.ends.giving_back.tick()
        if self._ticks % RENEWAL == 0:
            self._renew()
        self._sweep()
        if self._ticks % (self.check_time * self.clean_period) == 0:
            self._clean()

    def resume(self, former_ahead: float) -> None:
        """The system's clock was `former_ahead` of silo time when a daemon looked last."""
        self._due_ahead = min(former_ahead, self.clock.ahead)

    def _watch_clock(self) -> None:
        """Look whether somebody has set the system's clock. Silo time does not follow, and nothing has to be moved."""
        moved = self.clock.look()
        is_set = abs(moved) > IS_SET
        if is_set:
            get_log().warning("the clock was set; all that waits keeps its time", seconds=round(moved))
        if is_set or self._ticks % KEPT_EVERY == 0:
            self.writer.keep_clock(self.clock.kept())
        self._due_ahead = min(self._due_ahead, self.clock.ahead)

    def _take_due(self) -> None:
        clock = self.clock
        self.writer.due(clock.system(), clock.wall(), self._due_ahead, ROWS_A_BATCH, self._due)

    def _due(self, aors: "Sequence[str] | StoreError") -> None:
        """One AOR for each row that has fallen due."""
        if isinstance(aors, StoreError):
            return
        if len(aors) < ROWS_A_BATCH:
            self._due_ahead = self.clock.ahead
        self.stored(sorted(set(aors)))

    def _renew(self) -> None:
        """Leases of rows that a run has in hand last longer; rows that no run has become due when theirs ends."""
        wall = self.clock.wall()
        self.writer.renew(self.deliverer.in_hand(), wall)
        self.writer.free_lapsed(wall, self.noticed)

    def foreign(self, found: "Foreign | StoreError") -> None:
        """Somebody else has committed."""
        if isinstance(found, StoreError):
            return
        if found.paused is not None:
            self.intervention.set_paused(found.paused, self.clock.now())
        self.stored(found.stored)
        self.noticed(found.aors)

    def stored(self, aors: "Sequence[str] | StoreError") -> None:
        """These AORs have new rows: as a MESSAGE that has just been stored."""
        if isinstance(aors, StoreError):
            return
        now = self.clock.now()
        for aor in aors:
            self.mail.add(aor)
            self.deliverer.wake_new(aor, now)

    def noticed(self, aors: "Sequence[str] | StoreError") -> None:
        """These AORs have rows to be tried now: an operator wants it, or their lease has ended."""
        if isinstance(aors, StoreError):
            return
        now = self.clock.now()
        for aor in aors:
            self.mail.add(aor)
            self.deliverer.wake(aor, now)

    def _sweep(self) -> None:
        expired = self.location.expire(self.clock.wall(), BINDINGS_A_SWEEP)
        self.registrar.forget_lost(expired)
        for binding in expired:
            self.deliverer.gone(binding, self.clock.now())

    def _clean(self) -> None:
        self.writer.clean(self.clock.wall(), ROWS_A_BATCH, self._cleaned)

    def _cleaned(self, done: "Cleaned | StoreError") -> None:
        if isinstance(done, StoreError):
            get_log().error("expired rows could not be removed", reason=str(done))
            return
        self.expired(done)
        if done.has_more:
            self._clean()

    def expired(self, done: Cleaned) -> None:
        """These have expired, by the sweep or by a command: their senders are told."""
        self.counters.expired_messages += len(done.expired)
        for row in done.expired:
            if row.state not in (State.REJECTED, State.HANDED):
                self.deliverer.ends.tell_sender(row, "expired", self.clock.now())

"""SiloChanges: rows that others than this daemon have committed, changed or let go, and rows whose time has come."""

from collections.abc import Sequence

from msilod.clock import Clock
from msilod.counters import Counters
from msilod.delivering.deliverer import Deliverer
from msilod.delivering.intervention import Intervention
from msilod.delivering.row_ends import RowEnds
from msilod.errors import StoreError
from msilod.silo.runs.who_has_mail import WhoHasMail
from msilod.silo.stored_message import State
from msilod.store.jobs import Cleaned, Foreign


class SiloChanges:
    """Has such rows delivered, and senders told of rows that have expired."""

    def __init__(
        self,
        deliverer: Deliverer,
        ends: RowEnds,
        intervention: Intervention,
        mail: WhoHasMail,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._deliverer = deliverer
        self._ends = ends
        self._intervention = intervention
        self._mail = mail
        self._clock = clock
        self._counters = counters

    def foreign(self, found: "Foreign | StoreError") -> None:
        """Another process has committed."""
        if isinstance(found, StoreError):
            return
        if found.paused is not None:
            self._intervention.set_paused(found.paused, self._clock.now())
        self.stored(found.stored)
        self.noticed(found.aors)

    def stored(self, aors: "Sequence[str] | StoreError") -> None:
        """These AORs have new rows: as a MESSAGE that has just been stored."""
        if isinstance(aors, StoreError):
            return
        now = self._clock.now()
        for aor in aors:
            self._mail.add(aor)
            self._deliverer.wake_new(aor, now)

    def noticed(self, aors: "Sequence[str] | StoreError") -> None:
        """These AORs have rows to be tried now: an operator wants it, or their lease has ended."""
        if isinstance(aors, StoreError):
            return
        now = self._clock.now()
        for aor in aors:
            self._mail.add(aor)
            self._deliverer.wake(aor, now)

    def expired(self, done: Cleaned) -> None:
        """These have expired, by the sweep or by a command: their senders are told."""
        self._counters.expired_messages += len(done.expired)
        for row in done.expired:
            if row.state not in (State.REJECTED, State.HANDED):
                self._ends.tell_sender(row, "expired", self._clock.now())

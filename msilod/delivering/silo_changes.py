"""SiloChanges: delivers due rows, and rows stored or released by other processes.

The writer's process notices commits of other processes, for example of `msilo inject`. Housekeeping asks the writer
every second (`poll_foreign`), and the control method `wake` asks at once. `SiloChanges.foreign` gets the answer.
"""

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
    """Handles reports of the writer. Tells senders about expired rows."""

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
        # Monotonic seconds of the last answer to `foreign`'s question, asked every second; "" or the error of the silo.
        self.reported_at = clock.now()
        self.trouble = ""

    def foreign(self, found: "Foreign | StoreError") -> None:
        """Handle changes committed by another process."""
        self.reported_at = self._clock.now()
        if isinstance(found, StoreError):
            self.trouble = str(found)
            return
        self.trouble = ""
        if found.paused is not None:
            self._intervention.set_paused(found.paused, self._clock.now())
        self.stored(found.stored)
        self.noticed(found.aors)

    def stored(self, aors: "Sequence[str] | StoreError") -> None:
        """Deliver new rows of `aors`, like rows stored by this daemon."""
        if isinstance(aors, StoreError):
            return
        now = self._clock.now()
        for aor in aors:
            self._mail.add(aor)
            self._deliverer.wake_new(aor, now)

    def noticed(self, aors: "Sequence[str] | StoreError") -> None:
        """Deliver due rows of `aors`: by a command of the operator, or by the end of a lease."""
        if isinstance(aors, StoreError):
            return
        now = self._clock.now()
        for aor in aors:
            self._mail.add(aor)
            self._deliverer.wake(aor, now)

    def expired(self, done: Cleaned) -> None:
        """Tell the senders of rows expired in the sweep or by a command."""
        self._counters.expired_messages += len(done.expired)
        for row in done.expired:
            if row.state not in (State.REJECTED, State.HANDED):
                self._ends.tell_sender(row, "expired", self._clock.now())

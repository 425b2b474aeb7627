"""OnlineAttempts: passes the results of a relayed and then stored MESSAGE to the deliveries.

The answers to the online request hold for the row and for later runs (silo/runs/online_outcome.py). A branch alive at
the time of the 202 is an attempt of the row: the branch occupies the contact, a late 2xx ends the row (law 2), and a
late 6xx rejects the row.
"""

from collections.abc import Mapping, Sequence

from msilod.clock import Clock
from msilod.delivering.deliverer import Deliverer
from msilod.delivering.historian import Historian
from msilod.delivering.row_ends import RowEnds
from msilod.delivering.usable_contacts import UsableContacts
from msilod.registrar.binding import ContactKey, contact_key
from msilod.silo.runs.delivery_run import DeliveryRun
from msilod.silo.runs.leased_rows import phrase
from msilod.silo.runs.live_branches import LiveBranches
from msilod.silo.runs.online_outcome import OnlineEnd, mark, next_attempt, note_contacts, remember
from msilod.silo.runs.schedule import DeliverySchedule
from msilod.silo.runs.who_has_mail import WhoHasMail
from msilod.silo.stored_message import StoredMessage


class OnlineAttempts:
    """Called by the failure route (serving/failure_route.py)."""

    def __init__(
        self,
        deliverer: Deliverer,
        runs: Mapping[str, DeliveryRun],
        live: LiveBranches,
        ends: RowEnds,
        schedule: DeliverySchedule,
        usable: UsableContacts,
        historian: Historian,
        mail: WhoHasMail,
        clock: Clock,
    ) -> None:
        self._deliverer = deliverer
        self._runs = runs
        self._live = live
        self._ends = ends
        self._schedule = schedule
        self._usable = usable
        self._historian = historian
        self._mail = mail
        self._clock = clock

    def mark_failed(self, row: StoredMessage, ends: Sequence[OnlineEnd]) -> None:
        """Set the status and the next attempt of a row before the row is stored."""
        memory = self._schedule.known(row.aor)
        stops = memory.stops if memory is not None else 0
        mark(row, ends, next_attempt(ends, stops, self._deliverer.policy.retry, self._clock.wall()))

    def stored_after_failure(
        self, row: StoredMessage, ends: Sequence[OnlineEnd], live: set[ContactKey], now: float
    ) -> None:
        """Handle a durable row after failures of contacts online. The contacts `live` are attempts of the row.

        Differs from `Deliverer.stored`: only contacts not tried online are tried now.
        """
        self._mail.add(row.aor)
        for key in live:
            self._occupy(row, key)
        memory = self._schedule.memory(row.aor)
        remember(memory, row.id, ends, self._deliverer.policy.retry, self._clock.wall())
        self._historian.failed_online(row, ends)
        tried = {contact_key(end.binding) for end in ends if end.binding is not None}
        fresh = [binding for binding in self._usable.of(row.aor) if contact_key(binding) not in tried]
        if fresh:
            self._deliverer.offer(row.aor, fresh, now)
        if row.next_attempt_at is not None and not (fresh and row.aor in self._runs):
            # A run to newly registered contacts has the row in hand, and begins a back-off when the run fails.
            self._schedule.back_off(row.aor, row.next_attempt_at)

    def heard(self, aor: str, ends: Sequence[OnlineEnd]) -> None:
        """Remember answers of contacts of `aor` with a meaning for all messages: 405, Retry-After and others."""
        telling = [end for end in ends if end.binding is not None and end.tells_of_contact]
        if telling:
            memory = self._schedule.memory(aor)
            note_contacts(memory, telling, self._deliverer.policy.retry, self._clock.wall())

    def delivered_late(self, row: StoredMessage, status: int, now: float) -> None:
        """End the row after a late 2xx on a live branch, or on an ended branch (overdue.py) (law 2)."""
        self._ended_elsewhere(row, now)
        self._ends.delivered_elsewhere(row, status)

    def rejected_late(self, row: StoredMessage, status: int, now: float) -> None:
        """Reject the row after a 6xx on a live branch."""
        self._ended_elsewhere(row, now)
        self._ends.rejected(row, status, phrase(status), now)

    def _ended_elsewhere(self, row: StoredMessage, now: float) -> None:
        """Keep a run with the row in hand, or with a claim in progress, from sending the row again."""
        run = self._runs.get(row.aor)
        if run is not None:
            self._deliverer.carry_out(run, run.ended(row.id, self._clock.wall()), now)

    def _occupy(self, row: StoredMessage, key: ContactKey) -> None:
        self._live.add(row, key)
        run = self._runs.get(row.aor)
        if run is not None:
            run.busy(key, row.id)

    def free(self, row: StoredMessage, key: ContactKey, is_silent: bool, now: float) -> None:
        """Note the end of a live branch. After the last branch the contact is free, unless the phone was silent."""
        run = self._runs.get(row.aor) if self._live.end(row, key) else None
        if run is None:
            return
        wall = self._clock.wall()
        steps = run.failed(row.id, key, "timeout", wall) if is_silent else run.free(key, row.id, wall)
        self._deliverer.carry_out(run, steps, now)

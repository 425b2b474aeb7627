"""Online attempts: what a MESSAGE that was relayed first, and then stored, tells the deliveries.

What contacts answered to the online request holds for the row and for later runs (silo/runs/online_outcome.py). A
branch that still lives when the sender has its 202 is the attempt of the row: the branch occupies its contact, a late
2xx of the branch ends the row (law 2), and a late 6xx rejects the row.
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
    """Told by the failure route; acts on one deliverer."""

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
        """Before the row is stored: what its online attempt came to, and when the next one is."""
        memory = self._schedule.known(row.aor)
        stops = memory.stops if memory is not None else 0
        mark(row, ends, next_attempt(ends, stops, self._deliverer.policy.retry, self._clock.wall()))

    def stored_after_failure(
        self, row: StoredMessage, ends: Sequence[OnlineEnd], live: set[ContactKey], now: float
    ) -> None:
        """As `Deliverer.stored`, but these contacts have just failed; the live ones are the row's attempt."""
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
            # A run to contacts that have registered meanwhile has the row, and begins a back-off itself.
            self._schedule.back_off(row.aor, row.next_attempt_at)

    def heard(self, aor: str, ends: Sequence[OnlineEnd]) -> None:
        """What contacts of `aor` said of themselves to an online MESSAGE holds for those to come."""
        telling = [end for end in ends if end.binding is not None and end.tells_of_contact]
        if telling:
            memory = self._schedule.memory(aor)
            note_contacts(memory, telling, self._deliverer.policy.retry, self._clock.wall())

    def delivered_late(self, row: StoredMessage, status: int, now: float) -> None:
        """A live branch, or one that is over (overdue.py), brought its 2xx after all: the row ends (law 2)."""
        self._ended_elsewhere(row, now)
        self._ends.delivered_elsewhere(row, status)

    def rejected_late(self, row: StoredMessage, status: int, now: float) -> None:
        """A live branch brought a 6xx: reached and refused."""
        self._ended_elsewhere(row, now)
        self._ends.rejected(row, status, phrase(status), now)

    def _ended_elsewhere(self, row: StoredMessage, now: float) -> None:
        """A run that has the row in hand, or is just claiming it, must not send it again."""
        run = self._runs.get(row.aor)
        if run is not None:
            self._deliverer.carry_out(run, run.ended(row.id, self._clock.wall()), now)

    def _occupy(self, row: StoredMessage, key: ContactKey) -> None:
        self._live.add(row, key)
        run = self._runs.get(row.aor)
        if run is not None:
            run.busy(key, row.id)

    def free(self, row: StoredMessage, key: ContactKey, is_silent: bool, now: float) -> None:
        """A live branch of `row` has ended; after the last one the contact may have the next, unless silent."""
        run = self._runs.get(row.aor) if self._live.end(row, key) else None
        if run is None:
            return
        wall = self._clock.wall()
        steps = run.failed(row.id, key, "timeout", wall) if is_silent else run.free(key, row.id, wall)
        self._deliverer.carry_out(run, steps, now)

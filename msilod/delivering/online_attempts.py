"""Online attempts: what a MESSAGE that was relayed first, and then stored, tells the deliveries.

What contacts answered to the online request holds for the row and for later runs (silo/runs/online_outcome.py). A
branch that still lives when the sender has its 202 is the attempt of the row: the branch occupies its contact, a late
2xx of the branch ends the row (law 2), and a late 6xx rejects the row.
"""

from collections.abc import Sequence

from msilod.delivering.deliverer import Deliverer
from msilod.registrar.binding import ContactKey, contact_key
from msilod.silo.runs.leased_rows import phrase
from msilod.silo.runs.online_outcome import OnlineEnd, mark, next_attempt, note_contacts, remember
from msilod.silo.stored_message import StoredMessage


class OnlineAttempts:
    """Told by the failure route; acts on one deliverer."""

    def __init__(self, deliverer: Deliverer) -> None:
        self.deliverer = deliverer

    def mark_failed(self, row: StoredMessage, ends: Sequence[OnlineEnd]) -> None:
        """Before the row is stored: what its online attempt came to, and when the next one is."""
        deliverer = self.deliverer
        memory = deliverer.schedule.known(row.aor)
        stops = memory.stops if memory is not None else 0
        mark(row, ends, next_attempt(ends, stops, deliverer.policy.retry, deliverer.clock.wall()))

    def stored_after_failure(
        self, row: StoredMessage, ends: Sequence[OnlineEnd], live: set[ContactKey], now: float
    ) -> None:
        """As `Deliverer.stored`, but these contacts have just failed; the live ones are the row's attempt."""
        deliverer = self.deliverer
        deliverer.mail.add(row.aor)
        for key in live:
            self._occupy(row, key)
        memory = deliverer.schedule.memory(row.aor)
        remember(memory, row.id, ends, deliverer.policy.retry, deliverer.clock.wall())
        deliverer.historian.failed_online(row, ends)
        tried = {contact_key(end.binding) for end in ends if end.binding is not None}
        fresh = [binding for binding in deliverer.usable.of(row.aor) if contact_key(binding) not in tried]
        if fresh:
            deliverer.offer(row.aor, fresh, now)
        if row.next_attempt_at is not None and not (fresh and row.aor in deliverer.runs):
            # A run to contacts that have registered meanwhile has the row, and begins a back-off itself.
            deliverer.schedule.back_off(row.aor, row.next_attempt_at)

    def heard(self, aor: str, ends: Sequence[OnlineEnd]) -> None:
        """What contacts of `aor` said of themselves to an online MESSAGE holds for those to come."""
        telling = [end for end in ends if end.binding is not None and end.tells_of_contact]
        if telling:
            deliverer = self.deliverer
            memory = deliverer.schedule.memory(aor)
            note_contacts(memory, telling, deliverer.policy.retry, deliverer.clock.wall())

    def delivered_late(self, row: StoredMessage, status: int, now: float) -> None:
        """A live branch, or one that is over (overdue.py), brought its 2xx after all: the row ends (law 2)."""
        deliverer = self.deliverer
        deliverer.counters.dumped_messages += 1
        self._ended_elsewhere(row, now)
        deliverer.ends.delivered_elsewhere(row, status)

    def rejected_late(self, row: StoredMessage, status: int, now: float) -> None:
        """A live branch brought a 6xx: reached and refused."""
        self._ended_elsewhere(row, now)
        self.deliverer.ends.rejected(row, status, phrase(status), now)

    def _ended_elsewhere(self, row: StoredMessage, now: float) -> None:
        """A run that has the row in hand, or is just claiming it, must not send it again."""
        run = self.deliverer.runs.get(row.aor)
        if run is not None:
            self.deliverer.carry_out(run, run.ended(row.id, self.deliverer.clock.wall()), now)

    def _occupy(self, row: StoredMessage, key: ContactKey) -> None:
        self.deliverer.live.add(row, key)
        run = self.deliverer.runs.get(row.aor)
        if run is not None:
            run.busy(key, row.id)

    def free(self, row: StoredMessage, key: ContactKey, is_silent: bool, now: float) -> None:
        """A live branch of `row` has ended; after the last one the contact may have the next, unless silent."""
        deliverer = self.deliverer
        run = deliverer.runs.get(row.aor) if deliverer.live.end(row, key) else None
        if run is None:
            return
        wall = deliverer.clock.wall()
        steps = run.failed(row.id, key, "timeout", wall) if is_silent else run.free(key, row.id, wall)
        deliverer.carry_out(run, steps, now)

"""Probes: delivers by a next hop to recipients registered at another server.

A REGISTER at another server is not seen here, so the return of the recipient is not noticed. The rows have a next hop
in a column, or [silo] next_hop is set. Once an hour the oldest row of the recipient is sent to the AOR by the next hop.
After a 2xx the other rows follow. The answer of the hop is judged like the answer of a contact, with one difference:
"not available" is no failure of the message, so failed probes are not counted as attempts.

The first round begins 30 seconds after the start, when phones have reconnected; the following rounds begin hourly. A
round reads one page of recipients per second from an index, and waits while many runs are in progress. Recipients with
a binding here are not probed.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from msilod.clock import Clock
from msilod.delivering.deliverer import Deliverer
from msilod.delivering.usable_contacts import UsableContacts
from msilod.errors import StoreError
from msilod.log import get_log
from msilod.registrar.binding import Binding, contact_key
from msilod.registrar.location import LocationService
from msilod.silo.policy import UNCOUNTED, SiloPolicy
from msilod.silo.runs.schedule import DeliverySchedule
from msilod.sip.sips import is_by_tls
from msilod.store.writer.contract import StoreWriter

EVERY: Final = 3600
FIRST: Final = 30.0
# Recipients per second, for two million an hour. One recipient costs the writer about 5 us.
PAGE: Final = 500
# Half of the places for runs. The other half is for recipients after a REGISTER.
MAX_RUNS: Final = 1000

Recipient = tuple[str, Sequence[int]]


class Probes:
    """The hourly rounds, and deliveries by a next hop for the dump commands."""

    def __init__(
        self,
        deliverer: Deliverer,
        writer: StoreWriter,
        schedule: DeliverySchedule,
        usable: UsableContacts,
        location: LocationService,
        clock: Clock,
    ) -> None:
        self._deliverer = deliverer
        self._writer = writer
        self._schedule = schedule
        self._usable = usable
        self._location = location
        self._clock = clock
        self._after: str | None = None
        self._next_round = clock.now() + FIRST
        self._is_asking = False
        self._probe_policy: tuple[SiloPolicy, SiloPolicy] | None = None

    def tick(self, now: float) -> None:
        """Begin or continue a round. Called once a second."""
        if self._is_asking:
            return
        if self._after is None:
            if now < self._next_round:
                return
            self._after, self._next_round = "", now + EVERY
        if self._schedule.running < MAX_RUNS:
            self._is_asking = True
            has_hop = bool(self._deliverer.policy.next_hop)
            self._writer.unseen(self._after, PAGE, has_hop, self._found)

    def _found(self, page: "list[Recipient] | StoreError") -> None:
        self._is_asking = False
        if isinstance(page, StoreError):
            get_log().error("the recipients to probe could not be read", reason=str(page))
            return
        self._after = page[-1][0] if page else None
        wall = self._clock.wall()
        for aor, ids in page:
            if (self._schedule.retry_at(aor) or 0.0) <= wall:
                self.offer(aor, ids)

    def dump(self, aor: str, next_hop: str, now: float) -> None:
        """m_dump(next_hop) outside a REGISTER: deliver to all usable contacts, or without contacts to the AOR.

        The requests go by `next_hop`; if empty, by the next hops of the rows.
        """
        usable = self._usable.of(aor)
        if usable:
            by_hop = [replace(binding, next_hop=next_hop) for binding in usable] if next_hop else usable
            self._deliverer.offer(aor, by_hop, now)
        elif next_hop:
            self.offer(aor, (), next_hop)
        else:
            self.due(aor, now)

    def due(self, aor: str, now: float) -> None:
        """Probe a recipient without a binding, after a back-off."""
        if self._deliverer.policy.next_hop:
            self.offer(aor, ())
        else:
            self._writer.by_next_hop(aor, partial(self._due, aor))

    def _due(self, aor: str, ids: "list[int] | StoreError") -> None:
        if not isinstance(ids, StoreError) and ids:
            self.offer(aor, ids)

    def offer(self, aor: str, ids: Sequence[int], next_hop: str = "") -> None:
        """Begin a run to the AOR. `ids` are the rows with a next hop; empty if all rows have one.

        `next_hop` is the argument of m_dump. Nothing is done while the recipient has a binding here or a run in
        progress.
        """
        deliverer, clock = self._deliverer, self._clock
        if deliverer.is_running(aor) or self._location.bindings(aor, clock.wall()):
            return
        contact = self.contact(aor, next_hop)
        deliverer.offer(aor, [contact], clock.now(), only=frozenset(ids), policy=self._policy())
        if aor in deliverer.runs:
            deliverer.unseen[aor] = contact_key(contact)

    def contact(self, aor: str, next_hop: str = "") -> Binding:
        """A binding in place of the registration at the other server. Made for one run.

        An AOR may have both schemes. The binding is sips: if the next hop, or the next hop of a row, may be TLS
        (silo/runs/sips_only.py).
        """
        wall = self._clock.wall()
        hop = next_hop or self._deliverer.policy.next_hop
        scheme = "sip" if hop and not is_by_tls(hop) else "sips"
        return Binding(aor, f"{scheme}:{aor}", f"probe-{wall}", 0, wall + 1, wall, next_hop=next_hop)

    def _policy(self) -> SiloPolicy:
        policy = self._deliverer.policy
        if self._probe_policy is None or self._probe_policy[0] is not policy:
            self._probe_policy = policy, replace(policy, attempts=UNCOUNTED, retry=(EVERY,))
        return self._probe_policy[1]

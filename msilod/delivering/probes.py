"""Probes: messages to who is registered somewhere else, by a next hop.

A REGISTER that goes to another server is not seen here, so nothing tells that its user is back. His messages have
a next hop, of their own or the configured one: once an hour the oldest is sent there for his address of record,
alone; when it is taken the others follow. What the hop answers is judged as a contact's answer, but for this:
that he is away says nothing against the message, so such tries are not counted.

Rules: the sweep begins half a minute after the start of the daemon, when the phones that lost it are back, and
then every hour; it reads recipients from an index, a page a second, and waits while many runs are under way.
Who has a binding here is not probed.
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
# Recipients a second: two million an hour, at some 5 us of the writer's time each.
PAGE: Final = 500
# Half of the places: those who register must find one.
MAX_RUNS: Final = 1000

Recipient = tuple[str, Sequence[int]]


class Probes:
    """The sweep, and what a dump by a next hop needs. `tick` is called once a second."""

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
        """Go on with the round, or begin one."""
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
        """m_dump(next_hop) without a REGISTER: to all usable contacts; to the AOR itself when there are none.

        By that hop, or by the one that rows have.
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
        """The back-off of who is registered nowhere has ended."""
        if self._deliverer.policy.next_hop:
            self.offer(aor, ())
        else:
            self._writer.by_next_hop(aor, partial(self._due, aor))

    def _due(self, aor: str, ids: "list[int] | StoreError") -> None:
        if not isinstance(ids, StoreError) and ids:
            self.offer(aor, ids)

    def offer(self, aor: str, ids: Sequence[int], next_hop: str = "") -> None:
        """Begin a run to the AOR itself; `ids` are those of its rows that have a next hop, none named: all have.

        `next_hop` is m_dump's. Nothing is done for who is registered here, or while a run of his is under way.
        """
        deliverer, clock = self._deliverer, self._clock
        if deliverer.is_running(aor) or self._location.bindings(aor, clock.wall()):
            return
        contact = self.contact(aor, next_hop)
        deliverer.offer(aor, [contact], clock.now(), only=frozenset(ids), policy=self._policy())
        if aor in deliverer.runs:
            deliverer.unseen[aor] = contact_key(contact)

    def contact(self, aor: str, next_hop: str = "") -> Binding:
        """What stands for the registration that is not seen: new each time, and forgotten with its run.

        An address of record has both schemes: it is sips: where the hop, or that of a row, may be TLS
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

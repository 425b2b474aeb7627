"""Registrar: serves REGISTER requests: the seed's `save("location")` and the delivery of waiting messages.

RFC 3261 §10.3: all changes or none, in the order of arrival. A new or a removed binding is committed before the 200,
so that a restart loses no binding. A refresh is answered at once and written within a second (R6). Memory changes
first, so that the next REGISTER of the AOR sees the change (R1). A failed commit restores the previous bindings, and
the answer is 500.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from msilod.auth.source import Sources
from msilod.clock import Clock
from msilod.counters import Counters
from msilod.delivering.deliverer import Deliverer
from msilod.errors import RequestRefused, StoreError
from msilod.log import get_log
from msilod.registrar.binding import Binding
from msilod.registrar.gruu import asks_for_gruu
from msilod.registrar.keep_alive import KeepAlives
from msilod.registrar.location import LocationService
from msilod.registrar.policy import RegistrarPolicy
from msilod.registrar.refresh import said_again
from msilod.registrar.registration import Registration, announced, contact_line, process
from msilod.routing.actions import Save
from msilod.routing.myself import Myself
from msilod.sip.dates import format_date
from msilod.sip.stamp import promise_keep_alives
from msilod.sip.warning import warning
from msilod.store.writer.contract import BindingChanges, StoreWriter
from msilod.transaction.server_transaction import ServerTransaction

# Seconds between keep-alives that keep a UDP mapping of a NAT (RFC 5626 §4.4.2 has 24 to 29).
KEEP: Final = 29

NOT_KEPT: Final = warning(b"The registration could not be saved, try again later")
# Seconds between two log lines about the contacts of one user, and the number of users to remember.
LOG_EVERY: Final = 60.0
MAX_LOGGED: Final = 1024
# Bindings that wait for a new removal attempt, about 1 kB each; further bindings stay in the database until expiry.
# Each attempt takes this many bindings.
MAX_UNREMOVED: Final = 10_000
REMOVED_AT_ONCE: Final = 500


class Registrar:
    """Serves REGISTER. With `action.dump`, waiting messages are delivered after the 200."""

    def __init__(
        self,
        policy: RegistrarPolicy,
        location: LocationService,
        writer: StoreWriter,
        myself: Myself,
        clock: Clock,
        counters: Counters,
        deliverer: Deliverer,
        keep_alives: KeepAlives,
        sources: Sources,
    ) -> None:
        self.configure(policy)
        self.location = location
        self.writer = writer
        self.myself = myself
        self.clock = clock
        self.counters = counters
        self.deliverer = deliverer
        self.keep_alives = keep_alives
        self.sources = sources
        # Keyed by identity, so that a binding refreshed twice in a second is written once.
        self._refreshed: dict[int, Binding] = {}
        # Bindings that could not be removed from the database, oldest first.
        self._unremoved: deque[Binding] = deque()
        self._is_removing = False
        # Removals handed to the writer; and whether a failed removal is not tried again, for lack of room.
        self._removals = 0
        self._has_lost_removal = False
        self._date = (0, b"")
        self._logged: dict[str, float] = {}

    def configure(self, policy: RegistrarPolicy) -> None:
        """Use this policy from now on. The domains may have changed, too."""
        self.policy = policy

    def write_refreshes(self, now: float = 0.0) -> None:
        """Called once a second: write the refreshes answered from memory, except for ended bindings (R6)."""
        refreshed, self._refreshed = self._refreshed, {}
        current = [binding for binding in refreshed.values() if self.location.is_current(binding)]
        if current:
            self.writer.refresh(current, partial(self._refreshes_written, current))
        if self._unremoved and not self._is_removing:
            self._remove_again()

    def _refreshes_written(self, bindings: Sequence[Binding], error: StoreError | None) -> None:
        """Refreshes that could not be written are written again in the next second."""
        if error is not None:
            for binding in bindings:
                self._refreshed.setdefault(id(binding), binding)

    def save(self, transaction: ServerTransaction, aor: str, action: Save, now: float) -> None:
        """Serve one REGISTER for `aor`, as checked by the gate. Raises RequestRefused, MalformedMessage."""
        request, wall = transaction.request, self.clock.wall()
        before = self.location.bindings(aor, wall)
        again = said_again(request, before, self.policy, transaction.flow)
        if again is not None:
            self.location.prolong(again, request.cseq, wall)
            self._refreshed[id(again)] = again
            headers = announced(again.path, again.is_outbound) if again.path or again.is_outbound else ()
            self._accept(transaction)
            self._answer(transaction, before, headers, wall, now)
            if action.dump:
                self._dump(action, aor, (), (again,), now)
            return
        try:
            registration = process(
                request, aor, before, self.policy, transaction.flow, wall, self.myself.owns
            )
        except RequestRefused as error:
            if error.status == 503:
                self._log(aor, now, "a contact was refused: the user has as many as max_contacts allows")
            raise
        if registration.displaced:
            self._log(aor, now, "the oldest contact made room for a new one: the user has max_contacts")
        if registration.is_query:
            self._answer(transaction, before, (), wall, now)
            return
        self._note_client(registration, transaction)
        self.location.store(registration)
        if registration.must_commit_first:
            changes = BindingChanges(aor, registration.added + registration.refreshed, registration.removed)
            if action.dump:
                self.deliverer.expect(aor)
            self.writer.bindings(changes, partial(self._committed, transaction, action, registration, before))
            return
        for binding in registration.refreshed:
            self._refreshed[id(binding)] = binding
        self._take_over(transaction, action, registration, now)

    def _note_client(self, registration: Registration, transaction: ServerTransaction) -> None:
        """Note the client behind an edge proxy, since all clients of an edge have the same address."""
        client = self.sources.client_at(transaction.request, transaction.flow)
        if client:
            for binding in registration.touched:
                binding.client = client

    def forget(self, aors: Iterable[str]) -> list[Binding]:
        """Remove and return the bindings of these users."""
        gone = []
        for aor in aors:
            found = self.location.bindings(aor, self.clock.wall())
            if found:
                self.location.restore(aor, ())
                self._remove(found)
                gone += found
        return gone

    def forget_lost(self, bindings: Iterable[Binding]) -> None:
        """Remove bindings that have ended."""
        for binding in bindings:
            self._remove((binding,))

    # --- removals without a waiting REGISTER ---------------------------------------------------------------

    @property
    def has_removals(self) -> bool:
        """True while ended bindings may still be in the database."""
        return bool(self._removals or self._unremoved or self._is_removing or self._has_lost_removal)

    def _remove(self, bindings: Sequence[Binding]) -> None:
        """Remove bindings of one AOR from the database. A failed removal is tried again once a second."""
        self._removals += 1
        changes = BindingChanges(bindings[0].aor, (), bindings)
        self.writer.bindings(changes, partial(self._removed, bindings))

    def _removed(self, bindings: Sequence[Binding], error: StoreError | None) -> None:
        self._removals -= 1
        if error is None:
            return
        if not self._unremoved:
            # One line for all bindings: there may be thousands.
            get_log().error("bindings could not be removed", aor=bindings[0].aor, reason=str(error))
        room = MAX_UNREMOVED - len(self._unremoved)
        self._unremoved.extend(bindings[:room])
        self._has_lost_removal |= len(bindings) > room

    def _remove_again(self) -> None:
        """Try the oldest failed removals again. A contact registered again waits: the row is the REGISTER's."""
        wall, left = self.clock.wall(), list(self._unremoved)
        gone: list[Binding] = []
        self._unremoved.clear()
        for binding in left:
            is_bound = any(other.key == binding.key for other in self.location.bindings(binding.aor, wall))
            (self._unremoved if is_bound or len(gone) >= REMOVED_AT_ONCE else gone).append(binding)
        if gone:
            self._is_removing = True
            self.writer.bindings(BindingChanges("", (), gone), partial(self._removed_again, gone))

    def _removed_again(self, bindings: Sequence[Binding], error: StoreError | None) -> None:
        self._is_removing = False
        if error is not None:
            self._unremoved.extendleft(reversed(bindings))

    def _committed(
        self,
        transaction: ServerTransaction,
        action: Save,
        registration: Registration,
        before: Sequence[Binding],
        error: StoreError | None,
    ) -> None:
        now = self.clock.now()
        try:
            if error is None:
                self._drop_ended(registration)
                self._take_over(transaction, action, registration, now)
            else:
                self.location.undo(registration, before)
                transaction.respond(500, now, headers=[NOT_KEPT])
        finally:
            if action.dump:
                self.deliverer.expected(registration.aor)

    def _drop_ended(self, registration: Registration) -> None:
        """Leave out bindings that ended during the commit, by a later REGISTER or a changed password."""
        if all(map(self.location.is_current, registration.touched)):
            return
        registration.added = list(filter(self.location.is_current, registration.added))
        registration.refreshed = list(filter(self.location.is_current, registration.refreshed))
        registration.bindings = self.location.bindings(registration.aor, registration.wall)

    def _take_over(
        self, transaction: ServerTransaction, action: Save, registration: Registration, now: float
    ) -> None:
        self.keep_alives.forget(registration.removed, registration.wall)
        self.keep_alives.watch(registration.touched, now)
        self._accept(transaction)
        self._answer(transaction, registration.bindings, registration.headers, registration.wall, now)
        if action.dump:
            self._dump(action, registration.aor, registration.removed, registration.touched, now)

    def _dump(
        self, action: Save, aor: str, removed: Sequence[Binding], touched: Sequence[Binding], now: float
    ) -> None:
        """m_dump() after the 200: deliver to the contacts of the REGISTER, by the next hop of the action."""
        for binding in removed:
            self.deliverer.gone(binding, now)
        for binding in touched:
            binding.next_hop = action.next_hop
        self.deliverer.registered(aor, touched, now)

    def _log(self, aor: str, now: float, event: str) -> None:
        """Log at most one line per user in LOG_EVERY seconds, since phones repeat their requests."""
        if now - self._logged.get(aor, -LOG_EVERY) >= LOG_EVERY:
            if len(self._logged) >= MAX_LOGGED:
                self._logged.clear()
            self._logged[aor] = now
            get_log().warning(event, aor=aor)

    def _accept(self, transaction: ServerTransaction) -> None:
        """Count the registration and promise keep-alives in the Via of the 200."""
        self.counters.registrations += 1
        if b"keep" in transaction.request.via.raw:
            promise_keep_alives(transaction.request, KEEP)

    def _answer(
        self,
        transaction: ServerTransaction,
        bindings: Sequence[Binding],
        headers: Iterable[tuple[bytes, bytes]],
        wall: float,
        now: float,
    ) -> None:
        """Answer 200 with all bindings of the AOR, best q first, and the Date (§10.3 step 8)."""
        request = transaction.request
        gruus = self.myself.gruus if b"supported" in request.received and asks_for_gruu(request) else None
        said = [(b"Contact", contact_line(binding, wall, gruus)) for binding in bindings]
        said += headers
        said.append((b"Date", self._now_as_date(int(wall + self.clock.ahead))))
        transaction.respond(200, now, headers=said)

    def _now_as_date(self, second: int) -> bytes:
        if self._date[0] != second:
            self._date = (second, format_date(second))
        return self._date[1]

"""REGISTER as the daemon serves it: the seed's `save("location")`, and what follows from it.

RFC 3261 §10.3: all or nothing, in the order of arrival. A new or a removed binding is committed before its
200, so that a restart forgets nobody; a refresh is answered at once and written within a second (R6).
Memory changes first, so that the next REGISTER of the AOR sees this one (R1); a refused commit puts the
former bindings back and answers 500.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import Final

from msilod.daemon.clock import Clock
from msilod.daemon.counters import Counters
from msilod.daemon.myself import Myself
from msilod.errors import MalformedMessage, RequestRefused, StoreError
from msilod.registrar.binding import Binding
from msilod.registrar.gruu import asks_for_gruu
from msilod.registrar.location import LocationService
from msilod.registrar.registration import RegistrarPolicy, Registration, process
from msilod.sip.address import NameAddr
from msilod.sip.dates import format_date
from msilod.sip.uri import SipUri
from msilod.sip.via import promise_keep_alives
from msilod.store.writer import BindingChanges, StoreWriter
from msilod.transaction.server import ServerTransaction

CACHED_AORS: Final = 16_384
# Seconds between keep-alives: what NATs keep open for UDP (RFC 5626 §4.4.2 has 24 to 29).
KEEP: Final = 29

Registered = Callable[[Registration, float], None]


class RegistrarService:
    """Serves REGISTER; `registered` is called after each 200 that is no answer to a query."""

    def __init__(
        self,
        policy: RegistrarPolicy,
        location: LocationService,
        writer: StoreWriter,
        myself: Myself,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self.configure(policy)
        self.location = location
        self.writer = writer
        self.myself = myself
        self.clock = clock
        self.counters = counters
        self._refreshed: dict[str, dict[tuple[str, str, int], Binding]] = {}
        self._date = (0, b"")

    def configure(self, policy: RegistrarPolicy) -> None:
        """Serve by this policy from now on; the domains may be others, too."""
        self.policy = policy
        # Who registers does so again and again under the same To.
        self._aor_of: Callable[[bytes], str] = lru_cache(CACHED_AORS)(self._aor)

    def write_refreshes(self) -> None:
        """Once a second: what was answered from memory goes to the disk, each AOR once (R6)."""
        refreshed, self._refreshed = self._refreshed, {}
        current = [binding for group in refreshed.values() for binding in group.values()]
        if current:
            self.writer.refresh(current)

    def save(self, transaction: ServerTransaction, now: float, registered: Registered | None) -> None:
        """Serve one REGISTER; `registered` is the seed's m_dump, or None. Raises RequestRefused."""
        request, wall = transaction.request, self.clock.wall()
        aor = self._aor_of(request.received.get(b"to", b""))
        before = self.location.bindings(aor, wall)
        registration = process(request, aor, before, self.policy, transaction.flow, wall, self.myself.owns)
        if registration.is_query:
            self._answer(transaction, registration, now)
            return
        self.location.store(registration)
        if not registration.must_commit_first:
            refreshed = self._refreshed.setdefault(aor, {})
            for binding in registration.refreshed:
                refreshed[binding.key] = binding
            self._accept(transaction, registration, now, registered)
            return
        changes = BindingChanges(aor, registration.added + registration.refreshed, registration.removed)
        done = partial(self._committed, transaction, registration, before, registered)
        self.writer.bindings(changes, done)

    def forget(self, aors: Iterable[str]) -> list[Binding]:
        """Take out the bindings of these users; what there was."""
        gone = []
        for aor in aors:
            found = self.location.bindings(aor, self.clock.wall())
            if found:
                self.location.restore(aor, ())
                self._refreshed.pop(aor, None)
                self.writer.bindings(BindingChanges(aor, (), found), None)
                gone += found
        return gone

    def forget_lost(self, bindings: Iterable[Binding]) -> None:
        """These are no bindings any more: neither is what was to be written of them."""
        for binding in bindings:
            refreshed = self._refreshed.get(binding.aor)
            if refreshed is not None:
                refreshed.pop(binding.key, None)
            self.writer.bindings(BindingChanges(binding.aor, (), (binding,)), None)

    def _aor(self, to: bytes) -> str:
        try:
            aor = self.myself.canonical(SipUri.parse(NameAddr.parse(to).uri).aor())
        except MalformedMessage as error:
            # 416 is a word about the Request-URI; a To that names no AOR is a bad request (RFC 4475 §3.3.4).
            raise MalformedMessage("Bad To") from error
        if not self.myself.serves(aor):
            raise RequestRefused(404, "Not Found")
        return aor

    def _committed(
        self,
        transaction: ServerTransaction,
        registration: Registration,
        before: Sequence[Binding],
        registered: Registered | None,
        error: StoreError | None,
    ) -> None:
        now = self.clock.now()
        if error is None:
            self._accept(transaction, registration, now, registered)
            return
        self.location.undo(registration, before)
        transaction.respond(500, now)

    def _accept(
        self,
        transaction: ServerTransaction,
        registration: Registration,
        now: float,
        registered: Registered | None,
    ) -> None:
        self.counters.registrations += 1
        if b"keep" in transaction.request.via.raw:
            promise_keep_alives(transaction.request, KEEP)
        self._answer(transaction, registration, now)
        if registered is not None:
            registered(registration, now)

    def _answer(self, transaction: ServerTransaction, registration: Registration, now: float) -> None:
        if asks_for_gruu(transaction.request):
            registration.gruus = self.myself.gruus
        headers = [(b"Contact", line) for line in registration.contact_lines]
        headers += registration.headers
        headers.append((b"Date", self._now_as_date(int(registration.wall))))
        transaction.respond(200, now, headers=headers)

    def _now_as_date(self, second: int) -> bytes:
        if self._date[0] != second:
            self._date = (second, format_date(second))
        return self._date[1]

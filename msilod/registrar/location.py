"""LocationService: all bindings in memory (RFC 3261 §10.2's "location service"), asked for every request.

Rules: an expired binding is never returned, swept or not; nothing here walks over all bindings but `all`.
The database holds the same and is read at the start.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import count

from msilod.registrar.binding import Binding
from msilod.registrar.registration import Registration
from msilod.sip.flow import Flow
from msilod.sip.uri import SipUri, canonical_user


class LocationService:
    """Bindings by AOR. One per daemon."""

    def __init__(self) -> None:
        self._bindings: dict[str, list[Binding]] = {}
        self._contacts: defaultdict[tuple[str, str, int | None], set[str]] = defaultdict(set)
        self._due: dict[str, float] = {}
        self._expiry: list[tuple[float, int, str]] = []
        self._serial = count()
        self._size = 0

    def bindings(self, aor: str, wall: float) -> list[Binding]:
        """The unexpired bindings of `aor`, best q first."""
        found = self._bindings.get(aor)
        if not found:
            return []
        return [binding for binding in found if binding.expires_at > wall]

    def store(self, registration: Registration) -> None:
        """Take over what a REGISTER came to."""
        self.restore(registration.aor, registration.bindings)

    def restore(self, aor: str, bindings: Sequence[Binding]) -> None:
        """Exactly these are the bindings of `aor`."""
        former = self._bindings.pop(aor, [])
        self._size += len(bindings) - len(former)
        if bindings:
            self._bindings[aor] = list(bindings)
            self._schedule(aor, min(binding.expires_at for binding in bindings))
        if [binding.contact for binding in former] != [binding.contact for binding in bindings]:
            self._index(aor, former, bindings)

    def _index(self, aor: str, former: Sequence[Binding], bindings: Sequence[Binding]) -> None:
        for binding in former:
            self._contacts[_contact_key(SipUri.parse(binding.contact))].discard(aor)
        for binding in bindings:
            self._contacts[_contact_key(SipUri.parse(binding.contact))].add(aor)
        for binding in former:
            key = _contact_key(SipUri.parse(binding.contact))
            if not self._contacts[key]:
                del self._contacts[key]

    def _schedule(self, aor: str, earliest: float) -> None:
        """One entry per AOR waits in the queue; a later one is made when that comes up (see `expire`)."""
        if self._due.get(aor, float("inf")) > earliest:
            self._due[aor] = earliest
            heappush(self._expiry, (earliest, next(self._serial), aor))

    def load(self, bindings: Iterable[Binding]) -> None:
        """What the database remembers, at the start."""
        grouped: defaultdict[str, list[Binding]] = defaultdict(list)
        for binding in bindings:
            grouped[binding.aor].append(binding)
        for aor, group in grouped.items():
            self.restore(aor, sorted(group, key=lambda binding: -binding.q))

    def drop_flow(self, flow: Flow) -> list[Binding]:
        """A connection has closed: the bindings that came by it have no flow any more. Returns them."""
        orphans = [binding for binding in self.all() if binding.flow == flow]
        for binding in orphans:
            binding.way = None
        return orphans

    def expire(self, wall: float, limit: int) -> list[Binding]:
        """Take out at most about `limit` bindings that have expired and return them."""
        gone: list[Binding] = []
        while self._expiry and self._expiry[0][0] <= wall and len(gone) < limit:
            at, _, aor = heappop(self._expiry)
            if self._due.get(aor) != at:
                continue
            del self._due[aor]
            found = self._bindings.get(aor, [])
            expired = [binding for binding in found if binding.expires_at <= wall]
            gone += expired
            if found:
                self.restore(aor, [binding for binding in found if binding.expires_at > wall])
        return gone

    def aors_for_contact(self, contact: str) -> list[str]:
        """The AORs that have `contact` among their bindings, expired ones included."""
        uri = SipUri.parse(contact)
        found = []
        for aor in self._contacts.get(_contact_key(uri), ()):
            if any(SipUri.parse(binding.contact).equals(uri) for binding in self._bindings.get(aor, ())):
                found.append(aor)
        return sorted(found)

    def all(self) -> Iterator[Binding]:
        """Every binding."""
        for group in list(self._bindings.values()):
            yield from group

    @property
    def aor_count(self) -> int:
        """Recipients with a binding."""
        return len(self._bindings)

    def __len__(self) -> int:
        return self._size


def _contact_key(uri: SipUri) -> tuple[str, str, int | None]:
    """What URIs that are equal by RFC 3261 §19.1.4 always share."""
    return canonical_user(uri.user or ""), uri.host, uri.port

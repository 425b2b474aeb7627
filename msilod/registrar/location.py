"""LocationService: keeps all bindings in memory (RFC 3261 §10.2, "location service"); each request asks for bindings.

Rules: a look-up never returns an expired binding, swept or not. Expired bindings leave memory only by `expire`, so
the database hears of every expired binding. Only `all` walks over all bindings. The database has the same bindings, and
a start of the daemon reads the bindings from there.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import islice
from math import ceil
from typing import Final, TypeVar

from msilod.registrar.binding import Binding
from msilod.registrar.registration import Registration
from msilod.sip.flow import Flow
from msilod.sip.uri import SipUri, canonical_user

ContactKey = tuple[str, str, int | None]
Key = TypeVar("Key")

# A look at an AOR with a refreshed binding costs 1 us. An expired binding also costs a change of the database.
LOOKS_PER_BINDING: Final = 8
# A contact in more mailboxes than this is not a phone. A search for the AORs of a contact stops there.
MAX_SHARED: Final = 64
_NOTHING: Final[list[Binding]] = []


class LocationService:
    """Bindings by AOR. A daemon has one LocationService.

    Expiry: an AOR is in the bucket of the second in which its first binding ends, as known when the bucket was chosen.
    A refresh does not move the AOR. The sweep checks the AOR and moves the AOR to a later bucket when a binding was
    refreshed. So every AOR is in at most one bucket, and there are no more buckets than seconds in max_expires.
    """

    def __init__(self) -> None:
        self._bindings: dict[str, list[Binding]] = {}
        self._contacts: defaultdict[ContactKey, set[str]] = defaultdict(set)
        self._streams: defaultdict[int, set[str]] = defaultdict(set)
        self._due: dict[str, int] = {}
        self._buckets: dict[int, set[str]] = {}
        self._seconds: list[int] = []
        self._wall = 0.0
        self._size = 0
        # All AORs with a contact that is away, and perhaps more (keep_alive.py). Nearly always empty.
        self.away: set[str] = set()
        # False when the AOR has no bindings. Needs no clock.
        self.has: Callable[[str], bool] = self._bindings.__contains__

    def bindings(self, aor: str, wall: float) -> list[Binding]:
        """Return the unexpired bindings of `aor`, best q first."""
        found = self._bindings.get(aor)
        if not found:
            return []
        for binding in found:
            if binding.expires_at <= wall:
                return [other for other in found if other.expires_at > wall]
        return found.copy()

    def store(self, registration: Registration) -> None:
        """Store the result of a REGISTER."""
        self._wall = registration.wall
        self.restore(registration.aor, registration.bindings)

    def prolong(self, binding: Binding, cseq: int, wall: float) -> None:
        """Prolong `binding` after a REGISTER with the same contents: the binding gets the same lifetime again from now.

        The binding is changed in place. A copy in all indexes was a tenth of the cost of a refresh. Code that compares
        REGISTERs of a contact must remember the CSeq itself (silo/runs/run_contacts.py).
        """
        self._wall = wall
        ends = wall + (binding.expires_at - binding.registered_at)
        if ends < binding.expires_at:
            # The clock was set back.
            self._schedule(binding.aor, ends)
        binding.cseq = cseq
        binding.registered_at = wall
        binding.expires_at = ends

    def is_current(self, binding: Binding) -> bool:
        """True while this object is in the location service, and no other binding has replaced it."""
        for other in self._bindings.get(binding.aor, _NOTHING):  # noqa: SIM110
            if other is binding:
                return True
        return False

    def restore(self, aor: str, bindings: Sequence[Binding]) -> None:
        """Set the bindings of `aor`. Expired bindings stay until the sweep."""
        former = self._bindings.get(aor, _NOTHING)
        kept = list(bindings)
        for binding in former:
            if binding.expires_at <= self._wall and all(binding.key != other.key for other in kept):
                kept.append(binding)
        self._replace(aor, former, kept)

    def undo(self, registration: Registration, before: Sequence[Binding]) -> None:
        """Undo `registration` after a refused commit: restore from `before` only the bindings with changes.

        Another REGISTER of the AOR may have come since (R1). The changes of that REGISTER stay.
        """
        ours = {id(binding) for binding in registration.touched}
        current = self._bindings.get(registration.aor, _NOTHING)
        left = [binding for binding in current if id(binding) not in ours]
        taken = {binding.key for binding in left}
        changed = {id(binding) for binding in registration.bindings}
        left += [old for old in before if id(old) not in changed and old.key not in taken]
        self._replace(registration.aor, current, sorted(left, key=lambda binding: -binding.q))

    def load(self, bindings: Iterable[Binding]) -> None:
        """Load the bindings from the database, at the start."""
        grouped: defaultdict[str, list[Binding]] = defaultdict(list)
        for binding in bindings:
            grouped[binding.aor].append(binding)
        for aor, group in grouped.items():
            self.restore(aor, sorted(group, key=lambda binding: -binding.q))

    def _replace(self, aor: str, former: Sequence[Binding], bindings: list[Binding]) -> None:
        self._size += len(bindings) - len(former)
        if bindings:
            self._bindings[aor] = bindings
            self._schedule(aor, min([binding.expires_at for binding in bindings]))
        else:
            self._bindings.pop(aor, None)
            self._forget_due(aor)
        if [(b.contact, b.flow) for b in former] != [(b.contact, b.flow) for b in bindings]:
            self._index(aor, former, bindings)

    def _index(self, aor: str, former: Sequence[Binding], bindings: Sequence[Binding]) -> None:
        for binding in former:
            _drop(self._contacts, _contact_key(binding.contact), aor)
            _drop(self._streams, _stream(binding), aor)
        for binding in bindings:
            self._contacts[_contact_key(binding.contact)].add(aor)
            if _stream(binding):
                self._streams[_stream(binding)].add(aor)

    def has_flow(self, flow: Flow) -> bool:
        """True while a binding came by this connection; always False for UDP."""
        return flow.connection in self._streams

    def drop_flow(self, flow: Flow) -> list[Binding]:
        """Clear the `way` of all bindings that came by a closed connection, and return these bindings.

        UDP has no connections, so a UDP flow has no bindings here.
        """
        orphans = [
            binding
            for aor in self._streams.get(flow.connection, ())
            for binding in self._bindings[aor]
            if binding.flow == flow
        ]
        for binding in orphans:
            binding.way = None
        return orphans

    def remove(self, bindings: Iterable[Binding]) -> None:
        """Remove these bindings. Other bindings of the AORs stay."""
        for binding in bindings:
            found = self._bindings.get(binding.aor, _NOTHING)
            self._replace(binding.aor, found, [other for other in found if other is not binding])

    def _schedule(self, aor: str, earliest: float) -> None:
        due = self._due.get(aor)
        if due is not None and due <= earliest:
            return
        self._forget_due(aor)
        second = ceil(earliest)
        bucket = self._buckets.get(second)
        if bucket is None:
            # An emptied bucket stays until its second comes, so no second is pushed twice.
            bucket = self._buckets[second] = set()
            heappush(self._seconds, second)
        bucket.add(aor)
        self._due[aor] = second

    def _forget_due(self, aor: str) -> None:
        due = self._due.pop(aor, None)
        if due is not None:
            self._buckets[due].discard(aor)

    def expire(self, wall: float, limit: int) -> list[Binding]:
        """Remove expired bindings and return them, at most about `limit`.

        `expire` may be called at any time. Expired bindings beyond the limit wait for the next call.
        """
        gone: list[Binding] = []
        looks = LOOKS_PER_BINDING * limit
        while self._seconds and self._seconds[0] <= wall:
            bucket = self._buckets[self._seconds[0]]
            while bucket:
                if len(gone) >= limit or looks <= 0:
                    return gone
                looks -= 1
                gone += self._expire_one(bucket.pop(), wall)
            del self._buckets[heappop(self._seconds)]
        return gone

    def _expire_one(self, aor: str, wall: float) -> list[Binding]:
        del self._due[aor]
        found = self._bindings[aor]
        expired = [binding for binding in found if binding.expires_at <= wall]
        if expired:
            self._replace(aor, found, [binding for binding in found if binding.expires_at > wall])
        else:
            self._schedule(aor, min([binding.expires_at for binding in found]))
        return expired

    def aors_for_contact(self, contact: str, uri: SipUri | None = None) -> list[str]:
        """Return the AORs with `contact` among their bindings, expired bindings included.

        At most MAX_SHARED AORs are looked at. `uri` is the parsed `contact`, if the caller has parsed the URI already.
        Raises MalformedMessage when `contact` is not a SIP URI.
        """
        if uri is None:
            uri = SipUri.parse(contact)
        candidates = islice(self._contacts.get(_key_of(uri), ()), MAX_SHARED)
        return sorted(aor for aor in candidates if any(_is_at(b, contact, uri) for b in self._bindings[aor]))

    def all(self) -> Iterator[Binding]:
        """Yield every binding that existed at the first step, expired bindings included."""
        for group in list(self._bindings.values()):
            yield from group

    @property
    def aor_count(self) -> int:
        """The number of AORs with a binding."""
        return len(self._bindings)

    def __len__(self) -> int:
        return self._size


def _drop(index: dict[Key, set[str]], key: Key, aor: str) -> None:
    found = index.get(key)
    if found is not None:
        found.discard(aor)
        if not found:
            del index[key]


def _stream(binding: Binding) -> int:
    """Return the serial number of the connection of a binding; 0 for UDP and after a restart."""
    return binding.flow.connection if binding.flow is not None else 0


def _contact_key(contact: str) -> ContactKey:
    return _key_of(SipUri.parse(contact))


def _key_of(uri: SipUri) -> ContactKey:
    """Return a key, the same for all URIs equal by RFC 3261 §19.1.4."""
    return canonical_user(uri.user or ""), uri.host, uri.port


def _is_at(binding: Binding, contact: str, uri: SipUri) -> bool:
    return binding.contact == contact or SipUri.parse(binding.contact).equals(uri)

"""LocationService: all bindings in memory (RFC 3261 §10.2's "location service"), asked for every request.

Rules: an expired binding is never returned by a look-up, swept or not, and is forgotten only through `expire`,
so that whoever keeps a copy (the database) hears of every one. Nothing here walks over all bindings but `all`.
The database holds the same and is read at the start.
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

# A look at a recipient who has refreshed costs 1 us; an expired binding costs its row in the database, too.
LOOKS_PER_BINDING: Final = 8
# One contact in more mailboxes than this is no phone; who asks whose it is need not wait for the whole list.
MAX_SHARED: Final = 64
_NOTHING: Final[list[Binding]] = []


class LocationService:
    """Bindings by AOR. One per daemon.

    Expiry: an AOR lies in the bucket of the second in which the first of its bindings ends, as it stood when
    that was written; a refresh does not move it, the sweep looks again and puts it further down. So every AOR
    is in one bucket at most, and there are no more buckets than seconds in max_expires.
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
        # AORs with a contact that is known to be away, and perhaps some more (keep_alive.py); nearly always none.
        self.away: set[str] = set()
        # False when nobody is registered there, which no clock need be asked for.
        self.has: Callable[[str], bool] = self._bindings.__contains__

    def bindings(self, aor: str, wall: float) -> list[Binding]:
        """The unexpired bindings of `aor`, best q first."""
        found = self._bindings.get(aor)
        if not found:
            return []
        for binding in found:
            if binding.expires_at <= wall:
                return [other for other in found if other.expires_at > wall]
        return found.copy()

    def store(self, registration: Registration) -> None:
        """Take over what a REGISTER came to."""
        self._wall = registration.wall
        self.restore(registration.aor, registration.bindings)

    def prolong(self, binding: Binding, cseq: int, wall: float) -> None:
        """A REGISTER has said of `binding`, one of ours, what the one before had: it lives as long again from now.

        It is written to in its place: a copy of it in all that holds it was a tenth of a refresh. What compares the
        REGISTERs of a contact has to remember their CSeq (silo/runs/run_contacts.py).
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
        """True while it is one of ours, and no other has taken its place."""
        for other in self._bindings.get(binding.aor, _NOTHING):  # noqa: SIM110
            if other is binding:
                return True
        return False

    def restore(self, aor: str, bindings: Sequence[Binding]) -> None:
        """Exactly these are the bindings of `aor`, beside those that have expired and wait for the sweep."""
        former = self._bindings.get(aor, _NOTHING)
        kept = list(bindings)
        for binding in former:
            if binding.expires_at <= self._wall and all(binding.key != other.key for other in kept):
                kept.append(binding)
        self._replace(aor, former, kept)

    def undo(self, registration: Registration, before: Sequence[Binding]) -> None:
        """The commit of `registration` was refused: take back what it changed of `before`, and only that.

        Another REGISTER of the AOR may have come since (R1), and what that one changed stays.
        """
        ours = {id(binding) for binding in registration.touched}
        current = self._bindings.get(registration.aor, _NOTHING)
        left = [binding for binding in current if id(binding) not in ours]
        taken = {binding.key for binding in left}
        changed = {id(binding) for binding in registration.bindings}
        left += [old for old in before if id(old) not in changed and old.key not in taken]
        self._replace(registration.aor, current, sorted(left, key=lambda binding: -binding.q))

    def load(self, bindings: Iterable[Binding]) -> None:
        """What the database remembers, at the start."""
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
        """True while a binding came by this connection; for UDP always False."""
        return flow.connection in self._streams

    def drop_flow(self, flow: Flow) -> list[Binding]:
        """A connection has closed: the bindings that came by it have no way any more. Returns them.

        Nothing closes on UDP: such a flow has none.
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
        """Take out these, whatever else their AORs have."""
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
            # An emptied bucket stays until its second comes, so that no second is pushed twice.
            bucket = self._buckets[second] = set()
            heappush(self._seconds, second)
        bucket.add(aor)
        self._due[aor] = second

    def _forget_due(self, aor: str) -> None:
        due = self._due.pop(aor, None)
        if due is not None:
            self._buckets[due].discard(aor)

    def expire(self, wall: float, limit: int) -> list[Binding]:
        """Take out bindings that have expired and return them, about `limit` at most.

        It may be called as often as one likes; what is left over waits for the next call.
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
        """The AORs that have `contact` among their bindings, expired ones included; MAX_SHARED are looked at.

        `uri` is the same, if it has been parsed already. Raises MalformedMessage for what is no SIP URI.
        """
        if uri is None:
            uri = SipUri.parse(contact)
        candidates = islice(self._contacts.get(_key_of(uri), ()), MAX_SHARED)
        return sorted(aor for aor in candidates if any(_is_at(b, contact, uri) for b in self._bindings[aor]))

    def all(self) -> Iterator[Binding]:
        """Every binding there was when asked for the first one, expired ones included."""
        for group in list(self._bindings.values()):
            yield from group

    @property
    def aor_count(self) -> int:
        """Recipients with a binding."""
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
    """The serial number of the connection that a binding came by; 0 on UDP and after a restart."""
    return binding.flow.connection if binding.flow is not None else 0


def _contact_key(contact: str) -> ContactKey:
    return _key_of(SipUri.parse(contact))


def _key_of(uri: SipUri) -> ContactKey:
    """What URIs that are equal by RFC 3261 §19.1.4 always share."""
    return canonical_user(uri.user or ""), uri.host, uri.port


def _is_at(binding: Binding, contact: str, uri: SipUri) -> bool:
    return binding.contact == contact or SipUri.parse(binding.contact).equals(uri)

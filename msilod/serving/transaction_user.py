"""Transaction user: serves every request except retransmissions (RFC 3261 §16.2, §8.2).

Order: validation (§16.3), the top Route (§16.4), the gate, and the policy in routing/, which returns an action. One
object per action carries the action out (actions.py). A raised SipError carries the status of the answer.
"""

from typing import Final

from msilod.clock import Clock
from msilod.errors import RequestRefused, SipError
from msilod.proxy.route import preprocess_route
from msilod.proxy.validation import validate
from msilod.reaching.replies import Replies
from msilod.registrar.binding import Binding
from msilod.registrar.gruu import Gruu
from msilod.registrar.location import LocationService
from msilod.relaying.dialogs import Dialogs
from msilod.relaying.forwarder import Forwarder
from msilod.routing.myself import Myself
from msilod.routing.policy import PolicyInForce
from msilod.serving.acks import Acks
from msilod.serving.actions import Actions
from msilod.serving.facts import Facts
from msilod.serving.gate import Gate
from msilod.serving.incoming import Incoming
from msilod.serving.lookup import Lookup
from msilod.serving.refusals import Refusals
from msilod.sip.flow import Flow
from msilod.sip.message import Request
from msilod.transaction.server_transaction import ServerTransaction

_NOWHERE: Final[list[Binding]] = []


class Reading:
    """Reads a request: Request-URI, author, bindings of the recipient, and dialog."""

    __slots__ = ("_clock", "_dialogs", "_facts", "_is_own_via", "_location", "_lookup", "_myself", "_owns")

    def __init__(
        self,
        myself: Myself,
        location: LocationService,
        lookup: Lookup,
        dialogs: Dialogs,
        facts: Facts,
        clock: Clock,
    ) -> None:
        self._myself = myself
        self._location = location
        self._lookup = lookup
        self._dialogs = dialogs
        self._facts = facts
        self._clock = clock
        self._owns, self._is_own_via = myself.owns, myself.is_own_via

    def read(self, transaction: ServerTransaction) -> Incoming:
        """Validate the request (§16.3), remove our own Routes (§16.4), and look the recipient up.

        Raises SipError: the request is refused before the sender is known.
        """
        request, myself = transaction.request, self._myself
        uri = request.uri
        named = myself.identify(uri)
        if named.is_refused:
            # Raises the error with the reason.
            myself.named(uri)
        validate(request, self._owns, self._is_own_via, named.uri)
        own_routes = preprocess_route(request, self._owns)
        if request.uri is not uri:
            named = myself.named(request.uri)
        who = request.to if request.method == b"REGISTER" and named.is_ours else request.from_
        author = myself.identify(who.uri)
        if author.is_tel and not self._facts.is_known(author.aor):
            # A telephone number is read as a name in our first domain, but most numbers are no users.
            author = author.as_foreign(who.uri)
        wall, bindings = 0.0, _NOWHERE
        if self._location.has(named.aor):
            # lookup("location"), from memory. Without a binding the clock is not read.
            wall = self._clock.wall()
            bindings = self._lookup.bindings(named, request.method, wall)
        dialog = self._dialogs.of(request, own_routes, transaction.flow, named) if own_routes else None
        return Incoming(self._facts, transaction, named, author, bindings, dialog, wall)

    def refuse_unknown(self, gruu: Gruu, method: bytes) -> None:
        """Raise RequestRefused for a GRUU of an unknown device. The policy decides about unknown users."""
        if method != b"REGISTER" and self._facts.is_known(gruu.aor):
            bindings = self._location.bindings(gruu.aor, self._clock.wall())
            gruu.refuse_unknown(bindings, is_kept=method == b"MESSAGE")


class TransactionUserService:
    """Serves requests by the routing policy. `is_draining`: the daemon ends, and refuses new requests."""

    def __init__(
        self,
        reading: Reading,
        gate: Gate,
        policy: PolicyInForce,
        actions: Actions,
        refusals: Refusals,
        acks: Acks,
        forwarder: Forwarder,
        replies: Replies,
    ) -> None:
        self._reading = reading
        self._gate = gate
        self._policy = policy
        self._perform = actions.by_class
        self._refusals = refusals
        self._acks = acks
        self._forwarder = forwarder
        self._replies = replies
        self.is_draining = False

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        """Serve a new request, which always ends in an answer or in client transactions."""
        incoming: Incoming | None = None
        try:
            if self.is_draining:
                raise RequestRefused(503, "Service Unavailable", [(b"Retry-After", b"10")])
            incoming = self._reading.read(transaction)
            self._gate.admit(incoming, now)
            if incoming.gruu is not None:
                self._reading.refuse_unknown(incoming.gruu, incoming.method)
            action = self._policy.policy.route(incoming)
            self._perform[action.__class__](incoming, action, now)
        except SipError as error:
            self._refusals.refuse(transaction, incoming, error, now)
        except MemoryError:
            raise
        except Exception as error:
            self._refusals.broken(transaction, incoming, error, now)

    def on_cancel(self, invite: ServerTransaction, now: float) -> None:
        """A CANCEL for `invite`: cancel the branches (RFC 3261 §16.10)."""
        self._forwarder.cancel(invite, now)

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        """Forward an ACK for a 2xx."""
        if not self._acks.forward(request, flow, now):
            self._refusals.count(flow, now)

    def on_refused(self, flow: Flow, now: float) -> None:
        """The transaction layer has refused a request on `flow`."""
        self._refusals.count(flow, now)

    def on_unsent(self, data: bytes, flow: Flow) -> None:
        """Send an answer whose connection is gone."""
        self._replies.unsent(data, flow)

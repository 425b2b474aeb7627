"""The transaction user: every request that is not a retransmission begins here (RFC 3261 §16.2, §8.2).

Order: validation (§16.3), the top Route (§16.4), then the policy in routing/ says what to do, and one method
per action does it. An error raised on the way carries the status to answer with.
"""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from msilod.daemon.failure_route import FailureRoute
from msilod.daemon.forwarder import Fork
from msilod.daemon.log import get_log
from msilod.daemon.myself import Named
from msilod.errors import RequestRefused, SipError
from msilod.proxy.route import preprocess_route
from msilod.proxy.validation import refuse_extensions, validate
from msilod.registrar.binding import Binding
from msilod.registrar.registration import Registration
from msilod.routing.actions import Action, Drop, Relay, Reply, Save, Store
from msilod.routing.request import RoutingRequest
from msilod.sip.flow import Flow
from msilod.sip.message import Request
from msilod.sip.uri import SipUri
from msilod.transaction.server import ServerTransaction

if TYPE_CHECKING:
    from msilod.daemon.server import Server

# What the server itself serves, as a user agent would: the rest of what it relays is for users of it.
ALLOW: Final = (b"Allow", b"MESSAGE, REGISTER, OPTIONS, ACK, CANCEL")
EXTENSIONS: Final = (b"path",)
# RFC 3261 §11.2: what an OPTIONS to the server itself is told.
CAPABILITIES: Final = (
    ALLOW,
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"identity"),
    (b"Supported", b", ".join(EXTENSIONS)),
)
# RFC 6665 §8.3.2 has a 489 name the packages that are served: none, as an empty Supported says it of extensions.
NO_EVENTS: Final = (b"Allow-Events", b"")
_TOLD_WITH: Final[dict[int, tuple[tuple[bytes, bytes], ...]]] = {405: (ALLOW,), 489: (NO_EVENTS,)}


class Incoming:
    """A request on its way through the policy: what is known of it, and what the actions need again.

    `user` is the AOR of who has proved to have sent it, None when nobody has.
    """

    __slots__ = ("aor", "bindings", "own_routes", "routing", "transaction", "uri", "user")

    def __init__(
        self,
        transaction: ServerTransaction,
        uri: SipUri,
        aor: str,
        bindings: list[Binding],
        routing: RoutingRequest,
    ) -> None:
        self.transaction = transaction
        self.uri = uri
        self.aor = aor
        self.bindings = bindings
        self.routing = routing
        self.own_routes: Sequence[SipUri] = ()
        self.user: str | None = None


class TransactionUserService:
    """Serves requests; `policy` is a module with route() and failure_route()."""

    def __init__(self, server: "Server", policy: ModuleType) -> None:
        self.server = server
        self.policy = policy
        self._perform: dict[type, Callable[[Incoming, Any, float], None]] = {
            Reply: self._reply,
            Save: self._save,
            Relay: self._relay,
            Store: self._store,
            Drop: self._drop,
        }

    # --- from the transaction layer ------------------------------------------------------------------

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        """A new request. Whatever happens, it ends in an answer or in client transactions."""
        try:
            self._serve(transaction, now)
        except SipError as error:
            self._refuse(transaction, error, now)
        except Exception as error:
            self.server.counters.internal_errors += 1
            get_log().error(
                "a request could not be served", exc_info=error, method=transaction.request.method
            )
            transaction.respond(500, now)

    def _refuse(self, transaction: ServerTransaction, error: SipError, now: float) -> None:
        try:
            transaction.respond(error.status, now, headers=error.headers)
        except ValueError:
            # What the sender wrote cannot stand in a header of ours; the status says enough.
            transaction.respond(error.status, now)

    def on_cancel(self, invite: ServerTransaction, now: float) -> None:
        """A CANCEL that matches: the branches are cancelled (RFC 3261 §16.10)."""
        self.server.forwarder.cancel(invite, now)

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        """An ACK for a 2xx is routed like any request and never answered (RFC 3261 §16.11)."""
        try:
            own_routes = preprocess_route(request, self.server.myself.owns)
            may_relay = self.server.config.proxy.relay == "anybody"
            uri = SipUri.parse(request.uri)
            for target in self.server.targets.of(request, uri, [], own_routes, may_relay)[:1]:
                self.server.forwarder.forward_ack(request, target, now)
        except SipError:
            self.server.counters.dropped += 1

    # --- the walk ------------------------------------------------------------------------------------

    def _serve(self, transaction: ServerTransaction, now: float) -> None:
        if self.server.is_draining:
            raise RequestRefused(503, "Service Unavailable", [(b"Retry-After", b"10")])
        request, myself = transaction.request, self.server.myself
        validate(request, myself.owns, myself.is_own_via, myself.named(request.uri).uri)
        own_routes = preprocess_route(request, myself.owns)
        incoming = self._look_up(transaction, myself.named(request.uri))
        incoming.own_routes = own_routes
        self._act(incoming, self.policy.route(incoming.routing), now)

    def _act(self, incoming: Incoming, action: Action, now: float) -> None:
        self._perform[action.__class__](incoming, action, now)

    def _look_up(self, transaction: ServerTransaction, named: Named) -> Incoming:
        """lookup("location"), from memory, and what else the policy may ask."""
        server, aor = self.server, named.aor
        bindings = server.location.bindings(aor, server.clock.wall()) if aor else []
        if bindings and transaction.request.method == b"MESSAGE":
            bindings = server.deliverer.without_out(aor, bindings)
        routing = RoutingRequest(
            transaction.request.method,
            named.uri,
            named.is_ours,
            bool(bindings),
            server.deliverer.is_running(aor),
            server.silo.policy.mode,
        )
        return Incoming(transaction, named.uri, aor, bindings, routing)

    # --- the actions ---------------------------------------------------------------------------------

    def _reply(self, incoming: Incoming, action: Reply, now: float) -> None:
        headers = _TOLD_WITH.get(action.status, ())
        if action.status == 200:
            refuse_extensions(incoming.transaction.request, b"require", EXTENSIONS)
            if incoming.routing.method == b"OPTIONS":
                headers = CAPABILITIES
        incoming.transaction.respond(action.status, now, headers=headers)

    def _drop(self, incoming: Incoming, action: Drop, now: float) -> None:
        """drop(): nothing is answered; the transaction forgets itself."""

    def _save(self, incoming: Incoming, action: Save, now: float) -> None:
        refuse_extensions(incoming.transaction.request, b"require", EXTENSIONS)
        self.server.registrar.save(incoming.transaction, now, self._registered if action.dump else None)

    def _registered(self, registration: Registration, now: float) -> None:
        for binding in registration.removed:
            self.server.deliverer.gone(binding, now)
        self.server.deliverer.registered(registration.aor, registration.touched, now)

    def _store(self, incoming: Incoming, action: Store, now: float) -> None:
        self.server.silo.store(incoming.transaction, action.mode, action.next_hop, now)

    def _may_relay(self, incoming: Incoming) -> bool:
        """[proxy] relay: whose requests may leave for foreign domains (checklist P17)."""
        relay = self.server.config.proxy.relay
        if relay == "users":
            return incoming.user is not None or self.server.trust.trusts(incoming.transaction.flow)
        return relay == "anybody"

    def _relay(self, incoming: Incoming, action: Relay, now: float) -> None:
        """t_relay(), with t_on_failure() when the action says so."""
        server = self.server
        transaction = incoming.transaction
        targets = server.targets.of(
            transaction.request,
            incoming.uri,
            incoming.bindings,
            incoming.own_routes,
            self._may_relay(incoming),
        )
        if not targets:
            raise RequestRefused(404, "Not Found")
        binding = targets[0].binding
        fork = server.forwarder.relay(transaction, targets, incoming.aor, server.targets.reach)
        if isinstance(fork, Fork) and action.on_failure and binding is not None:
            failure = FailureRoute(server, self.policy, incoming, binding.aor)
            fork.on_failure, fork.on_late, fork.on_taken = failure.failed, failure.late, failure.taken
        fork.begin(now)

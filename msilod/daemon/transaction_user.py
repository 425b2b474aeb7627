"""The transaction user: every request that is not a retransmission begins here (RFC 3261 §16.2, §8.2).

Order: validation (§16.3), the top Route (§16.4), then the policy in routing/ says what to do, and one method
per action does it. An error raised on the way carries the status to answer with.
"""

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from msilod.daemon.failure_route import FailureRoute
from msilod.daemon.forwarder import Fork
from msilod.daemon.log import get_log
from msilod.daemon.myself import Named
from msilod.errors import RequestRefused, SipError
from msilod.proxy.route import preprocess_route
from msilod.proxy.target_set import Target, target_set
from msilod.proxy.validation import validate
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

# RFC 3261 §11.2: what an OPTIONS to the server itself is told.
CAPABILITIES: Final = (
    (b"Allow", b"MESSAGE, REGISTER, OPTIONS, INVITE, ACK, BYE, CANCEL"),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"identity"),
    (b"Supported", b"path"),
)


class Incoming:
    """A request on its way through the policy: what is known of it, and what the actions need again."""

    __slots__ = ("aor", "bindings", "routing", "transaction", "uri")

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
            transaction.respond(error.status, now, headers=error.headers)
        except Exception as error:
            self.server.counters.internal_errors += 1
            get_log().error(
                "a request could not be served", exc_info=error, method=transaction.request.method
            )
            transaction.respond(500, now)

    def on_cancel(self, invite: ServerTransaction, now: float) -> None:
        """A CANCEL that matches: the branches are cancelled (RFC 3261 §16.10)."""
        self.server.forwarder.cancel(invite, now)

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        """An ACK for a 2xx is routed like any request and never answered (RFC 3261 §16.11)."""
        try:
            preprocess_route(request, self.server.myself.owns)
            uri = SipUri.parse(request.uri)
            self.server.forwarder.forward_ack(request, self._elsewhere(uri), now)
        except SipError:
            self.server.counters.dropped += 1

    # --- the walk ------------------------------------------------------------------------------------

    def _serve(self, transaction: ServerTransaction, now: float) -> None:
        if self.server.is_draining:
            raise RequestRefused(503, "Service Unavailable", [(b"Retry-After", b"10")])
        request, myself = transaction.request, self.server.myself
        validate(request, myself.owns, myself.is_own_via, myself.named(request.uri).uri)
        preprocess_route(request, myself.owns)
        incoming = self._look_up(transaction, myself.named(request.uri))
        self._act(incoming, self.policy.route(incoming.routing), now)

    def _act(self, incoming: Incoming, action: Action, now: float) -> None:
        self._perform[action.__class__](incoming, action, now)

    def _look_up(self, transaction: ServerTransaction, named: Named) -> Incoming:
        """lookup("location"), from memory, and what else the policy may ask."""
        server, aor = self.server, named.aor
        bindings = server.location.bindings(aor, server.clock.wall()) if aor else []
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
        headers = CAPABILITIES if incoming.routing.method == b"OPTIONS" and action.status == 200 else ()
        incoming.transaction.respond(action.status, now, headers=headers)

    def _drop(self, incoming: Incoming, action: Drop, now: float) -> None:
        """drop(): nothing is answered; the transaction forgets itself."""

    def _save(self, incoming: Incoming, action: Save, now: float) -> None:
        self.server.registrar.save(incoming.transaction, now, self._registered if action.dump else None)

    def _registered(self, registration: Registration, now: float) -> None:
        for binding in registration.removed:
            self.server.deliverer.gone(binding, now)
        self.server.deliverer.registered(registration.aor, registration.touched, now)

    def _store(self, incoming: Incoming, action: Store, now: float) -> None:
        self.server.silo.store(incoming.transaction, action.mode, action.next_hop, now)

    def _relay(self, incoming: Incoming, action: Relay, now: float) -> None:
        """t_relay(), with t_on_failure() when the action says so."""
        server = self.server
        targets = target_set(incoming.bindings) if incoming.bindings else [self._elsewhere(incoming.uri)]
        binding = targets[0].binding
        fork = server.forwarder.relay(incoming.transaction, targets, incoming.aor)
        if isinstance(fork, Fork) and action.on_failure and binding is not None:
            failure = FailureRoute(server, self.policy, incoming, binding.aor)
            fork.on_failure, fork.on_late = failure.failed, failure.late
        fork.begin(now)

    def _elsewhere(self, uri: SipUri) -> Target:
        """The target of a URI that is no AOR of ours: a contact bound here, or a foreign domain (§16.5)."""
        server, text = self.server, str(uri)
        for aor in server.location.aors_for_contact(text):
            for binding in server.location.bindings(aor, server.clock.wall()):
                if SipUri.parse(binding.contact).equals(uri):
                    return Target(text, binding.flow, binding.path, binding.q, binding)
        if server.config.proxy.relay != "anybody":
            raise RequestRefused(403, "Forbidden")
        return Target(text)

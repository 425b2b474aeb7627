"""The transaction user: every request that is not a retransmission begins here (RFC 3261 §16.2, §8.2).

Order: validation (§16.3), the top Route (§16.4), then the policy in routing/ says what to do, and one method
per action does it. An error raised on the way carries the status to answer with.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msilod.errors import RequestRefused, SipError
from msilod.log import get_log
from msilod.proxy.route import preprocess_route
from msilod.proxy.sips import only_sips
from msilod.proxy.target_set import ANYWHERE, Target
from msilod.proxy.validation import refuse_extensions, validate
from msilod.registrar.binding import Binding
from msilod.registrar.gruu import Gruu
from msilod.relaying.dialogs import Dialog
from msilod.relaying.fork import Fork
from msilod.routing.actions import Action, Break, Drop, Dump, Relay, Reply, Save, Store
from msilod.routing.myself import Named
from msilod.routing.policy import Policy
from msilod.serving.failure_route import MAX_RELAYS, FailureRoute, call_failed
from msilod.serving.incoming import Incoming
from msilod.sip.flow import Flow
from msilod.sip.message import Request, build_response
from msilod.sip.status import reason
from msilod.sip.warning import warning
from msilod.transaction.server_transaction import ServerTransaction

if TYPE_CHECKING:
    from msilod.daemon.server import Server

# What the server itself serves, as a user agent would: the rest of what it relays is for users of it.
ALLOW: Final = (b"Allow", b"MESSAGE, REGISTER, OPTIONS, ACK, CANCEL")
EXTENSIONS: Final = (b"path", b"outbound", b"gruu")
# RFC 3261 §11.2: what an OPTIONS to the server itself is told.
CAPABILITIES: Final = (
    ALLOW,
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"identity"),
    (b"Supported", b", ".join(EXTENSIONS)),
)
Headers = tuple[tuple[bytes, bytes], ...]
# RFC 6665 §8.3.2 has a 489 name the packages that are served: none, as an empty Supported says it of extensions.
NO_EVENTS: Final = (b"Allow-Events", b"")
_NOWHERE: Final[list[Binding]] = []
_TOLD_WITH: Final[dict[int, tuple[tuple[bytes, bytes], ...]]] = {405: (ALLOW,), 489: (NO_EVENTS,)}


class TransactionUserService:
    """Serves requests as `policy` says."""

    def __init__(self, server: "Server", policy: Policy) -> None:
        self.server = server
        self.policy = policy
        self._owns, self._is_own_via = server.myself.owns, server.myself.is_own_via
        self._perform: dict[type, Callable[[Incoming, Any, float], None]] = {
            Reply: self._reply,
            Save: self._save,
            Relay: self._relay,
            Store: self._store,
            Dump: self._dump,
            Drop: self._drop,
            Break: self._drop,
        }

    # --- from the transaction layer ------------------------------------------------------------------

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        """A new request. Whatever happens, it ends in an answer or in client transactions."""
        server = self.server
        incoming: Incoming | None = None
        try:
            if server.is_draining:
                raise RequestRefused(503, "Service Unavailable", [(b"Retry-After", b"10")])
            request, myself = transaction.request, server.myself
            uri = request.uri
            named = myself.identify(uri)
            if named.is_refused:
                # Raises the reason.
                myself.named(uri)
            validate(request, self._owns, self._is_own_via, named.uri)
            own_routes = preprocess_route(request, self._owns)
            if request.uri is not uri:
                named = myself.named(request.uri)
            who = request.to if request.method == b"REGISTER" and named.is_ours else request.from_
            author = myself.identify(who.uri)
            if author.is_tel and not server.gate.is_known(author.aor):
                # Each telephone number reads as a name in our first domain, and most numbers are no users.
                author = author.as_foreign(who.uri)
            wall, bindings = 0.0, _NOWHERE
            if server.location.has(named.aor):
                # lookup("location"), from memory; who is registered nowhere costs not even a clock.
                wall = server.clock.wall()
                bindings = self.bindings(named, request.method, wall)
            dialog = server.dialogs.of(request, own_routes, transaction.flow, named) if own_routes else None
            incoming = Incoming(server, transaction, named, author, bindings, dialog, wall)
            server.gate.admit(incoming, now)
            if named.gruu is not None:
                self._refuse_unknown(named.gruu, request.method)
            action = self.policy.route(incoming)
            self._perform[action.__class__](incoming, action, now)
        except SipError as error:
            self._refuse(transaction, incoming, error, now)
        except MemoryError:
            raise
        except Exception as error:
            self._broken(error, transaction, incoming, now)

    def _broken(
        self, error: Exception, transaction: ServerTransaction, incoming: Incoming | None, now: float
    ) -> None:
        self.server.counters.internal_errors += 1
        get_log().error("a request could not be served", exc_info=error, method=transaction.request.method)
        self._refuse(transaction, incoming, RequestRefused(500, "Server Internal Error"), now)

    def _refuse(
        self, transaction: ServerTransaction, incoming: Incoming | None, error: SipError, now: float
    ) -> None:
        """Answer with a failure; `incoming` is None when the request was refused before the gate."""
        status, headers, phrase = error.status, error.headers, b""
        if transaction.request.method == b"REGISTER" and error.phrase.encode() != reason(status):
            # Phones show one of these to their user. A copy of the request gets the Warning alone.
            phrase = error.phrase.encode()
            headers += (warning(phrase),)
        try:
            if incoming is None or not self._is_proved(incoming):
                # Refused first: a connection that is closed for this has no answer to be dialled for.
                transaction.refuse(status, headers, phrase)
                self.server.shedding.fruitless(transaction.flow, now)
            elif phrase:
                self._respond_in_words(transaction, status, phrase, headers, now)
            else:
                transaction.respond(status, now, headers=headers)
        except ValueError:
            # What the sender wrote cannot stand in a header of ours; the status says enough.
            transaction.respond(status, now)

    def _is_proved(self, incoming: Incoming) -> bool:
        """True for a request of a user or a trusted network; any other is refused without state (RFC 3261 §8.2.7)."""
        return incoming.user is not None or self.server.trust.trusts(incoming.transaction.flow)

    def _respond_in_words(
        self, transaction: ServerTransaction, status: int, phrase: bytes, headers: Headers, now: float
    ) -> None:
        """An answer with another phrase than the RFC's; a copy of a request that is not INVITE gets the RFC's."""
        tag = self.server.layer.stateless_tag(transaction.request)
        transaction.forward(build_response(transaction.request, status, phrase, tag, headers), now)

    def on_cancel(self, invite: ServerTransaction, now: float) -> None:
        """A CANCEL that matches: the branches are cancelled (RFC 3261 §16.10)."""
        self.server.forwarder.cancel(invite, now)

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        """An ACK for a 2xx is routed like any request and never answered (RFC 3261 §16.11)."""
        try:
            own_routes = preprocess_route(request, self.server.myself.owns)
            # It repeats the credentials of its INVITE (§22.1).
            self.server.gate.clean(request, self.server.trust.trusts(flow))
            named = self.server.myself.named(request.uri)
            dialog = self.server.dialogs.of(request, own_routes, flow, named)
            author = self.server.myself.identify(request.from_.uri)
            if not self.server.gate.passes_ack(request, author, dialog, flow):
                raise RequestRefused(403, "Forbidden")
            may_relay = self._lets_out(None, dialog, flow)
            bindings = self.bindings(named, request.method, self.server.clock.wall())
            for target in self.server.targets.of(request, named.uri, bindings, dialog, may_relay)[:1]:
                self.server.forwarder.forward_ack(request, target, flow, now)
        except SipError:
            self.server.counters.dropped += 1
            self.server.shedding.fruitless(flow, now)

    def on_refused(self, flow: Flow, now: float) -> None:
        """The layer has refused a request from there."""
        self.server.shedding.fruitless(flow, now)

    def on_unsent(self, data: bytes, flow: Flow) -> None:
        """An answer whose connection is gone."""
        self.server.replies.unsent(data, flow)

    # --- the walk ------------------------------------------------------------------------------------

    def act(self, incoming: Incoming, action: Action, now: float) -> None:
        """Do what the policy says. Raises SipError with the status for the sender."""
        self._perform[action.__class__](incoming, action, now)

    def _refuse_unknown(self, gruu: Gruu, method: bytes) -> None:
        """A GRUU whose device is not here; who is no user gets his 404 from the policy, as for any address."""
        server = self.server
        if method != b"REGISTER" and server.gate.is_known(gruu.aor):
            bindings = server.location.bindings(gruu.aor, server.clock.wall())
            gruu.refuse_unknown(bindings, is_kept=method == b"MESSAGE")

    def bindings(self, named: Named, method: bytes, wall: float) -> list[Binding]:
        """Where it is registered; of a GRUU its device.

        Contacts that are known to be away are left out, and for a MESSAGE those that have said that they take none.
        """
        server, aor = self.server, named.aor
        bindings = server.location.bindings(aor, wall)
        if named.gruu is not None:
            bindings = named.gruu.of(bindings)
        if bindings and method == b"MESSAGE":
            bindings = server.deliverer.usable.not_out(aor, bindings)
        elif bindings and named.gruu is None:
            # A GRUU may be the Contact of a dialog. Requests of a dialog are tried also when the phone seems to be
            # away.
            bindings = server.deliverer.usable.present(aor, bindings)
        return bindings

    # --- the actions ---------------------------------------------------------------------------------

    def _reply(self, incoming: Incoming, action: Reply, now: float) -> None:
        headers = tuple((name.encode(), value.encode()) for name, value in action.headers)
        headers += _TOLD_WITH.get(action.status, ())
        transaction, phrase = incoming.transaction, action.phrase.encode()
        if action.status == 200:
            refuse_extensions(transaction.request, b"require", EXTENSIONS)
            if incoming.method == b"OPTIONS":
                headers += CAPABILITIES
        is_usual = not phrase or phrase == reason(action.status)
        # A 2xx to an INVITE is sent again until its ACK comes, also to a stranger (§13.3.1.4).
        if action.status >= (300 if incoming.method == b"INVITE" else 200) and not self._is_proved(incoming):
            transaction.refuse(action.status, headers, b"" if is_usual else phrase)
            self.server.shedding.fruitless(transaction.flow, now)
            return
        if is_usual:
            transaction.respond(action.status, now, headers=headers)
            return
        self._respond_in_words(transaction, action.status, phrase, headers, now)

    def _drop(self, incoming: Incoming, action: Drop | Break, now: float) -> None:
        """drop(): nothing is answered, and nothing is kept of it."""
        incoming.transaction.drop()

    def _save(self, incoming: Incoming, action: Save, now: float) -> None:
        if b"require" in incoming.message.received:
            refuse_extensions(incoming.message, b"require", EXTENSIONS)
        if not incoming.registrant:
            # Saved by a policy, for a Request-URI that is not ours: the gate has not looked at To.
            raise RequestRefused(403, "Forbidden")
        self.server.registrar.save(incoming.transaction, incoming.registrant, action, now)

    def registered(
        self, action: Save, aor: str, removed: Sequence[Binding], touched: Sequence[Binding], now: float
    ) -> None:
        """m_dump() behind the 200: to the contacts of that REGISTER."""
        deliverer = self.server.deliverer
        for binding in removed:
            deliverer.gone(binding, now)
        for binding in touched:
            binding.next_hop = action.next_hop
        deliverer.registered(aor, touched, now)

    def _dump(self, incoming: Incoming, action: Dump, now: float) -> None:
        """m_dump() of a request that is no REGISTER of ours."""
        aor = self.server.myself.named(action.uri.encode()).aor if action.uri else incoming.named_to.aor
        if not aor:
            raise RequestRefused(404, "Not Found")
        self.server.probes.dump(aor, action.next_hop, now)
        incoming.transaction.respond(200, now)

    def _store(self, incoming: Incoming, action: Store, now: float) -> None:
        if incoming.bindings and incoming.uri.scheme == "sips":
            # He is here: 480 where he may not have it, whatever waits before it (T17).
            only_sips(incoming.bindings)
        if action.uri:
            incoming.new_uri = action.uri.encode()
        self.server.silo.store(incoming, action.mode, action.next_hop, now)

    def _may_relay(self, incoming: Incoming) -> bool:
        """[proxy] relay: whose requests may leave for foreign domains (checklist P17)."""
        if incoming.new_uri:
            # Where it goes is the policy's own word.
            return True
        return self._lets_out(incoming.user, incoming.dialog, incoming.transaction.flow)

    def _lets_out(self, user: str | None, dialog: Dialog | None, flow: Flow) -> bool:
        relay = self.server.config.proxy.relay
        if relay == "users":
            is_users = user is not None or (dialog is not None and dialog.is_users)
            return is_users or self.server.trust.trusts(flow)
        return relay == "anybody"

    def _relay(self, incoming: Incoming, action: Relay, now: float) -> None:
        """t_relay(), with t_on_failure() when the action says so."""
        server, transaction = self.server, incoming.transaction
        request = transaction.request
        if server.silo.former and server.silo.is_former(request, incoming.aor, incoming.author.name):
            server.counters.duplicate_messages += 1
            transaction.respond(202, now)
            return
        incoming.relays += 1
        if action.uri:
            incoming.rewrite(action.uri)
        targets = server.targets.contacts(request, incoming.uri, incoming.bindings)
        if not targets:
            targets = self._targets_elsewhere(incoming)
            if not targets:
                self._nobody_there(incoming, action, now)
                return
        fork = server.forwarder.relay(transaction, targets, incoming.aor, incoming.user)
        if not isinstance(fork, Fork):
            fork.on_failure = partial(call_failed, self, incoming) if action.on_failure else None
        elif action.on_failure:
            binding = targets[0].binding
            tried = binding.aor if binding is not None else ""
            incoming.arrived = incoming.arrived or server.clock.wall()
            fork.failure_route = partial(FailureRoute, server, self.policy, incoming, tried)
        fork.begin(now)

    def _targets_elsewhere(self, incoming: Incoming) -> list[Target]:
        """Where a request goes that is not simply for contacts."""
        targets = self.server.targets.of(
            incoming.message, incoming.uri, incoming.bindings, incoming.dialog, self._may_relay(incoming)
        )
        if incoming.new_uri:
            self._trust_policy(incoming, targets)
        return targets

    def _trust_policy(self, incoming: Incoming, targets: Sequence[Target]) -> None:
        """Where the policy's own word leads may be anywhere; a host that the sender wrote is the sender's word."""
        if incoming.uri.host != self.server.myself.named(incoming.message.uri).uri.host:
            for target in targets:
                if target.binding is None and not target.reach:
                    target.reach = ANYWHERE

    def _nobody_there(self, incoming: Incoming, action: Relay, now: float) -> None:
        """Where the policy sent it nobody is registered: its failure route says what then."""
        if not action.on_failure or incoming.relays >= MAX_RELAYS:
            raise RequestRefused(404, "Not Found")
        said = self.policy.failure_route(incoming, 404)
        if isinstance(said, Break):
            raise RequestRefused(404, "Not Found")
        self.act(incoming, said, now)

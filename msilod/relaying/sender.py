"""Sender: sends one branch of a request as RFC 3261 §16.6 says, and ACKs (§16.11). The forks use the sender."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from msilod.auth.source import Sources
from msilod.auth.trust import Trust
from msilod.counters import Counters
from msilod.errors import MsilodError, TransportError
from msilod.proxy.forwarding import branch_for, forward_request, loop_hash
from msilod.proxy.policy import ProxyPolicy
from msilod.proxy.record_route import DIALOG_FORMING
from msilod.proxy.target_set import Target
from msilod.reaching.apart import Apart
from msilod.reaching.paths import Paths
from msilod.relaying.dialogs import Dialogs
from msilod.sip.flow import Flow
from msilod.sip.message import Request, Response
from msilod.sip.privacy import guard_identity
from msilod.sip.uri import SipUri
from msilod.transaction.client_transaction import ClientOwner, ClientTransaction
from msilod.transaction.layer import TransactionLayer
from msilod.transaction.server_transaction import ServerTransaction

# The design: fr_timer cuts these; other methods run to Timer F.
_CUT_AT_FR_TIMER: Final = (b"MESSAGE", b"INVITE")

# A server that does not answer four copies in 3.5 s counts as down. The next hop is tried (RFC 3263 §4.3).
HOP_LIMIT: Final = 4.0


# Called with a URI from a redirection, and the AOR of the contact that redirected.
Reach = Callable[[SipUri, str], Sequence[Target]]


class Sender:
    """Forwards requests in client transactions. [proxy] fr_timer limits the branches of a MESSAGE.

    `reach` gives the targets of a URI from a redirection; none for a URI that may not be reached from here.
    """

    def __init__(
        self,
        policy: ProxyPolicy,
        layer: TransactionLayer,
        paths: Paths,
        dialogs: Dialogs,
        trust: Trust,
        sources: Sources,
        reach: Reach,
        apart: Apart,
        counters: Counters,
        random: Callable[[], bytes],
    ) -> None:
        self.layer = layer
        self.paths = paths
        self.dialogs = dialogs
        self.trust = trust
        self.sources = sources
        self.reach = reach
        self.apart = apart
        self.counters = counters
        self.random = random
        self.configure(policy)

    def configure(self, policy: ProxyPolicy) -> None:
        """Use this policy from now on."""
        self.fr_timer = policy.fr_timer
        self.fr_inv_timer = policy.fr_inv_timer
        self.max_forwards = policy.max_forwards

    def send(
        self,
        owner: ClientOwner,
        server: ServerTransaction,
        target: Target,
        flow: Flow,
        now: float,
        breadth: int,
    ) -> ClientTransaction:
        """Start one branch: forward the request by §16.6 in a new client transaction."""
        request = server.request
        limit = self.fr_timer if request.method in _CUT_AT_FR_TIMER else None
        if len(target.hops) > 1:
            limit = min(limit or HOP_LIMIT, HOP_LIMIT)
        branch = branch_for(self.random(), loop_hash(request))
        recorded: tuple[bytes, ...] = ()
        if request.method in DIALOG_FORMING:
            recorded = self.dialogs.record(request, server.flow, target, flow)
        copy = forward_request(request, target, self.max_forwards, recorded, breadth)
        if b"privacy" in request.received:
            # The gate has already checked the sender's asserted identity.
            guard_identity(copy.headers, True, self.trust.trusts(flow))
        if target.binding is not None and target.binding.way is None:
            owner = self.paths.watched(owner, target, flow, now)
        return self.layer.request(copy, flow, owner, now, branch, limit)

    def clean(self, response: Response, came: Flow, leaves: Flow) -> None:
        """Remove an identity that a callee asserts, unless a trusted network sent the response (RFC 3325 §5).

        Called for a response with `claims_identity`, of any method. Phones show the asserted identity of a 180 or a
        200 as the party that was reached (RFC 5876 §4.5).
        """
        guard_identity(response.headers, self.trust.trusts(came), self.trust.trusts(leaves))

    def book(self, target: Target, user: str | None, request: Request, came: Flow) -> None:
        """Set `target.booked_on`, for a target that needs a look-up or a connection, unless a party is set already.

        The party is `user`, else the source of `request`. Trusted networks, and this host while loopback is without
        limits, are the operator's own, and have no limit.
        """
        if not target.booked_on:
            is_operators = self.trust.trusts(came) or self.sources.is_exempt(came)
            target.booked_on = user or ("" if is_operators else self.sources.of(request, came))

    def has_time(self, transaction: ClientTransaction, now: float) -> bool:
        """True when the limit of a hop has passed, but fr_timer has not."""
        if transaction.request.method not in _CUT_AT_FR_TIMER:
            return True
        limit_at = transaction.started + self.fr_timer
        if limit_at <= now:
            return False
        transaction.limit_at = limit_at
        return True

    def forward_ack(self, request: Request, target: Target, came: Flow, now: float) -> None:
        """§16.11: forward an ACK without state. An ACK that cannot be sent is lost, as on UDP."""
        self.book(target, None, request, came)
        self.paths.way_to(target, partial(self._send_ack, request, target), now)

    def _send_ack(self, request: Request, target: Target, flow: Flow | None, now: float) -> None:
        try:
            if flow is None:
                raise TransportError("no flow to the target")
            copy = forward_request(request, target, self.max_forwards)
            if b"privacy" in request.received:
                guard_identity(copy.headers, True, self.trust.trusts(flow))
            line = b"Via: %b;branch=%b" % (flow.endpoint.via, branch_for(self.random(), b""))
            copy.headers.fields.insert(0, (b"via", line))
            self.paths.transports.send(copy.to_bytes(), flow)
        except MsilodError:
            self.counters.dropped += 1

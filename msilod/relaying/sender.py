"""Sender: sends one branch of a request as RFC 3261 §16.6 says. The forks use the sender."""

from collections.abc import Callable, Sequence
from typing import Final

from msilod.auth.trust import Trust
from msilod.proxy.forwarding import branch_for, forward_request, loop_hash
from msilod.proxy.policy import ProxyPolicy
from msilod.proxy.record_route import DIALOG_FORMING
from msilod.proxy.target_set import Target
from msilod.reaching.apart import Apart
from msilod.reaching.paths import Dialled, Paths
from msilod.relaying.booking import Booking
from msilod.relaying.dialogs import Dialogs
from msilod.sip.flow import Flow
from msilod.sip.message import Response
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
        booking: Booking,
        reach: Reach,
        apart: Apart,
        random: Callable[[], bytes],
    ) -> None:
        self._layer = layer
        self.paths = paths
        self.dialogs = dialogs
        self.trust = trust
        self._booking = booking
        self.reach = reach
        self.apart = apart
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
        return self._layer.request(copy, flow, owner, now, branch, limit)

    def clean(self, response: Response, came: Flow, leaves: Flow) -> None:
        """Remove an identity that a callee asserts, unless a trusted network sent the response (RFC 3325 §5).

        Called for a response with `claims_identity`, of any method. Phones show the asserted identity of a 180 or a
        200 as the party that was reached (RFC 5876 §4.5).
        """
        guard_identity(response.headers, self.trust.trusts(came), self.trust.trusts(leaves))

    def find_way(
        self, target: Target, user: str | None, server: ServerTransaction, then: Dialled, now: float
    ) -> None:
        """Find a flow to `target` for the request of `server`, as Paths.way_to does.

        A look-up or a connection is charged to `user`, or to the source of the request.
        """
        self._booking.book(target, user, server.request, server.flow)
        self.paths.way_to(target, then, now, server.request.size)

    def fails_over(
        self, target: Target, server: ServerTransaction, then: Dialled, now: float, answer: Response | None
    ) -> bool:
        """Go on with the next hop of `target`, as Paths.fails_over does. False without a next hop."""
        return self.paths.fails_over(target, then, server.request.size, now, answer)

    def is_own_answer(self, transaction: ClientTransaction, response: Response) -> bool:
        """True for a response that this server made, because the request came back here."""
        return self._layer.is_own_answer(response, transaction.branch)

    def cancel(self, transaction: ClientTransaction, now: float) -> None:
        """Cancel a pending INVITE (§9.1)."""
        self._layer.cancel(transaction, now)

    def has_time(self, transaction: ClientTransaction, now: float) -> bool:
        """True when the limit of a hop has passed, but fr_timer has not."""
        if transaction.request.method not in _CUT_AT_FR_TIMER:
            return True
        limit_at = transaction.started + self.fr_timer
        if limit_at <= now:
            return False
        transaction.limit_at = limit_at
        return True

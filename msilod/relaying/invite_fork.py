"""InviteFork: does for one INVITE the steps of its response context (RFC 3261 §16.6 to §16.10).

Rules: proxy/response_context.py decides, and identifies a branch by its `Target`. This module has the flows, the
client transactions and Timer C. A contact of a 3xx is tried if `Sender.reach` allows the contact (§16.7 step 4).
Targets of the best q ring first, all at once; targets of the next q when every branch has failed (§16.6). Only an
INVITE has time for a sequence: the sender of any other request started Timer F before we did (RFC 4321 §1.2).
"""

from collections.abc import Callable, Sequence
from functools import partial

from msilod.errors import SipError
from msilod.proxy.response_context import MAX_TARGETS, ResponseContext, Step
from msilod.proxy.target_set import DEAD_FLOW, Target
from msilod.relaying.sender import Sender
from msilod.sip.flow import Flow
from msilod.sip.message import Response
from msilod.sip.uri import SipUri
from msilod.transaction.client_transaction import ClientTransaction
from msilod.transaction.server_transaction import ServerTransaction

OnCallFailure = Callable[[int, Callable[[float], None], float], None]


class InviteFork:
    """One INVITE on the way to the targets of `groups`. `rings_until`: Timer C by branch.

    `user`: the caller, if a password was shown, else None.
    `on_failure(status, give_best, now)` is called once, when all branches failed and the caller still waits.
    """

    __slots__ = (
        "_aor", "_begun",
        "_branches",
        "_groups",
        "_invites",
        "_rings_until",
        "_transactions",
        "_user",
        "breadth",
        "context",
        "on_failure",
        "sender",
        "server",
    )  # fmt: skip

    def __init__(
        self,
        sender: Sender,
        invites: dict[ServerTransaction, "InviteFork"],
        server: ServerTransaction,
        groups: Sequence[Sequence[Target]],
        aor: str,
        breadth: int,
        user: str | None,
    ) -> None:
        self.breadth = breadth
        self.sender = sender
        self._invites = invites
        self.server = server
        self.context: ResponseContext[Target] = ResponseContext(
            server.request, lambda uri: bool(sender.reach(uri, aor)), later=len(groups) - 1
        )
        self._aor = aor
        # Number of targets that were begun, targets of redirections included.
        self._begun = 0
        self._groups = iter(groups)
        self._user = user
        self._branches: dict[ClientTransaction, Target] = {}
        self._transactions: dict[Target, ClientTransaction] = {}
        self._rings_until: dict[Target, float] = {}
        self.on_failure: OnCallFailure | None = None

    # --- branches ------------------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """Send the branches of the first group."""
        self._begin_all(next(self._groups), now)

    def _begin_all(self, targets: Sequence[Target], now: float) -> None:
        # Count all targets before any can fail: otherwise the first failure would end the fork.
        self._begun += len(targets)
        for target in [target for target in targets if self.context.add_branch(target, target.uri)]:
            self._begin_branch(target, now)

    def _begin_branch(self, target: Target, now: float) -> None:
        self.sender.find_way(target, self._user, self.server, partial(self._start, target), now)

    def _start(self, target: Target, flow: Flow | None, now: float) -> None:
        if self.context.is_closed:
            # A CANCEL, a 2xx or a 6xx came during dialling: the branch is not begun.
            self._do(self.context.timed_out(target), now)
        elif flow is None:
            self._unsent(target, now)
        else:
            try:
                branch = self.sender.send(self, self.server, target, flow, now, self.breadth)
            except SipError:
                # No request can be made for this target.
                self._unsent(target, now)
                return
            self._branches[branch] = target
            self._transactions[target] = branch
            self._rings_until[target] = now + self.sender.fr_inv_timer

    def _unsent(self, target: Target, now: float) -> None:
        if not self._turns(target, now):
            self._do(self.context.transport_failed(target), now)

    # --- events of the branches --------------------------------------------------------------------------

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Pass the response of a branch to the response context (§16.7)."""
        if response.claims_identity:
            self.sender.clean(response, transaction.flow, self.server.flow)
        target = self._branches.get(transaction)
        if target is None:
            # All branches have ended. A device repeats its 2xx until the ACK comes (RFC 6026 §7.2).
            if 200 <= response.status < 300:
                self.server.forward(response, now)
            return
        if response.status == 503 and self._goes_on(transaction, target, now, response):
            return
        if response.status in DEAD_FLOW and self._turns(target, now):
            return
        if response.status >= 200:
            self._ended(target)
            self._do(self.context.final(target, response), now)
            return
        if response.status > 100 and target in self._rings_until:
            # Each 101 to 199 resets Timer C (§16.7 step 2).
            self._rings_until[target] = now + self.sender.fr_inv_timer
        self._do(self.context.provisional(target, response), now)

    def on_limit(self, transaction: ClientTransaction, now: float) -> None:
        """fr_timer or the limit of a hop, without even a 100: counts as 408 (§16.8). Later answers lead to a CANCEL."""
        self.sender.cancel(transaction, now)
        target = self._branches.get(transaction)
        if target is None or not self._goes_on(transaction, target, now):
            self.on_timeout(transaction, now)

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        """Timer B fired: the branch failed without an answer."""
        target = self._branches.get(transaction)
        if target is not None and not self._turns(target, now):
            self._ended(target)
            self._do(self.context.timed_out(target), now)

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        """A transport error counts as a 503 (§16.9)."""
        target = self._branches.get(transaction)
        if target is None or self._goes_on(transaction, target, now) or self._turns(target, now):
            return
        self._ended(target)
        self._do(self.context.transport_failed(target), now)

    def _goes_on(
        self, transaction: ClientTransaction, target: Target, now: float, answer: Response | None = None
    ) -> bool:
        """Try the next hop of a name with a new branch. The context sees one branch (RFC 3263 §4.3)."""
        then = partial(self._start, target)
        if self.context.is_closed or not self.sender.fails_over(target, self.server, then, now, answer):
            return False
        del self._branches[transaction], self._transactions[target]
        self._ended(target)
        return True

    def _turns(self, target: Target, now: float) -> bool:
        """The flow is dead: try another flow of the device (RFC 5626 §7)."""
        if self.context.is_closed or not target.turn():
            return False
        transaction = self._transactions.pop(target, None)
        if transaction is not None:
            del self._branches[transaction]
        self._ended(target)
        self._begin_branch(target, now)
        return True

    def cancel(self, now: float) -> None:
        """A CANCEL came from upstream (§16.10)."""
        self._do(self.context.cancelled(), now)

    def check_timer_c(self, now: float) -> None:
        """§16.8: cancel a branch that rings too long. The device answers 487, or Timer B ends the branch."""
        for target, until in list(self._rings_until.items()):
            if until <= now:
                self._rings_until[target] = now + self.sender.fr_inv_timer
                transaction = self._transactions.get(target)
                if transaction is not None:
                    # Also a branch with only a 100, which counts as silent. Without the CANCEL the branch would never
                    # end.
                    self.sender.cancel(transaction, now)
                self._do(self.context.timer_c(target), now)

    def _ended(self, target: Target) -> None:
        self._rings_until.pop(target, None)

    def _do(self, step: Step[Target], now: float) -> None:
        status = self._failed_with(step) if self.on_failure is not None else 0
        if not status:
            self._answer(step, now)
        for target in step.cancel:
            if target in self._transactions:
                self.sender.cancel(self._transactions[target], now)
        for uri in step.recurse:
            # A URI may be an AOR of ours with several contacts. The room is counted before the first contact.
            room = max(MAX_TARGETS - self._begun, 0)
            targets = self.sender.reach(SipUri.parse(uri), self._aor)[:room]
            for target in targets:
                # The user of the contact named the URI, not the caller.
                target.booked_on = self._aor
            self._begin_all(targets, now)
        if step.begins_next:
            self._begin_all(next(self._groups), now)
        if step.is_over:
            self._invites.pop(self.server, None)
            # Transactions refer to the fork as their owner. Clearing breaks the cycle, so the collector is not needed.
            self._branches.clear()
            self._transactions.clear()
        if status and self.on_failure is not None:
            self.on_failure(status, partial(self._answer, step), now)

    def _failed_with(self, step: Step[Target]) -> int:
        """The status for the caller now; 0 when there is no failure, or when the caller has cancelled."""
        if not step.is_over or self.context.is_cancelled:
            return 0
        status = step.forward.status if step.forward is not None else step.answer
        return status if status >= 300 else 0

    def _answer(self, step: Step[Target], now: float) -> None:
        if step.forward is not None:
            self.server.forward(step.forward, now)
        if step.answer:
            self.server.respond(step.answer, now)

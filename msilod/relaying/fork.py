"""Fork: the response context of one non-INVITE request that is forked to its targets (RFC 3261 §16.7).

A MESSAGE to registered contacts is forked to all contacts. A branch without a final answer at fr_timer counts as
failed, while the client transaction goes on: the silo decides early, because the sender's Timer F began before ours.
When no branch succeeds the failure route decides, and the default policy stores the MESSAGE. Then the branches still
alive are the first attempt of the stored row, and a late 2xx ends the row.

Rules: a 2xx goes back at once, and only the first (§16.7 step 5). A non-INVITE never gets a 408 (RFC 4320 §4.2).
A transport error counts as a 503 (§16.9).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from msilod.errors import SipError
from msilod.proxy.redirection import redirection
from msilod.proxy.response_context import MAX_TARGETS, best_response
from msilod.proxy.target_set import DEAD_FLOW, Target
from msilod.reaching.apart import Apart
from msilod.registrar.binding import Binding, contact_key
from msilod.relaying.sender import Sender
from msilod.silo.runs.decision_table import NO_ANSWER, NO_TRANSPORT
from msilod.silo.runs.online_outcome import OnlineEnd
from msilod.sip.flow import Flow
from msilod.sip.message import Response
from msilod.sip.retry_after import parse_retry_after
from msilod.sip.uri import SipUri
from msilod.transaction.client_transaction import ClientTransaction
from msilod.transaction.server_transaction import ServerTransaction

LOOP: Final = 482


class Failure(Protocol):
    """Decides about a request that no branch took at once (serving/failure_route.py)."""

    def failed(self, fork: "Fork", status: int, now: float) -> None:
        """All branches failed; `status` is the status of the best answer. Called once."""

    def late(self, fork: "Fork", target: Target, status: int, now: float) -> None:
        """A branch ended after the fork had decided. `status` 0: without an answer."""

    def silent(self, branch: bytes) -> None:
        """The client transaction of `branch` has ended without an answer. A 2xx may still come."""

    def taken(self, fork: "Fork") -> None:
        """A branch succeeded after other branches had failed. Called once."""


class Fork:
    """The response context of one forwarded non-INVITE request; owns the client transactions.

    `live`: branches that counted as failed at fr_timer and still run. `ends`: how branches ended. `failure_route`
    makes the failure route at the first failure, because nearly all requests need none.
    """

    __slots__ = (
        "_failure",
        "aor",
        "branches",
        "breadth",
        "decided",
        "ends",
        "failure_route",
        "finals",
        "live",
        "open",
        "sender",
        "server",
        "targets",
        "user",
    )  # fmt: skip

    def __init__(
        self,
        sender: Sender,
        server: ServerTransaction,
        targets: Sequence[Target],
        aor: str,
        breadth: int,
        user: str | None,
    ) -> None:
        self.breadth = breadth
        self.user = user
        self.sender = sender
        self.server = server
        self.targets = targets
        self.aor = aor
        self.open = len(targets)
        self.branches: dict[ClientTransaction, Target] = {}
        self.live: dict[ClientTransaction, Target] = {}
        self.finals: list[Response] = []
        self.ends: list[OnlineEnd] = []
        self.decided = False
        self.failure_route: Callable[[], Failure] | None = None
        self._failure: Failure | None = None

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """A branch answered. Provisional answers to a non-INVITE are not forwarded (RFC 4320 §4.1)."""
        status = response.status
        if status < 200:
            return
        if response.claims_identity:
            self.sender.clean(response, transaction.flow, self.server.flow)
        # Remove an ended branch at once: the transaction refers to the fork, and the cycle would be left to the
        # collector.
        if status < 300 and not self.decided:
            self.branches.pop(transaction, None)
            self._taken(response, now)
        else:
            self._unusual_end(transaction, response, now)

    def _unusual_end(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """A branch ended with a failure, or after the fork has decided."""
        status = response.status
        if status == LOOP and self.sender.is_own_answer(transaction, response):
            # 482 by this server: the request came back to us. The way is wrong, and the phone did not answer.
            self.on_transport_error(transaction, now)
            return
        target = self.branches.pop(transaction, None)
        if self.decided:
            self._late(transaction, target, status, now)
        if status < 300:
            self._taken(response, now)
        elif target is None or not self._tries_elsewhere(target, response, now):
            self._failed(transaction, target, response, now)

    def _tries_elsewhere(self, target: Target, response: Response, now: float) -> bool:
        """Try the next hop, another flow of the device, or the contacts of a 3xx in place of a failed branch."""
        status = response.status
        if self.decided:
            return False
        if status == 503 and self._goes_on(target, now, response):
            return True
        if status in DEAD_FLOW and self._turns(target, now):
            return True
        return status < 400 and self._recurse(response, now)

    def _failed(
        self, transaction: ClientTransaction, target: Target | None, response: Response, now: float
    ) -> None:
        """Record a final answer of 300 or more, and count the branch as failed if fr_timer has not."""
        cut = self.live.pop(transaction, None)
        if target is None and cut is None:
            # Another hop was tried in place of this hop.
            return
        self.finals.append(response)
        retry_after = parse_retry_after(response.headers.get(b"retry-after"))
        end = OnlineEnd(response.status, retry_after, _binding(target or cut))
        if cut is None:
            self._branch_failed(end, now)
        else:
            # The branch counts as failed already. The status is still recorded.
            self.ends.append(end)

    def _taken(self, response: Response, now: float) -> None:
        """Send the first 2xx upstream at once."""
        self.decided = True
        if not self.ends:
            # An answered server transaction ignores further answers.
            self.server.forward(response, now)
        elif not self.server.is_answered:
            self.server.forward(response, now)
            failure = self._failure_route()
            if failure is not None:
                failure.taken(self)

    def _recurse(self, response: Response, now: float) -> bool:
        """§16.7 step 4: replace the branch of a 3xx by the contacts of the 3xx that may be reached from here."""
        if self.decided:
            return False
        tried, room = [target.uri for target in self.targets], MAX_TARGETS - len(self.targets)
        reach, aor = self.sender.reach, self.aor
        uris, _ = redirection(self.server.request, response, tried, lambda uri: bool(reach(uri, aor)), room)
        # A URI may be an AOR of ours with several contacts.
        found = [target for uri in uris for target in reach(SipUri.parse(uri), aor)][:room]
        if not found:
            return False
        for target in found:
            # The user of the contact named the URI, not the sender.
            target.booked_on = aor
            if target.binding is not None and target.binding.aor != self.aor:
                # An answer from a contact of another AOR says nothing about the recipient's contacts.
                if target.binding.flow is not None:
                    target.reach = target.binding.flow.host
                target.binding = None
        self.targets = [*self.targets, *found]
        self.open += len(found) - 1
        for target in found:
            self._begin_branch(target, now)
        return True

    def on_limit(self, transaction: ClientTransaction, now: float) -> None:
        """fr_timer: the branch counts as failed and goes on. The limit of the hop comes before (RFC 3263 §4.3)."""
        if self.decided:
            return
        target = self.branches.pop(transaction)
        if transaction.is_silent and self._goes_on(target, now):
            return
        if self.sender.has_time(transaction, now):
            self.branches[transaction] = target
            return
        self.live[transaction] = target
        self._silent(target, NO_ANSWER, now)

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        """Timer F fired: the branch failed without an answer."""
        self._ended(transaction, NO_ANSWER, now)

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        """ICMP error or closed connection: counts as a 503 (§16.9)."""
        target = self.branches.get(transaction)
        if target is not None and self._goes_on(target, now):
            del self.branches[transaction]
            return
        self._ended(transaction, NO_TRANSPORT, now)

    def _goes_on(self, target: Target, now: float, answer: Response | None = None) -> bool:
        """Try the next hop of a name, with a new branch (RFC 3263 §4.3)."""
        if not target.hops or self.decided:
            return False
        return self.sender.fails_over(target, self.server, partial(self._start, target), now, answer)

    def _ended(self, transaction: ClientTransaction, status: int, now: float) -> None:
        failure = self._failure_route()
        if failure is not None:
            failure.silent(transaction.branch)
        target = self.branches.pop(transaction, None)
        if self.decided or transaction in self.live:
            self._late(transaction, target, 0, now)
        elif target is not None:
            self._silent(target, status, now)

    def _late(self, transaction: ClientTransaction, target: Target | None, status: int, now: float) -> None:
        target = self.live.pop(transaction, None) or target
        failure = self._failure_route() if target is not None else None
        if failure is not None and target is not None:
            failure.late(self, target, status, now)

    def _turns(self, target: Target, now: float) -> bool:
        """Try another flow of the same device. The dead flow does not count as an answer of the device."""
        if self.decided or not target.turn():
            return False
        self._begin_branch(target, now)
        return True

    def _silent(self, target: Target | None, status: int, now: float) -> None:
        if status == NO_TRANSPORT and target is not None and self._turns(target, now):
            return
        self._branch_failed(OnlineEnd(status, None, _binding(target), was_silent=True), now)

    def _branch_failed(self, end: OnlineEnd, now: float) -> None:
        if self.decided:
            return
        self.ends.append(end)
        self.open -= 1
        if self.open == 0:
            self.decided = True
            self._decide(now)

    def _decide(self, now: float) -> None:
        if self.server.is_answered:
            return
        best = best_response(self.finals) if self.finals else None
        failure = self._failure_route()
        if failure is not None:
            failure.failed(self, best.status if best is not None else NO_ANSWER, now)
        else:
            self.give_best(now)

    def _failure_route(self) -> Failure | None:
        if self._failure is None and self.failure_route is not None:
            self._failure = self.failure_route()
        return self._failure

    def give_best(self, now: float) -> None:
        """Answer upstream with the best response (§16.7 step 6), or 500 when nothing could be sent at all.

        Silence stays silence: RFC 4320 §4.2 forbids the 408.
        """
        # A 408 from a device counts as no answer: the sender has stopped waiting.
        finals = [response for response in self.finals if response.status != NO_ANSWER]
        if finals:
            self.server.forward(best_response(finals), now)
        elif any(end.was_silent and end.status == NO_TRANSPORT for end in self.ends):
            self.server.respond(500, now)

    def begin(self, now: float) -> None:
        """Send all branches. Nearly all flows are known, and using a known flow saves 0.9 us."""
        apart = self.sender.apart
        if apart.noted and self._waits(apart, now):
            return
        paths, size = self.sender.paths, self.server.request.size
        for target in self.targets:
            flow = paths.known(target, size)
            if flow is not None:
                self._start(target, flow, now)
            else:
                self._begin_branch(target, now)

    def _waits(self, apart: Apart, now: float) -> bool:
        """When the REGISTER of one contact has just been answered, all branches wait, so that all devices get the
        MESSAGE.

        If only one branch waited, a 2xx of another branch would end the fork before the waiting branch began.
        """
        for target in self.targets:  # noqa: SIM110
            if self._is_held(apart, target, now, self.begin):
                return True
        return False

    def _begin_branch(self, target: Target, now: float) -> None:
        self.sender.find_way(target, self.user, self.server, partial(self._start, target), now)

    def _start(self, target: Target, flow: Flow | None, now: float) -> None:
        if self.decided:
            # A 2xx came during dialling: the branch is not begun.
            return
        apart = self.sender.apart
        if apart.noted and self._is_held(apart, target, now, partial(self._begin_branch, target)):
            return
        if flow is None:
            self._silent(target, NO_TRANSPORT, now)
            return
        try:
            branch = self.sender.send(self, self.server, target, flow, now, self.breadth)
        except SipError:
            # No request can be made for this target.
            self._silent(target, NO_TRANSPORT, now)
            return
        self.branches[branch] = target

    def _is_held(self, apart: Apart, target: Target, now: float, then: Callable[[float], None]) -> bool:
        """True when a MESSAGE must wait for the 200 of its contact's REGISTER; `then(now)` is called later."""
        binding = target.binding
        if binding is None or self.server.request.method != b"MESSAGE":
            return False
        return apart.holds(contact_key(binding), now, then)


def _binding(target: Target | None) -> Binding | None:
    return target.binding if target is not None else None

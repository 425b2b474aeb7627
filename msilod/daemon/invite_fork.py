"""InviteFork: the response context of a forwarded INVITE (RFC 3261 §16.7, §16.8, §16.10).

Rules: 101 to 199 and every 2xx go back at once; the first 2xx or a 6xx cancels the branches that still ring;
when all branches have ended the best response goes back. Timer C cancels a branch that rings for too long.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from msilod.errors import MsilodError
from msilod.proxy.response_context import best_response
from msilod.proxy.target_set import Target
from msilod.sip.flow import Flow
from msilod.sip.message import Response
from msilod.transaction.client import ClientTransaction
from msilod.transaction.server import ServerTransaction

if TYPE_CHECKING:
    from msilod.daemon.forwarder import Forwarder


class InviteFork:
    """One INVITE on its way to `targets`; `rings_until` is Timer C by branch."""

    __slots__ = ("finals", "forwarder", "is_cancelled", "open", "rings_until", "server", "silent", "targets")

    def __init__(self, forwarder: "Forwarder", server: ServerTransaction, targets: Sequence[Target]) -> None:
        self.forwarder = forwarder
        self.server = server
        self.targets = targets
        self.open = len(targets)
        self.finals: list[Response] = []
        self.silent = 0
        self.is_cancelled = False
        self.rings_until: dict[ClientTransaction, float] = {}

    def begin(self, now: float) -> None:
        """Send all branches."""
        for target in self.targets:
            try:
                flow = self.forwarder.paths.flow_to(target)
            except MsilodError:
                self._ended(now)
                continue
            if flow is not None:
                self._start(target, flow, now)
            else:
                self.forwarder.paths.dial(target, partial(self._start, target))

    def _start(self, target: Target, flow: Flow | None, now: float) -> None:
        if flow is None or self.is_cancelled:
            self._ended(now)
            return
        branch = self.forwarder.send(self, self.server, target, flow, now)
        self.rings_until[branch] = now + self.forwarder.fr_inv_timer

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """§16.7 steps 4 to 10."""
        status = response.status
        if status < 200:
            # Each 101 to 199 resets Timer C (§16.7 step 2); a 100 goes no further.
            if status > 100:
                self.rings_until[transaction] = now + self.forwarder.fr_inv_timer
                self.server.forward(response, now)
            return
        if status < 300:
            self.server.forward(response, now)
            self._end_branch(transaction, now)
            self.cancel(now)
            return
        self.finals.append(response)
        if status >= 600:
            self.cancel(now)
        self._end_branch(transaction, now)

    def on_limit(self, transaction: ClientTransaction, now: float) -> None:
        """fr_timer: not even a 100 came; as 408, and whatever comes later is cancelled (§16.8)."""
        self.silent += 1
        self.forwarder.layer.cancel(transaction, now)
        self._end_branch(transaction, now)

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        """Timer B."""
        self.silent += 1
        self._end_branch(transaction, now)

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        """§16.9: as 503."""
        self._end_branch(transaction, now)

    def cancel(self, now: float) -> None:
        """CANCEL the branches that have no final answer (§16.10, §16.7 step 10)."""
        self.is_cancelled = True
        for transaction in list(self.rings_until):
            self.forwarder.layer.cancel(transaction, now)

    def check_timer_c(self, now: float) -> None:
        """§16.8: a branch that rings too long is cancelled; the device answers 487, or Timer B's time ends it."""
        for transaction, until in list(self.rings_until.items()):
            if until <= now:
                self.rings_until[transaction] = now + self.forwarder.fr_inv_timer
                self.forwarder.layer.cancel(transaction, now)

    def _end_branch(self, transaction: ClientTransaction, now: float) -> None:
        if self.rings_until.pop(transaction, None) is not None:
            self._ended(now)

    def _ended(self, now: float) -> None:
        self.open -= 1
        if self.open > 0:
            return
        self.forwarder.invites.pop(self.server, None)
        if self.server.is_answered:
            return
        if self.finals:
            self.server.forward(best_response(self.finals), now)
        elif self.silent:
            self.server.respond(487 if self.is_cancelled else 408, now)
        else:
            self.server.respond(500, now)

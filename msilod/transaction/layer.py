"""TransactionLayer: matches messages to transactions, runs the tables, answers retransmissions.

The contract: call `receive_request`, `receive_response` and `request` with their `now`, and `handle_timeout`
when `next_deadline` has come. Users are called directly; bytes leave through `send`, which may raise
TransportError. `now` is monotonic seconds and never decreases.
"""

from typing import Final

from msilod.sip.flow import Flow
from msilod.sip.message import Request, Response
from msilod.transaction.client import ClientOwner, ClientTransaction
from msilod.transaction.clients import ClientTransactions
from msilod.transaction.servers import Send, ServerTransactions, TransactionUser

__all__ = ["TransactionLayer", "TransactionUser"]

# Beyond it new requests get a stateless 503 with Retry-After (law 8). Some 2 kB each.
MAX_TRANSACTIONS: Final = 200_000


class TransactionLayer:
    """Both halves. `secret` keys the stateless To tags."""

    def __init__(
        self, user: TransactionUser, send: Send, secret: bytes, max_transactions: int = MAX_TRANSACTIONS
    ) -> None:
        self.servers = ServerTransactions(user, send, secret, max_transactions)
        self.clients = ClientTransactions(send)
        self.receive_request = self.servers.receive
        self.stateless_tag = self.servers.stateless_tag

    def receive_response(self, response: Response, flow: Flow, now: float) -> None:
        """A response from the wire; a stray one is dropped and counted."""
        self.clients.receive(response, now)

    def request(
        self,
        request: Request,
        flow: Flow,
        owner: ClientOwner,
        now: float,
        branch: bytes,
        limit: float | None = None,
    ) -> ClientTransaction:
        """Put our Via with `branch` on top of `request` and send it on `flow`.

        `limit`, seconds: `owner.on_limit` when there is no final answer by then (INVITE: no answer at all).
        A transport error reaches `owner` from the next `handle_timeout`, never from in here.
        """
        return self.clients.request(request, flow, owner, now, branch, limit)

    def cancel(self, transaction: ClientTransaction, now: float) -> None:
        """CANCEL a pending INVITE, as soon as it has had a provisional answer (RFC 3261 §9.1)."""
        self.clients.cancel(transaction, now)

    def transport_failed(self, branch: bytes, now: float) -> None:
        """ICMP told that this branch did not arrive (RFC 3261 §18.4)."""
        self.clients.fail(branch, now)

    def flow_closed(self, flow: Flow, now: float) -> None:
        """A connection is gone: what waits for an answer on it fails now."""
        self.clients.fail_flow(flow, now)

    def next_deadline(self) -> float | None:
        """When `handle_timeout` is due; None when no timer runs."""
        if self.clients.failed:
            return float("-inf")
        deadlines = (self.servers.timers.next_deadline(), self.clients.timers.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Let everything happen that is due."""
        self.clients.fail_late(now)
        for key in self.clients.timers.due(now):
            self.clients.fire(key, now)
        for name, key in self.servers.timers.due(now):
            self.servers.fire(name, key, now)

    @property
    def open_transactions(self) -> int:
        """Those without a final answer, in and out: what draining waits for."""
        return self.servers.open + self.clients.open

    @property
    def remembered(self) -> int:
        """Answers kept for retransmissions."""
        return self.servers.remembered

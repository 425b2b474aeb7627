"""TransactionLayer: matches messages to transactions, runs their tables, answers copies.

The contract: `receive_request`, `receive_response` and `request` get their `now` (monotonic seconds, never
decreasing); `handle_timeout` is called when `next_deadline` has come. Users and owners are called directly,
bytes leave through `send`, which may raise TransportError.
"""

from collections.abc import Callable
from typing import Final

from msilod.sip.flow import Flow
from msilod.sip.message import Request, Response
from msilod.transaction.client_side import ClientTransactions
from msilod.transaction.client_transaction import ClientOwner, ClientTransaction
from msilod.transaction.server_side import ServerTransactions
from msilod.transaction.server_transaction import Send, TransactionUser
from msilod.transaction.shares import SenderOf

__all__ = ["MAX_TRANSACTIONS", "Send", "TransactionLayer", "TransactionUser"]

# Live server transactions, some 2 kB each with their requests.
MAX_TRANSACTIONS: Final = 200_000


class TransactionLayer:
    """Both halves. Beyond `max_transactions`, or the bounds of shares.py, new requests get a stateless 503 with
    Retry-After.

    `secret`: 1 to 64 bytes, keys the stateless To tags. `serve` comes before the first request.
    """

    def __init__(self, send: Send, secret: bytes, max_transactions: int = MAX_TRANSACTIONS) -> None:
        self._servers = ServerTransactions(send, secret, max_transactions)
        self._clients = ClientTransactions(send)
        self._servers.shares.clients = self._clients.live

    def serve(self, user: TransactionUser) -> None:
        """Requests go to `user` from now on."""
        self._servers.serve(user)

    def receive_request(self, request: Request, flow: Flow, now: float) -> None:
        """A request from the wire, its top Via stamped already. Copies never reach the user (§17.2.3)."""
        self._servers.receive(request, flow, now)

    def receive_response(self, response: Response, flow: Flow, now: float) -> None:
        """A response from the wire. One that matches nothing is dropped and counted (RFC 6026 §8)."""
        self._clients.receive(response, flow, now)

    def request(
        self,
        request: Request,
        flow: Flow,
        owner: ClientOwner,
        now: float,
        branch: bytes,
        limit: float | None = None,
    ) -> ClientTransaction:
        """Put our Via with `branch` on top of `request` and send it on `flow`; keep the request.

        `branch` is unique, with the magic cookie (§8.1.1.7). `limit`, seconds: `owner.on_limit` is called
        once when there is no final answer by then (INVITE: no answer at all). A transport error reaches
        `owner` from the next `handle_timeout`, never from in here.
        """
        return self._clients.request(request, flow, owner, now, branch, limit)

    def cancel(self, transaction: ClientTransaction, now: float) -> None:
        """CANCEL a pending INVITE, but not before its first provisional answer (§9.1).

        Its end comes as of any other: a 487, a 2xx that was faster, or `on_timeout` 64*T1 later.
        """
        self._clients.cancel(transaction, now)

    def hear_strays(self, heard: Callable[[Response, Flow, float], None]) -> None:
        """`heard` gets the responses that match nothing, with our Via on top: nobody else does."""
        self._clients.on_stray = heard

    def report(self, told: Callable[[Exception], None]) -> None:
        """`told` gets what owners raise when timers fire; without it the exceptions leave `handle_timeout`."""
        self._clients.on_error = told

    def share_by(self, sender_of: SenderOf) -> None:
        """The senders that the bounds of shares.py are for; without it a sender is a host."""
        self._servers.shares.sender_of = sender_of

    def awaits(self, branch: bytes) -> bool:
        """True while a request of ours with this branch waits for responses."""
        return self._clients.awaits(branch)

    def transport_failed(self, branch: bytes, now: float) -> None:
        """ICMP told that what went out on this branch did not arrive (§18.4)."""
        self._clients.fail(branch, now)

    def flow_closed(self, flow: Flow, now: float) -> None:
        """A connection is gone: what waits for an answer on it fails now."""
        self._clients.fail_flow(flow, now)

    def stateless_tag(self, request: Request) -> bytes:
        """The To tag for an answer outside of any transaction, the same for each copy (§8.2.7)."""
        return self._servers.tags.of(request)

    def is_own_answer(self, response: Response, branch: bytes) -> bool:
        """True when this server has answered its own request: the To tag is the stateless one for that branch."""
        return self._servers.tags.is_of(response, branch)

    def next_deadline(self) -> float | None:
        """When `handle_timeout` is due, perhaps in the past; None when nothing waits."""
        first, second = self._servers.next_deadline(), self._clients.next_deadline()
        if first is None or second is None:
            return second if first is None else first
        return min(first, second)

    def handle_timeout(self, now: float) -> None:
        """Let everything happen that is due. Early calls do no harm."""
        self._clients.handle_timeout(now)
        self._servers.handle_timeout(now)

    @property
    def open_transactions(self) -> int:
        """Those without a final answer, in and out: what draining waits for. A scan, 60 ns for each."""
        return self._servers.open + self._clients.open

    @property
    def remembered(self) -> int:
        """Answers kept for copies of their requests."""
        return len(self._servers.memory)

    @property
    def stray_responses(self) -> int:
        """Responses that matched nothing, copies of final ones among them."""
        return self._clients.stray_responses

    @property
    def retransmissions_in(self) -> int:
        """Copies of requests."""
        return self._servers.retransmissions_in

    @property
    def retransmissions_out(self) -> int:
        """Requests and responses that timers sent again."""
        return self._servers.retransmissions_out + self._clients.retransmissions_out

    @property
    def refused(self) -> int:
        """Requests turned away with 503 because of `max_transactions`."""
        return self._servers.refused

    @property
    def unsent(self) -> int:
        """Answers that the transport could not send."""
        return self._servers.unsent

    @property
    def forgotten(self) -> int:
        """Answers that had to be forgotten before their Timer J, because there were too many."""
        return self._servers.memory.forgotten

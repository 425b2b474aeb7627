"""TransactionLayer: matches messages to transactions, runs their state machines, and answers retransmissions.

Contract: `receive_request`, `receive_response` and `request` take `now` in monotonic seconds, never decreasing.
`handle_timeout` is called at `next_deadline`. The layer calls users and owners directly. Bytes leave through `send`,
which may raise TransportError.
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

# Live server transactions. Each takes about 2 kB with its request.
MAX_TRANSACTIONS: Final = 200_000


class TransactionLayer:
    """The server and client transactions of one daemon.

    Requests beyond `max_transactions` or beyond the bounds of shares.py get a stateless 503 with Retry-After. `secret`,
    1 to 64 bytes, is the key of the stateless To tags. `serve` must be called before the first request.
    """

    def __init__(self, send: Send, secret: bytes, max_transactions: int = MAX_TRANSACTIONS) -> None:
        self._servers = ServerTransactions(send, secret, max_transactions)
        self._clients = ClientTransactions(send)
        self._servers.shares.clients = self._clients.live

    def serve(self, user: TransactionUser) -> None:
        """Set the receiver of new requests."""
        self._servers.serve(user)

    def receive_request(self, request: Request, flow: Flow, now: float) -> None:
        """Take a request from the wire with a stamped top Via. Retransmissions never reach the user (§17.2.3)."""
        self._servers.receive(request, flow, now)

    def receive_response(self, response: Response, flow: Flow, now: float) -> None:
        """Take a response from the wire. A response without a transaction is dropped and counted (RFC 6026 §8)."""
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
        """Put our Via with `branch` on top of `request`, send the request on `flow`, and keep the request.

        `branch` is unique and starts with the magic cookie (§8.1.1.7). After `limit` seconds without a final answer
        (INVITE: without any answer) `owner.on_limit` is called once. A transport error is reported by the next
        `handle_timeout`, never during this call.
        """
        return self._clients.request(request, flow, owner, now, branch, limit)

    def cancel(self, transaction: ClientTransaction, now: float) -> None:
        """Send a CANCEL for a pending INVITE, after its first provisional answer (§9.1).

        The INVITE ends with a 487, with a 2xx sent before the CANCEL arrived, or with `on_timeout` after 64*T1.
        """
        self._clients.cancel(transaction, now)

    def hear_strays(self, receiver: Callable[[Response, Flow, float], None]) -> None:
        """Pass responses without a transaction to `receiver`, with our Via on top."""
        self._clients.on_stray = receiver

    def report(self, receiver: Callable[[Exception], None]) -> None:
        """Pass exceptions of owners in timer calls to `receiver`.

        Without a receiver `handle_timeout` raises these exceptions.
        """
        self._clients.on_error = receiver

    def share_by(self, sender_of: SenderOf) -> None:
        """Set the function with the sender of a request, for the bounds of shares.py.

        By default the sender is the host.
        """
        self._servers.shares.sender_of = sender_of

    def awaits(self, branch: bytes) -> bool:
        """True while a request with this branch waits for responses."""
        return self._clients.awaits(branch)

    def transport_failed(self, branch: bytes, now: float) -> None:
        """Report an ICMP error for the request sent on this branch (§18.4)."""
        self._clients.fail(branch, now)

    def flow_closed(self, flow: Flow, now: float) -> None:
        """Report a closed connection: requests waiting for answers on the connection fail now."""
        self._clients.fail_flow(flow, now)

    def stateless_tag(self, request: Request) -> bytes:
        """Return the To tag for an answer outside of transactions, equal for each retransmission (§8.2.7)."""
        return self._servers.stateless_tag(request)

    def is_own_answer(self, response: Response, branch: bytes) -> bool:
        """True when this server answered its own request: the To tag is the stateless tag for `branch`."""
        return self._servers.tags.is_of(response, branch)

    def next_deadline(self) -> float | None:
        """Return the time of the next `handle_timeout`, perhaps in the past; None when no timer runs."""
        first, second = self._servers.next_deadline(), self._clients.next_deadline()
        if first is None or second is None:
            return second if first is None else first
        return min(first, second)

    def handle_timeout(self, now: float) -> None:
        """Run all timers due at `now`. Early calls do no harm."""
        self._clients.handle_timeout(now)
        self._servers.handle_timeout(now)

    @property
    def open_transactions(self) -> int:
        """Transactions without a final answer, in both directions.

        Draining waits for these. Takes 60 ns for each one.
        """
        return self._servers.open + self._clients.open

    @property
    def live_servers(self) -> int:
        """Server transactions, answered or not, apart from `remembered` ones."""
        return self._servers.shares.live_servers

    @property
    def live_clients(self) -> int:
        """Client transactions, answered or not."""
        return len(self._clients.live)

    @property
    def remembered(self) -> int:
        """Answers kept for retransmitted requests."""
        return len(self._servers.memory)

    @property
    def stray_responses(self) -> int:
        """Responses without a transaction, including retransmitted final responses."""
        return self._clients.stray_responses

    @property
    def retransmissions_in(self) -> int:
        """Retransmitted requests received."""
        return self._servers.retransmissions_in

    @property
    def retransmissions_out(self) -> int:
        """Requests and responses sent again by timers."""
        return self._servers.retransmissions_out + self._clients.retransmissions_out

    @property
    def refused(self) -> int:
        """Requests refused with 503 for lack of room."""
        return self._servers.refused

    @property
    def unsent(self) -> int:
        """Answers not sent because of a transport error."""
        return self._servers.unsent

    @property
    def forgotten(self) -> int:
        """Answers dropped before their Timer J because the memory was full."""
        return self._servers.memory.forgotten

"""The server transactions of the layer: matching, answers, retransmissions (RFC 3261 §17.2).

A short cut beside the table, on the path that every MESSAGE takes: a non-INVITE server transaction that has
its final answer moves from the live dict to the compact memory, which is its Completed state and Timer J.
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Final, Protocol

from msilod.errors import TransportError
from msilod.sip.flow import Flow
from msilod.sip.grammar import is_token
from msilod.sip.message import Request, Response, response_bytes
from msilod.transaction import tables
from msilod.transaction.key import server_key
from msilod.transaction.remembered import Answer, Remembered
from msilod.transaction.server import ServerTransaction
from msilod.transaction.tables import Action, Input, State
from msilod.transaction.timers import T1, T2, TIMER_H, TIMER_I, TIMER_L, TRYING_AT, TimerQueues

Send = Callable[[bytes, Flow], None]
_BUSY: Final = ((b"Retry-After", b"5"),)


class TransactionUser(Protocol):
    """Who serves requests."""

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        """A new request; never an ACK or a CANCEL."""

    def on_cancel(self, invite: ServerTransaction, now: float) -> None:
        """A CANCEL for this INVITE came and has been answered 200."""

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        """An ACK for a 2xx (RFC 3261 §13.2.2.4, §16.11)."""


class ServerTransactions:
    """Live server transactions by key; `secret` keys the stateless To tags."""

    def __init__(self, user: TransactionUser, send: Send, secret: bytes, max_transactions: int) -> None:
        self._user = user
        self._send = send
        self._secret = secret
        self._max = max_transactions
        self._servers: dict[bytes, ServerTransaction] = {}
        self._remembered = Remembered()
        self.timers: TimerQueues[tuple[bytes, bytes]] = TimerQueues()
        self.retransmissions_in = 0
        self.retransmissions_out = 0
        self.refused = 0

    # --- in ------------------------------------------------------------------------------------------

    def receive(self, request: Request, flow: Flow, now: float) -> None:
        """A request whose top Via has its received and rport already."""
        method = request.method
        if method == b"ACK":
            self._receive_ack(request, flow, now)
            return
        key = server_key(request)
        live = self._servers.get(key)
        if live is not None:
            self._again(live)
            return
        answer = self._remembered.get(key)
        if answer is not None:
            self._answer_again(request, flow, answer)
        elif method == b"CANCEL":
            self._receive_cancel(request, flow, key, now)
        elif len(self._servers) >= self._max:
            self.refused += 1
            self._put(response_bytes(request, 503, self.stateless_tag(request), _BUSY), flow)
        else:
            self._begin(request, flow, key, now)

    def _begin(self, request: Request, flow: Flow, key: bytes, now: float) -> None:
        is_invite = request.method == b"INVITE"
        state = State.PROCEEDING if is_invite else State.TRYING
        transaction = ServerTransaction(self, request, flow, key, state)
        self._servers[key] = transaction
        if is_invite:
            # §17.2.1: at once, since we cannot know that the user answers within 200 ms.
            self.respond(transaction, 100, now, b"", ())
        else:
            self.timers.add(TRYING_AT, (b"100", key), now)
        self._user.on_request(transaction, now)

    def _again(self, transaction: ServerTransaction) -> None:
        self.retransmissions_in += 1
        table = _server_table(transaction)
        _, action = table.get((transaction.state, Input.REQUEST), (transaction.state, Action.NOTHING))
        if action is Action.SEND_AGAIN and transaction.last:
            self._put(transaction.last, transaction.flow)

    def _answer_again(self, request: Request, flow: Flow, answer: Answer) -> None:
        self.retransmissions_in += 1
        if isinstance(answer, int):
            data = response_bytes(request, answer, self.stateless_tag(request))
        elif isinstance(answer, tuple):
            data = response_bytes(request, answer[0], answer[1])
        else:
            data = answer
        self._put(data, flow)

    def _receive_ack(self, request: Request, flow: Flow, now: float) -> None:
        transaction = self._servers.get(server_key(request, b"INVITE"))
        if transaction is None:
            self._user.on_ack(request, flow, now)
            return
        state, action = tables.INVITE_SERVER.get(
            (transaction.state, Input.ACK), (transaction.state, Action.NOTHING)
        )
        if state is State.CONFIRMED:
            transaction.state = state
            self._forget_after(0.0 if flow.is_reliable else TIMER_I, transaction, now)
        elif action is Action.PASS_ACK:
            self._user.on_ack(request, flow, now)

    def _receive_cancel(self, request: Request, flow: Flow, key: bytes, now: float) -> None:
        """§9.2, §16.10: 200 when it matches, whatever it matches; without a match 481."""
        invite = self._servers.get(server_key(request, b"INVITE"))
        matches = invite is not None or self._matches_other(request)
        cancel = self._servers[key] = ServerTransaction(self, request, flow, key, State.TRYING)
        cancel.respond(200 if matches else 481, now)
        if invite is not None and not invite.is_answered:
            self._user.on_cancel(invite, now)

    def _matches_other(self, request: Request) -> bool:
        """A CANCEL for a non-INVITE is answered and has no effect (X9)."""
        prefix = server_key(request, b"MESSAGE")
        return prefix in self._servers or self._remembered.get(prefix) is not None

    # --- out -----------------------------------------------------------------------------------------

    def stateless_tag(self, request: Request) -> bytes:
        """The To tag of our own answers: the same for each retransmission (RFC 3261 §8.2.7)."""
        seed = b"%b %b %d" % (request.call_id, request.via.branch, request.cseq)
        return blake2b(seed, digest_size=8, key=self._secret).hexdigest().encode()

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        now: float,
        to_tag: bytes,
        headers: Iterable[tuple[bytes, bytes]],
    ) -> None:
        """See ServerTransaction.respond. A second final answer is ignored (§17.2.2)."""
        request = transaction.request
        is_rebuildable = not headers and not to_tag
        tag = to_tag or (self.stateless_tag(request) if status > 100 else b"")
        data = response_bytes(request, status, tag, headers)
        self._answer(transaction, status, data, status if is_rebuildable else data, now)

    def forward(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        """See ServerTransaction.forward."""
        data = response.to_bytes()
        memory: Answer = data
        if transaction.request.method == b"MESSAGE" and response.status >= 200 and not response.body:
            tag = _plain_tag(response)
            if tag:
                memory = (response.status, tag)
        self._answer(transaction, response.status, data, memory, now)

    def _answer(
        self, transaction: ServerTransaction, status: int, data: bytes, memory: Answer, now: float
    ) -> None:
        kind = Input.PROVISIONAL if status < 200 else Input.SUCCESS if status < 300 else Input.FAILURE
        step = _server_table(transaction).get((transaction.state, kind))
        if step is None:
            return
        transaction.state = step[0]
        self._put(data, transaction.flow)
        if transaction.request.method == b"INVITE":
            self._invite_answered(transaction, data, now)
        elif status < 200:
            transaction.last = data
        else:
            del self._servers[transaction.key]
            if not transaction.flow.is_reliable:
                self._remembered.add(transaction.key, memory, now)

    def _invite_answered(self, transaction: ServerTransaction, data: bytes, now: float) -> None:
        if transaction.state is State.ACCEPTED:
            if not transaction.last or transaction.interval >= 0.0:
                transaction.interval = -1.0
                self._forget_after(TIMER_L, transaction, now)
            return
        transaction.last = data
        if transaction.state is State.COMPLETED:
            self.timers.add(TIMER_H, (b"H", transaction.key), now)
            if not transaction.flow.is_reliable:
                transaction.interval = T1
                self.timers.add(T1, (b"G", transaction.key), now)

    def _forget_after(self, delay: float, transaction: ServerTransaction, now: float) -> None:
        if delay:
            self.timers.add(delay, (b"forget", transaction.key), now)
        else:
            self._servers.pop(transaction.key, None)

    # --- timers --------------------------------------------------------------------------------------

    def fire(self, name: bytes, key: bytes, now: float) -> None:
        """A timer of a transaction that may have ended meanwhile.

        Queues hold keys: holding transactions would keep 3.5 s of traffic alive, and the collector busy.
        """
        transaction = self._servers.get(key)
        if transaction is None:
            return
        if name == b"100":
            if transaction.state is State.TRYING and not transaction.flow.is_reliable:
                transaction.respond(100, now)
        elif name == b"forget" or (name == b"H" and transaction.state is State.COMPLETED):
            del self._servers[transaction.key]
        elif name == b"G" and transaction.state is State.COMPLETED:
            self.retransmissions_out += 1
            self._put(transaction.last, transaction.flow)
            transaction.interval = min(2 * transaction.interval, T2)
            self.timers.add(transaction.interval, (b"G", transaction.key), now)

    @property
    def open(self) -> int:
        """Transactions without a final answer."""
        return sum(not transaction.is_answered for transaction in self._servers.values())

    @property
    def remembered(self) -> int:
        """Answers kept for retransmissions."""
        return len(self._remembered)

    def _put(self, data: bytes, flow: Flow) -> None:
        try:
            self._send(data, flow)
        except TransportError:
            # A response that cannot be sent: the peer retransmits its request, or has gone (§17.2.4).
            self.refused += 1


def _server_table(transaction: ServerTransaction) -> tables.Table:
    is_invite = transaction.request.method == b"INVITE"
    return tables.INVITE_SERVER if is_invite else tables.NON_INVITE_SERVER


# The fields that `response_bytes` makes again from the request.
_REBUILT: Final = frozenset((b"via", b"from", b"to", b"call-id", b"cseq", b"content-length"))


def _plain_tag(response: Response) -> bytes:
    """The To tag, if with the status it says all that a retransmission has to be told; else b""."""
    to = b""
    for name, line in response.headers.fields:
        if name == b"to":
            to = line
        elif name not in _REBUILT and name not in _DISPENSABLE:
            return b""
    _, found, tag = to.rpartition(b";tag=")
    return tag if found and is_token(tag) else b""


# A retransmission may do without these: what a phone says of itself.
_DISPENSABLE: Final = frozenset((b"user-agent", b"server", b"allow", b"supported", b"date", b"accept"))

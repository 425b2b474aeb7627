"""ServerTransactions: matches requests, sends answers, and answers retransmissions (RFC 3261 §17.2, §9.2).

One short cut bypasses the tables, on the path of every MESSAGE: a non-INVITE server transaction with a final answer
moves from the live transactions to the compact memory (completed.py), which replaces Completed state and Timer J. This
takes 3.3 us less than a step through the table with a queue for Timer J, and 125 bytes instead of 2600
(tests/bench/transactions.py). tests/transaction/test_walks.py shows the same behaviour for both. For two requests with
one key see key.py.
"""

from collections.abc import Sequence
from typing import Final

from msilod.errors import TransportError
from msilod.sip.flow import Flow
from msilod.sip.headers import line
from msilod.sip.message import Request, Response, answer_bytes, build_response, response_bytes
from msilod.transaction.completed import NO_ANSWER, Answer, Remembered, pack, unpack
from msilod.transaction.key import (
    fingerprint,
    is_copy,
    old_ack_key,
    own_key,
    server_key,
    shared_key,
    to_tag,
)
from msilod.transaction.named import cancels_other_method, find_invite
from msilod.transaction.responses import answer_of, as_addressed, final_tag
from msilod.transaction.server_transaction import (
    Fields,
    InviteServerTransaction,
    Send,
    ServerSide,
    ServerTransaction,
    TransactionUser,
    input_of,
    may_answer,
)
from msilod.transaction.shares import LARGE, MANY, MemoryShares
from msilod.transaction.strangers import Strangers
from msilod.transaction.tables import NIST, Action, Input, State
from msilod.transaction.tags import StatelessTags
from msilod.transaction.timers import PATIENCE, T2, TRYING_AT, TimerQueues, interval

_COMPLETED: Final = State.COMPLETED
_PROCEEDING: Final = State.PROCEEDING
_TERMINATED: Final = State.TERMINATED
_TRYING: Final = State.TRYING
# Requests with their own rules. All other requests become a ServerTransaction.
_OF_INVITES: Final = frozenset((b"INVITE", b"ACK", b"CANCEL"))
_BUSY: Final = ((b"Retry-After", b"5"),)


class ServerTransactions(ServerSide):
    """Live server transactions by key. `secret` (1 to 64 bytes) keys the stateless To tags."""

    _user: TransactionUser

    def __init__(self, send: Send, secret: bytes, max_transactions: int) -> None:
        self._send = send
        self.tags = StatelessTags(secret)
        self._many = min(max_transactions, MANY)
        self._live: dict[bytes, ServerTransaction] = {}
        self.shares = MemoryShares(self._live, max_transactions)
        # Live INVITEs with the branch of another request, by `shared_key`.
        self._by_shared_key: dict[bytes, InviteServerTransaction] = {}
        self._timers = TimerQueues()
        trying = self._timers.queue(TRYING_AT)
        self._trying_times, self._trying_keys = trying.times.append, trying.keys.append
        self.memory = Remembered()
        self.strangers = Strangers(self._live, self.memory)
        self.retransmissions_in = 0
        self.retransmissions_out = 0
        self.refused = 0
        self.unsent = 0

    # --- requests in ---------------------------------------------------------------------------------

    def receive(self, request: Request, flow: Flow, now: float) -> None:
        """See TransactionLayer.receive_request."""
        method = request.method
        if method in _OF_INVITES:
            self._receive_of_invite(request, flow, now)
            return
        key = server_key(request, method)
        if key in self._live or self.memory.get(key) is not None:
            key = self._own_key(request, flow, key, now)
            if not key:
                return
        if (len(self._live) >= self._many or request.size > LARGE) and not self.shares.has_room(
            request, flow, now
        ):
            self._refuse_busy(request, flow, now)
            return
        transaction = self._live[key] = ServerTransaction(self, request, flow, key)
        self._trying_times(now)
        self._trying_keys(key)
        self._user.on_request(transaction, now)

    def _receive_of_invite(self, request: Request, flow: Flow, now: float) -> None:
        """An INVITE, an ACK or a CANCEL."""
        if request.method == b"ACK":
            self._receive_ack(request, flow, now)
            return
        key = server_key(request, request.method)
        if key in self._live or self.memory.get(key) is not None:
            key = self._own_key(request, flow, key, now)
        if not key:
            return
        if request.method == b"CANCEL":
            self._receive_cancel(request, flow, key, now)
        elif not self.shares.has_room(request, flow, now):
            self._refuse_busy(request, flow, now)
        else:
            self._begin_invite(InviteServerTransaction(self, request, flow, key), now)

    def _refuse_busy(self, request: Request, flow: Flow, now: float) -> None:
        """Refuse a request with 503 for lack of room."""
        self.refused += 1
        self._send_once(response_bytes(request, 503, self.tags.of(request), _BUSY), flow)
        self._user.on_refused(flow, now)

    def _own_key(self, request: Request, flow: Flow, key: bytes, now: float) -> bytes:
        """Return the key for a request when `key` is in use; b"" for a retransmission, which is answered here."""
        live = self._live.get(key)
        if live is not None:
            if is_copy(request, live.request):
                self._receive_copy(live, now)
                return b""
            if not live.flow.is_reliable:
                # The live transaction may end before the retransmissions of the new request.
                self.memory.add(key, fingerprint(live.request), NO_ANSWER, now)
        elif self._answer_copy(request, flow, key):
            return b""
        else:
            self.memory.renew(key, now)
        own = own_key(key, request)
        live = self._live.get(own)
        if live is not None:
            self._receive_copy(live, now)
            return b""
        return b"" if self._answer_copy(request, flow, own) else own

    def _receive_copy(self, live: ServerTransaction, now: float) -> None:
        self.retransmissions_in += 1
        if self._step(live, Input.REQUEST, now) is Action.SEND_AGAIN and live.last:
            self._put(live, live.last, now)

    def _answer_copy(self, request: Request, flow: Flow, key: bytes) -> bool:
        """Answer a retransmission from the memory. False when the memory has no such request."""
        answer = self.memory.answer_to(key, request)
        if answer is None:
            return False
        self.retransmissions_in += 1
        if answer != NO_ANSWER:
            self._send_once(unpack(answer, request, self.tags.of(request)), flow)
        return True

    def _begin_invite(self, transaction: InviteServerTransaction, now: float) -> None:
        self._live[transaction.key] = transaction
        key = server_key(transaction.request, b"INVITE")
        if key != transaction.key:
            transaction.shared_key = shared_key(key, transaction.request)
            self._by_shared_key[transaction.shared_key] = transaction
        self._user.on_request(transaction, now)
        if transaction.state is _PROCEEDING and not transaction.last:
            # §17.2.1: a 100, unless the user answered in `on_request`.
            transaction.respond(100, now)

    def _receive_ack(self, request: Request, flow: Flow, now: float) -> None:
        transaction = self._invite_of_ack(request)
        if transaction is not None:
            if self._step(transaction, Input.ACK, now) is Action.PASS_ACK:
                self._user.on_ack(request, flow, now)
        elif not self._was_refused(request):
            self._user.on_ack(request, flow, now)

    def _invite_of_ack(self, request: Request) -> ServerTransaction | None:
        """Find the INVITE of an ACK (§17.2.3).

        Without the cookie the To tag is the tag of the INVITE or of our answer.
        """
        found = find_invite(self._live, self._by_shared_key, server_key(request, b"INVITE"), request, True)
        if found is not None or request.via.has_cookie:
            return found
        old = find_invite(self._live, self._by_shared_key, old_ack_key(request), request, True)
        if isinstance(old, InviteServerTransaction) and old.tag == to_tag(request):
            return old
        return None

    def _was_refused(self, request: Request) -> bool:
        """True for the ACK of a stateless 503, or of a forgotten failure of this server. Such an ACK is dropped.

        The ACK of a failure has the branch of its INVITE, so our tag can be computed. The ACK of a 2xx has a new
        branch.
        """
        return to_tag(request) == self.tags.of(request)

    def _receive_cancel(self, request: Request, flow: Flow, key: bytes, now: float) -> None:
        """Answer a CANCEL: 200 when a request of any method matches, else 481 (§9.2). Only an INVITE is cancelled."""
        invite = find_invite(self._live, self._by_shared_key, server_key(request, b"INVITE"), request, False)
        status = 200 if invite is not None or cancels_other_method(self._live, self.memory, request) else 481
        if status == 200 and not flow.is_reliable:
            # A 481 is computed again for a retransmission, and takes no memory: any sender can cause a 481.
            self.memory.add(key, fingerprint(request), status, now)
        self._send_once(response_bytes(request, status, self.tags.of(request)), flow)
        if status == 481:
            self._user.on_refused(flow, now)
        elif invite is not None and not invite.is_answered:
            self._user.on_cancel(invite, now)

    def serve(self, user: TransactionUser) -> None:
        """Set the receiver of new requests."""
        self._user = user

    # --- answers out ---------------------------------------------------------------------------------

    def takes_room_of_strangers(self, transaction: ServerTransaction, now: float) -> bool:
        """See ServerTransaction.takes_room_of_strangers."""
        return self.strangers.add(transaction.key, transaction.request.size, now)

    def stateless_tag(self, request: Request) -> bytes:
        """See TransactionLayer.stateless_tag."""
        return self.tags.of(request)

    def respond(
        self, transaction: ServerTransaction, status: int, now: float, to_tag: bytes, headers: Fields
    ) -> None:
        """See ServerTransaction.respond."""
        request = transaction.request
        lines: Sequence[bytes] = [line(name, value) for name, value in headers] if headers else ()
        if status >= 200 and transaction.machine is NIST:
            state = transaction.state
            # RFC 4320: no 408 to a non-INVITE.
            if (state is _TRYING or state is _PROCEEDING) and status != 408:
                data = answer_bytes(request, status, to_tag or self.tags.of(request), lines)
                answer = pack(status, to_tag, lines) if lines or to_tag else status
                self._complete(transaction, data, answer, now)
        elif may_answer(transaction, status):
            tag = to_tag or (self.tags.of(request) if status > 100 else b"")
            self._answer(transaction, status, answer_bytes(request, status, tag, lines), tag, now)

    def refuse(self, transaction: ServerTransaction, status: int, headers: Fields, phrase: bytes) -> None:
        """See ServerTransaction.refuse."""
        if transaction.is_answered:
            return
        tag = self.tags.of(transaction.request)
        data = build_response(transaction.request, status, phrase, tag, headers).to_bytes()
        self._forget(transaction)
        transaction.state = _TERMINATED
        self._send_once(data, transaction.flow)

    def forward(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        """See ServerTransaction.forward."""
        status = response.status
        request = transaction.request
        if status >= 200 and transaction.machine is NIST:
            state = transaction.state
            if (state is _TRYING or state is _PROCEEDING) and status != 408:
                data = as_addressed(response, request).to_bytes()
                self._complete(transaction, data, answer_of(request.method, response, data), now)
        elif status != 100 and may_answer(transaction, status):
            # §16.7 step 5: a 100 concerns the next hop only.
            data = as_addressed(response, request).to_bytes()
            self._answer(transaction, status, data, final_tag(response), now)

    def drop(self, transaction: ServerTransaction) -> None:
        """See ServerTransaction.drop."""
        self._forget(transaction)
        transaction.state = _TERMINATED

    def _complete(self, transaction: ServerTransaction, data: bytes, answer: Answer, now: float) -> None:
        """The short cut: NIST (TRYING or PROCEEDING, FINAL) -> (COMPLETED, SEND) and Timer J."""
        flow = transaction.flow
        del self._live[transaction.key]
        if flow.connection:
            transaction.state = _TERMINATED
        else:
            transaction.state = _COMPLETED
            self.memory.add(transaction.key, fingerprint(transaction.request), answer, now)
        try:
            self._send(data, flow)
        except TransportError:
            self._count_unsent(data, flow)

    def _answer(
        self, transaction: ServerTransaction, status: int, data: bytes, tag: bytes, now: float
    ) -> None:
        if self._step(transaction, input_of(transaction, status), now) is not Action.SEND:
            return
        if isinstance(transaction, InviteServerTransaction):
            transaction.tag = tag
        # Retransmissions of an INVITE with a 2xx are absorbed. The sender of the 2xx sends the 2xx again (RFC 6026).
        transaction.last = b"" if transaction.state is State.ACCEPTED else data
        self._put(transaction, data, now)

    # --- the machine ---------------------------------------------------------------------------------

    def _step(self, transaction: ServerTransaction, happened: Input, now: float) -> Action:
        step = transaction.machine.table.get((transaction.state, happened))
        if step is None:
            return Action.NOTHING
        previous, transaction.state = transaction.state, step[0]
        if previous is not step[0]:
            self._enter(transaction, now)
        return step[1]

    def _enter(self, transaction: ServerTransaction, now: float) -> None:
        if transaction.state is _TERMINATED:
            self._forget(transaction)
        elif isinstance(transaction, InviteServerTransaction):
            transaction.resend_at = 0.0
            for timer in transaction.machine.timers[transaction.state]:
                self._start(transaction, timer, now)

    def _forget(self, transaction: ServerTransaction) -> None:
        """Remove the transaction from the live ones."""
        if self._live.get(transaction.key) is transaction:
            del self._live[transaction.key]
        shared = transaction.shared_key if isinstance(transaction, InviteServerTransaction) else b""
        if shared and self._by_shared_key.get(shared) is transaction:
            del self._by_shared_key[shared]

    def _start(self, transaction: InviteServerTransaction, timer: Input, now: float) -> None:
        seconds = interval(timer, transaction.flow.is_reliable)
        if seconds is None:
            return
        if not seconds:
            self._step(transaction, timer, now)
        elif timer is Input.TIMER_G:
            transaction.interval = seconds
            transaction.resend_at = self._timers.add(seconds, transaction.key, now)
        else:
            transaction.ends_at = self._timers.add(seconds, transaction.key, now)

    # --- timers --------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Return the earlier of the next timer and the next turn of the memory."""
        deadline = self._timers.next_deadline()
        if self.memory.is_empty or (deadline is not None and deadline < self.memory.turn_at):
            return deadline
        return self.memory.turn_at

    def handle_timeout(self, now: float) -> None:
        """Run all timers due at `now`."""
        for deadline, span, key in self._timers.due(now, self._live):
            transaction = self._live.get(key)
            if isinstance(transaction, InviteServerTransaction):
                self._fire_invite(transaction, deadline, now)
            elif transaction is not None:
                self._fire(transaction, span, now)
        if now >= self.memory.turn_at and not self.memory.is_empty:
            self.memory.turn(now)

    def _fire(self, transaction: ServerTransaction, span: float, now: float) -> None:
        """Send the one late 100 of RFC 4320, or end an unanswered transaction after 64*T1."""
        if span != TRYING_AT:
            self._step(transaction, Input.PEER_GAVE_UP, now)
            return
        self._timers.add(PATIENCE - TRYING_AT, transaction.key, now)
        if transaction.flow.is_reliable:
            return
        if self._step(transaction, Input.TRYING_DUE, now) is Action.SEND_TRYING:
            transaction.last = response_bytes(transaction.request, 100)
            self._put(transaction, transaction.last, now)

    def _fire_invite(self, transaction: InviteServerTransaction, deadline: float, now: float) -> None:
        if deadline == transaction.resend_at:
            if self._step(transaction, Input.TIMER_G, now) is Action.SEND_AGAIN:
                self.retransmissions_out += 1
                transaction.interval = min(2 * transaction.interval, T2)
                transaction.resend_at = self._timers.add(transaction.interval, transaction.key, now)
                self._put(transaction, transaction.last, now)
        elif deadline == transaction.ends_at:
            self._step(transaction, transaction.machine.timers[transaction.state][-1], now)

    # --- bytes out -----------------------------------------------------------------------------------

    def _put(self, transaction: ServerTransaction, data: bytes, now: float) -> None:
        try:
            self._send(data, transaction.flow)
        except TransportError:
            if self._step(transaction, Input.TRANSPORT_ERROR, now) is Action.COUNT_ERROR:
                self._count_unsent(data, transaction.flow)

    def _send_once(self, data: bytes, flow: Flow) -> None:
        try:
            self._send(data, flow)
        except TransportError:
            self._count_unsent(data, flow)

    def _count_unsent(self, data: bytes, flow: Flow) -> None:
        self.unsent += 1
        self._user.on_unsent(data, flow)

    @property
    def open(self) -> int:
        """Transactions without a final answer."""
        return sum(not transaction.is_answered for transaction in self._live.values())

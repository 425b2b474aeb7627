"""The client transactions of the layer: sending, retransmitting, matching responses (RFC 3261 §17.1).

A short cut beside the table, on the path that every relayed MESSAGE takes: a non-INVITE client transaction
that hears its final answer leaves the live dict at once. Timer K would only absorb copies of the answer, and
a response without a transaction is dropped anyway, never forwarded (RFC 6026 §7.3, §8).
"""

from math import ceil
from typing import Final

from msilod.errors import TransportError
from msilod.sip.flow import Flow
from msilod.sip.grammar import split_outside
from msilod.sip.message import Request, Response
from msilod.transaction import tables
from msilod.transaction.client import NOBODY, ClientOwner, ClientTransaction
from msilod.transaction.hop import ack_for, cancel_for
from msilod.transaction.key import client_key
from msilod.transaction.servers import Send
from msilod.transaction.tables import Action, Input, State
from msilod.transaction.timers import T1, T2, TIMER_D, TIMER_F, TIMER_M, TimerQueues

# Timers fire a little early or late by rounding; a sixteenth of a second is what queues are kept for.
_EPSILON: Final = 1e-6
_GRAINS: Final = 16
_PENDING: Final = (State.CALLING, State.TRYING, State.PROCEEDING)


class ClientTransactions:
    """Live client transactions by branch (a CANCEL by `CANCEL branch`)."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._clients: dict[bytes, ClientTransaction] = {}
        self.timers: TimerQueues[bytes] = TimerQueues()
        self.failed: list[bytes] = []
        self.stray_responses = 0
        self.retransmissions_out = 0

    # --- out -----------------------------------------------------------------------------------------

    def request(
        self, request: Request, flow: Flow, owner: ClientOwner, now: float, branch: bytes, limit: float | None
    ) -> ClientTransaction:
        """Put our Via on top and send; see TransactionLayer.request."""
        endpoint = flow.endpoint
        rport = b"" if flow.is_reliable else b";rport"
        line = b"Via: %b%b;branch=%b" % (endpoint.via, rport, branch)
        request.headers.fields.insert(0, (b"via", line))
        state = State.CALLING if request.method == b"INVITE" else State.TRYING
        transaction = ClientTransaction(request, flow, owner, branch, now, state)
        transaction.data = request.to_bytes()
        self._begin(transaction, branch, now, limit)
        return transaction

    def _begin(self, transaction: ClientTransaction, key: bytes, now: float, limit: float | None) -> None:
        self._clients[key] = transaction
        first = T1
        if limit is not None:
            transaction.limit_at = now + limit
            first = min(T1, limit)
        transaction.interval = T1
        transaction.due = now + T1
        self.timers.add(first, key, now)
        self._put(transaction, key)

    def _put(self, transaction: ClientTransaction, key: bytes) -> None:
        try:
            self._send(transaction.data, transaction.flow)
        except TransportError:
            self.failed.append(key)

    def cancel(self, transaction: ClientTransaction, now: float) -> None:
        """§9.1: CANCEL an INVITE, now or when its first provisional answer comes."""
        if transaction.request.method != b"INVITE" or transaction.state not in _PENDING:
            return
        if transaction.state is State.CALLING:
            transaction.cancel_wanted = True
            return
        request = cancel_for(transaction.request)
        cancel = ClientTransaction(request, transaction.flow, NOBODY, transaction.branch, now, State.TRYING)
        cancel.data = request.to_bytes()
        self._begin(cancel, client_key(transaction.branch, b"CANCEL"), now, None)

    # --- in ------------------------------------------------------------------------------------------

    def receive(self, response: Response, now: float) -> None:
        """§17.1.3: by the branch of the top Via and the method of CSeq; else stray."""
        via = response.via
        transaction = None
        if via is not None:
            key = client_key(via.branch, response.cseq_method)
            transaction = self._clients.get(key)
        if transaction is None or transaction.request.method != response.cseq_method:
            self.stray_responses += 1
            return
        take_top_via(response)
        if transaction.request.method == b"INVITE":
            self._invite_answered(transaction, key, response, now)
        elif response.status >= 200:
            # The table's (TRYING or PROCEEDING, final) -> (COMPLETED, TELL), without Timer K.
            del self._clients[key]
            transaction.state = State.COMPLETED
            transaction.leave_owner().on_response(transaction, response, now)
        else:
            transaction.state = State.PROCEEDING
            transaction.owner.on_response(transaction, response, now)

    def _invite_answered(
        self, transaction: ClientTransaction, key: bytes, response: Response, now: float
    ) -> None:
        status = response.status
        kind = Input.PROVISIONAL if status < 200 else Input.SUCCESS if status < 300 else Input.FAILURE
        step = tables.INVITE_CLIENT.get((transaction.state, kind))
        if step is None:
            return
        former, transaction.state = transaction.state, step[0]
        if step[1] in (Action.TELL_AND_ACK, Action.ACK_AGAIN):
            self._acknowledge(transaction, response)
        if former is not transaction.state and status >= 200:
            delay = TIMER_M if status < 300 else 0.0 if transaction.flow.is_reliable else TIMER_D
            self._forget_after(delay, key, now)
        if transaction.cancel_wanted and transaction.state is State.PROCEEDING:
            transaction.cancel_wanted = False
            self.cancel(transaction, now)
        if step[1] is not Action.ACK_AGAIN:
            transaction.owner.on_response(transaction, response, now)

    def _acknowledge(self, transaction: ClientTransaction, response: Response) -> None:
        try:
            self._send(ack_for(transaction.request, response).to_bytes(), transaction.flow)
        except TransportError:
            # §17.1.1.2: the failure has reached the owner; the peer sends its answer again.
            self.retransmissions_out += 0

    def _forget_after(self, delay: float, key: bytes, now: float) -> None:
        if delay:
            self.timers.add(delay, b"forget " + key, now)
        else:
            self._clients.pop(key, None)

    # --- timers --------------------------------------------------------------------------------------

    def fire(self, key: bytes, now: float) -> None:
        """Timer A or E, B or F, the branch limit; or the end of Completed and Accepted."""
        if key.startswith(b"forget "):
            self._clients.pop(key[7:], None)
            return
        transaction = self._clients.get(key)
        if transaction is None or transaction.state not in _PENDING:
            return
        age = now - transaction.started
        is_ringing = transaction.request.method == b"INVITE" and transaction.state is State.PROCEEDING
        if is_ringing:
            transaction.limit_at = 0.0
            return
        if age >= TIMER_F - _EPSILON:
            self._give_up(transaction, key, now)
            return
        if transaction.limit_at and now >= transaction.limit_at - _EPSILON:
            transaction.limit_at = 0.0
            transaction.owner.on_limit(transaction, now)
            if key not in self._clients:
                return
        self._retransmit(transaction, key, now)

    def _retransmit(self, transaction: ClientTransaction, key: bytes, now: float) -> None:
        """Timers A and E: at 0.5, 1.5, 3.5, 7.5 s ... (§17.1.1.2, §17.1.2.2); on streams only the ticks."""
        if now >= transaction.due - _EPSILON:
            if not transaction.flow.is_reliable:
                self.retransmissions_out += 1
                self._put(transaction, key)
            transaction.interval = _next_interval(transaction)
            transaction.due += transaction.interval
        wake_at = min(transaction.due, transaction.started + TIMER_F)
        if transaction.limit_at:
            wake_at = min(wake_at, transaction.limit_at)
        # Rounded up, so that the queues stay few: one per interval.
        self.timers.add(ceil((wake_at - now - _EPSILON) * _GRAINS) / _GRAINS, key, now)

    def _give_up(self, transaction: ClientTransaction, key: bytes, now: float) -> None:
        """Timer B or F."""
        del self._clients[key]
        transaction.state = State.TERMINATED
        transaction.leave_owner().on_timeout(transaction, now)

    def fail(self, key: bytes, now: float) -> None:
        """The transport failed; what has its final answer does not mind."""
        transaction = self._clients.get(key)
        if transaction is None or transaction.state not in _PENDING:
            return
        del self._clients[key]
        transaction.state = State.TERMINATED
        transaction.leave_owner().on_transport_error(transaction, now)

    def fail_flow(self, flow: Flow, now: float) -> None:
        """All that went out on a flow that has closed."""
        for key in [key for key, transaction in self._clients.items() if transaction.flow == flow]:
            self.fail(key, now)

    def fail_late(self, now: float) -> None:
        """Tell the owners of what could not even be sent."""
        failed, self.failed = self.failed, []
        for key in failed:
            self.fail(key, now)

    @property
    def open(self) -> int:
        """Transactions without a final answer."""
        return sum(transaction.state in _PENDING for transaction in self._clients.values())


def _next_interval(transaction: ClientTransaction) -> float:
    """Doubling; Timer E stops at T2, and is T2 once a provisional answer came; Timer A has no cap."""
    doubled = 2 * transaction.interval
    if transaction.request.method == b"INVITE":
        return doubled
    return T2 if transaction.state is State.PROCEEDING else min(doubled, T2)


def take_top_via(response: Response) -> None:
    """Remove our Via (§16.7 step 3). Nobody reads the next one again: `response.via` is None from here on."""
    response.via = None
    fields = response.headers.fields
    position = 0
    if not fields or fields[0][0] != b"via":
        position = next((place for place, (name, _) in enumerate(fields) if name == b"via"), -1)
        if position < 0:
            return
    line = fields[position][1]
    value = line.partition(b":")[2].strip(b" \t")
    rest = split_outside(value, b",")[1:] if b"," in value else []
    if rest:
        fields[position] = (b"via", b"Via: " + b", ".join(rest))
    else:
        del fields[position]

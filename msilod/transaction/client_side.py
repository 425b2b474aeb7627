"""ClientTransactions: sends requests, retransmits, and matches responses (RFC 3261 §17.1, §9.1).

One short cut bypasses the tables, on the path of every relayed MESSAGE: a non-INVITE client transaction is removed at
its final response. Timer K would only absorb retransmitted responses; and a response without a transaction is dropped
and never forwarded (RFC 6026 §7.3, §8). The short cut saves 1 us, and 150,000 live transactions at 30,000 a second.

Timers A and B (or E and F) and the branch limit share one alarm. `_tick` runs the timers which are due and sets the
alarm to the next deadline.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msilod.errors import TransportError
from msilod.sip.flow import Flow
from msilod.sip.message import Request, Response
from msilod.transaction.client_transaction import ClientOwner, ClientTransaction
from msilod.transaction.key import cancel_key
from msilod.transaction.own_requests import ack_for, cancel_for
from msilod.transaction.responses import take_top_via
from msilod.transaction.server_transaction import Send
from msilod.transaction.tables import NICT, Action, Input, State
from msilod.transaction.timers import PATIENCE, T1, T2, TimerQueues, interval

_CALLING: Final = State.CALLING
_COMPLETED: Final = State.COMPLETED
_PROCEEDING: Final = State.PROCEEDING


class _IgnoringOwner:
    """Owner of the CANCELs sent by the layer.

    The response to the INVITE reports the outcome, so all events are ignored.
    """

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """200 or 481."""

    def on_limit(self, transaction: ClientTransaction, now: float) -> None:
        """Never called: no limit is set."""

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        """The INVITE ends at the same time."""

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        """The INVITE ends at the same time."""


_IGNORING_OWNER: Final = _IgnoringOwner()


def _raise(error: Exception) -> None:
    raise error


class ClientTransactions:
    """Live client transactions by branch; CANCELs by `cancel_key`."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._live: dict[bytes, ClientTransaction] = {}
        self._timers = TimerQueues()
        first = self._timers.queue(T1)
        self._first_times = first.times.append
        self._first_keys = first.keys.append
        self._unsent: list[tuple[float, bytes]] = []
        self.on_stray: Callable[[Response, Flow, float], None] = lambda response, flow, now: None
        # Called with an exception of an owner in a timer call.
        self.on_error: Callable[[Exception], None] = _raise
        self.stray_responses = 0
        self.retransmissions_out = 0

    # --- requests out --------------------------------------------------------------------------------

    def request(
        self, request: Request, flow: Flow, owner: ClientOwner, now: float, branch: bytes, limit: float | None
    ) -> ClientTransaction:
        """See TransactionLayer.request."""
        request.headers.fields.insert(0, (b"via", flow.endpoint.via_line + branch))
        transaction = ClientTransaction(request, flow, owner, branch, now)
        if limit is not None:
            transaction.limit_at = now + limit
        self._begin(transaction, now)
        return transaction

    @property
    def live(self) -> Mapping[bytes, ClientTransaction]:
        """All live client transactions by key."""
        return self._live

    def awaits(self, branch: bytes) -> bool:
        """See TransactionLayer.awaits."""
        return branch in self._live

    def _begin(self, transaction: ClientTransaction, now: float) -> None:
        """Enter CALLING or TRYING, and start Timer A or E."""
        branch = transaction.branch
        self._live[branch] = transaction
        self._first_times(now)
        self._first_keys(branch)
        if 0.0 < transaction.limit_at < transaction.alarm:
            self._wait_until(transaction, transaction.limit_at)
        data = transaction.request.to_bytes()
        if not transaction.flow.connection:
            transaction.data = data
        try:
            self._send(data, transaction.flow)
        except TransportError:
            # The caller is still inside `request`, and gets the error from the next `handle_timeout`.
            self._unsent.append((now, branch))

    def cancel(self, transaction: ClientTransaction, now: float) -> None:
        """See TransactionLayer.cancel."""
        if transaction.request.method != b"INVITE":
            return
        if transaction.state is _CALLING:
            transaction.wants_cancel = True
        elif transaction.state is _PROCEEDING and not transaction.alarm:
            transaction.alarm = self._timers.add(PATIENCE, transaction.branch, now)
            request, key = cancel_for(transaction.request), cancel_key(transaction.branch)
            self._begin(ClientTransaction(request, transaction.flow, _IGNORING_OWNER, key, now), now)

    # --- responses in --------------------------------------------------------------------------------

    def receive(self, response: Response, flow: Flow, now: float) -> None:
        """See TransactionLayer.receive_response."""
        transaction = self._match(response)
        if transaction is None:
            self.stray_responses += 1
            self.on_stray(response, flow, now)
            return
        if transaction.machine is NICT:
            take_top_via(response)
            if response.status >= 200:
                # The short cut: (TRYING or PROCEEDING, FINAL) -> (COMPLETED, TELL_RESPONSE), without Timer K.
                del self._live[transaction.branch]
                transaction.state = _COMPLETED
                transaction.owner.on_response(transaction, response, now)
            else:
                self._step(transaction, Input.PROVISIONAL, now, response)
        else:
            self._receive_for_invite(transaction, response, now)

    def _match(self, response: Response) -> ClientTransaction | None:
        """Find the transaction by branch and CSeq method (§17.1.3)."""
        via = response.via
        if via is None:
            return None
        method = response.cseq_method
        found = self._live.get(via.branch if method != b"CANCEL" else cancel_key(via.branch))
        return found if found is not None and found.request.method == method else None

    def _receive_for_invite(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        status = response.status
        kind = Input.PROVISIONAL if status < 200 else Input.SUCCESS if status < 300 else Input.FAILURE
        take_top_via(response)
        self._step(transaction, kind, now, response)
        if transaction.wants_cancel and transaction.state is _PROCEEDING:
            self.cancel(transaction, now)

    # --- the machine ---------------------------------------------------------------------------------

    def _step(
        self, transaction: ClientTransaction, happened: Input, now: float, response: Response | None = None
    ) -> None:
        step = transaction.machine.table.get((transaction.state, happened))
        if step is None:
            return
        previous, transaction.state = transaction.state, step[0]
        if previous is not step[0]:
            self._enter(transaction, now)
        self._perform(transaction, step[1], now, response)

    def _perform(
        self, transaction: ClientTransaction, action: Action, now: float, response: Response | None
    ) -> None:
        if response is not None:
            if action in (Action.ACK_AND_TELL, Action.ACK_AGAIN):
                self._put(transaction, ack_for(transaction.request, response).to_bytes(), now)
            if action in (Action.ACK_AND_TELL, Action.TELL_RESPONSE):
                transaction.owner.on_response(transaction, response, now)
        elif action is Action.SEND_AGAIN:
            self.retransmissions_out += 1
            self._put(transaction, transaction.data, now)
        elif action is Action.TELL_TIMEOUT:
            transaction.owner.on_timeout(transaction, now)
        elif action is Action.TELL_TRANSPORT_ERROR:
            transaction.owner.on_transport_error(transaction, now)

    def _enter(self, transaction: ClientTransaction, now: float) -> None:
        if transaction.state is State.TERMINATED:
            del self._live[transaction.branch]
        elif transaction.machine is not NICT:
            # Timers A and B and the limit end with the first answer (§17.1.1.2).
            transaction.alarm = transaction.limit_at = 0.0
            for timer in transaction.machine.timers.get(transaction.state, ()):
                seconds = interval(timer, transaction.flow.is_reliable)
                if seconds:
                    transaction.alarm = self._timers.add(seconds, transaction.branch, now)
                else:
                    self._step(transaction, timer, now)

    def _put(self, transaction: ClientTransaction, data: bytes, now: float) -> None:
        try:
            self._send(data, transaction.flow)
        except TransportError:
            self._step(transaction, Input.TRANSPORT_ERROR, now)

    # --- failures ------------------------------------------------------------------------------------

    def fail(self, key: bytes, now: float) -> None:
        """Report a transport error to the transaction with this key, if there is one."""
        transaction = self._live.get(key)
        if transaction is not None:
            self._step(transaction, Input.TRANSPORT_ERROR, now)

    def fail_flow(self, flow: Flow, now: float) -> None:
        """Report a transport error to all transactions on this flow.

        This scans all live transactions, since connections rarely close with many of these.
        """
        for key in [key for key, transaction in self._live.items() if transaction.flow == flow]:
            self._fail_alone(key, now)

    def _fail_alone(self, key: bytes, now: float) -> None:
        """Report a transport error.

        An exception of the owner goes to `on_error`, and other transactions are served.
        """
        try:
            self.fail(key, now)
        except MemoryError:
            raise
        except Exception as error:
            self.on_error(error)

    # --- timers --------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """Return the earliest alarm, in the past when a request could not be sent."""
        return self._unsent[0][0] if self._unsent else self._timers.next_deadline()

    def handle_timeout(self, now: float) -> None:
        """Run all timers due at `now`."""
        unsent, self._unsent = self._unsent, []
        for _, key in unsent:
            self._fail_alone(key, now)
        for deadline, _, key in self._timers.due(now, self._live):
            transaction = self._live.get(key)
            if transaction is not None and deadline == transaction.alarm:
                try:
                    self._fire(transaction, now)
                except MemoryError:
                    raise
                except Exception as error:
                    # An exception of one owner must not stop the timers of other owners.
                    self.on_error(error)

    def _fire(self, transaction: ClientTransaction, now: float) -> None:
        if transaction.state > _PROCEEDING:
            self._step(transaction, transaction.machine.timers[transaction.state][0], now)
        elif transaction.machine is NICT or transaction.state is _CALLING:
            self._tick(transaction, now)
        else:
            self._step(transaction, Input.CANCEL_EXPIRED, now)

    def _tick(self, transaction: ClientTransaction, now: float) -> None:
        """Run the branch limit, Timer B or F, and Timer A or E, in this order, when due."""
        if 0.0 < transaction.limit_at <= now:
            transaction.limit_at = 0.0
            transaction.owner.on_limit(transaction, now)
        machine = transaction.machine
        if now >= transaction.started + PATIENCE and machine.give_up is not None:
            self._step(transaction, machine.give_up, now)
        elif now >= transaction.resend_at and machine.resend is not None:
            doubled = 2 * transaction.interval
            if machine is NICT:
                doubled = T2 if transaction.state is _PROCEEDING else min(doubled, T2)
            transaction.interval = doubled
            transaction.resend_at = now + doubled
            if not transaction.flow.is_reliable:
                self._step(transaction, machine.resend, now)
        if transaction.state <= _PROCEEDING:
            self._wait(transaction, now)

    def _wait(self, transaction: ClientTransaction, now: float) -> None:
        """Set the alarm to the next retransmission, the branch limit, or Timer B or F: the earliest counts."""
        deadline = min(transaction.resend_at, transaction.started + PATIENCE)
        if transaction.limit_at:
            deadline = min(deadline, transaction.limit_at)
        if deadline == now + transaction.interval:
            transaction.alarm = self._timers.add(transaction.interval, transaction.branch, now)
        else:
            self._wait_until(transaction, deadline)

    def _wait_until(self, transaction: ClientTransaction, deadline: float) -> None:
        transaction.alarm = deadline
        self._timers.add_at(deadline, transaction.branch)

    @property
    def open(self) -> int:
        """Transactions without a final answer."""
        return sum(transaction.state <= _PROCEEDING for transaction in self._live.values())

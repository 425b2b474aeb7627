"""Sending: sends one stored MESSAGE to one contact, and gives the result to the run."""

from collections.abc import Callable
from functools import partial
from typing import Final

from msilod.clock import Clock
from msilod.delivering.attempt import Attempt, AttemptEnds
from msilod.delivering.carrying_out import CarryingOut
from msilod.delivering.historian import Historian
from msilod.delivering.outgoing import request_for, size_of, target_of
from msilod.errors import SipError
from msilod.log import get_log
from msilod.proxy.forwarding import DELIVERY, branch_for
from msilod.proxy.target_set import Target
from msilod.reaching.apart import Apart
from msilod.reaching.paths import Paths
from msilod.silo.compose.delivery_request import Unsendable
from msilod.silo.policy import SiloPolicy
from msilod.silo.runs.delivery_run import DeliveryRun, Send, Why
from msilod.silo.runs.overdue import Overdue
from msilod.silo.stored_message import StoredMessage
from msilod.sip.flow import Flow
from msilod.sip.message import Response
from msilod.sip.retry_after import parse_retry_after
from msilod.transaction.layer import TransactionLayer

# The status of a row acceptable to no device: 606 Not Acceptable. The status rejects the row.
UNSENDABLE: Final = 606


class Sending(AttemptEnds):
    """Carries out `Send`. Nothing is sent while `is_stopping` is True."""

    def __init__(
        self,
        deliverer: CarryingOut,
        policy: SiloPolicy,
        layer: TransactionLayer,
        paths: Paths,
        historian: Historian,
        overdue: Overdue,
        apart: Apart,
        clock: Clock,
        random: Callable[[], bytes],
    ) -> None:
        self._deliverer = deliverer
        self.policy = policy
        self._layer = layer
        self._overdue = overdue
        self._paths = paths
        self._historian = historian
        self._apart = apart
        self._clock = clock
        self._random = random
        self.is_stopping = False

    def send(self, run: DeliveryRun, step: Send, now: float) -> None:
        """Send the MESSAGE, with a short delay after a REGISTER on the same stream (reaching/apart.py)."""
        if self._apart.noted and self._apart.holds(step.contact.key, now, partial(self._send_now, run, step)):
            return
        self._send_now(run, step, now)

    def _send_now(self, run: DeliveryRun, step: Send, now: float) -> None:
        target, size = target_of(step.row, step.contact.binding, self.policy), size_of(step.row)
        self._paths.way_to(target, partial(self._send_on, run, step, target), now, size)

    def _send_on(self, run: DeliveryRun, step: Send, target: Target, flow: Flow | None, now: float) -> None:
        if flow is None:
            self._unreachable(run, step, now)
            return
        if self.is_stopping or not run.wants(step.row.id):
            self._deliverer.carry_out(run, run.unsent(step.row.id, step.contact.key, self._clock.wall()), now)
            return
        try:
            request, how = request_for(step.row, step.contact.binding, self.policy, self._clock.ahead)
        except SipError as error:
            self._unmade(run, step, error, now)
            return
        attempt = Attempt(self, run, step.row, step.contact, how)
        owner = self._paths.watched(attempt, target, flow, now)
        self._layer.request(request, flow, owner, now, branch_for(self._random(), DELIVERY))

    def _unmade(self, run: DeliveryRun, step: Send, error: SipError, now: float) -> None:
        """Handle a failure to make the request.

        A row unsendable to all contacts is rejected. Otherwise later rows would wait for ever. For other errors the
        stored contact or Path is unusable, and the row waits for another contact.
        """
        if not isinstance(error, Unsendable):
            self._unreachable(run, step, now)
            return
        row, contact = step.row, step.contact
        get_log().error("a message cannot be sent", id=row.id, aor=row.aor, reason=str(error))
        self._historian.refused(row, contact, UNSENDABLE)
        steps = run.answered(row.id, contact.key, UNSENDABLE, None, self._clock.wall())
        self._deliverer.carry_out(run, steps, now)

    def _unreachable(self, run: DeliveryRun, step: Send, now: float) -> None:
        self._historian.silent(step.row, step.contact, "transport")
        steps = run.failed(step.row.id, step.contact.key, "transport", self._clock.wall())
        self._deliverer.carry_out(run, steps, now)

    def answered(self, attempt: Attempt, response: Response, now: float) -> None:
        """Give the final response to the run, also long after the run went on."""
        retry_after = None
        if response.status >= 300:
            retry_after = parse_retry_after(response.headers.get(b"retry-after"))
            self._historian.refused(attempt.row, attempt.contact, response.status)
        run = attempt.run
        key, wall = attempt.contact.key, self._clock.wall()
        steps = run.answered(attempt.row.id, key, response.status, retry_after, wall, attempt.how)
        self._deliverer.carry_out(run, steps, now)

    def failed(self, attempt: Attempt, why: Why, now: float) -> None:
        """Give the failure to the run."""
        run = attempt.run
        self._historian.silent(attempt.row, attempt.contact, why)
        self._deliverer.carry_out(
            run, run.failed(attempt.row.id, attempt.contact.key, why, self._clock.wall()), now
        )

    def is_own_answer(self, response: Response, branch: bytes) -> bool:
        """True for a response that this daemon made, because the request came back here."""
        return self._layer.is_own_answer(response, branch)

    def await_late_answer(self, branch: bytes, row: StoredMessage) -> None:
        """Remember the row of an ended attempt for a late 2xx."""
        self._overdue.add(branch, row)

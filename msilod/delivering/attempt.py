"""Attempt: one stored MESSAGE on the wire to one contact, as the owner of the client transaction."""

from abc import ABC, abstractmethod

from msilod.silo.runs.delivery_run import DeliveryRun, RunContact, Why
from msilod.silo.runs.device_runs import is_for_device
from msilod.silo.stored_message import Ending, StoredMessage
from msilod.sip.message import Response
from msilod.transaction.client_transaction import ClientTransaction


class AttemptEnds(ABC):
    """Receives the end of an attempt. Implemented by Sending (sending.py)."""

    @abstractmethod
    def answered(self, attempt: "Attempt", response: Response, now: float) -> None:
        """Handle the final response to an attempt. The run may have gone on or ended meanwhile."""

    @abstractmethod
    def failed(self, attempt: "Attempt", why: Why, now: float) -> None:
        """Handle an attempt without a final response: "timeout", or "transport" for an error of the transport."""

    @abstractmethod
    def is_own_answer(self, response: Response, branch: bytes) -> bool:
        """True for a response that this daemon made, because the request came back here."""

    @abstractmethod
    def await_late_answer(self, branch: bytes, row: StoredMessage) -> None:
        """Remember the row of an ended attempt for a late 2xx (silo/runs/overdue.py)."""


class Attempt:
    """The owner of the client transaction of one delivery.

    The transaction runs until Timer F (32 s), within the 40 s allowed for an attempt; no limit is set for the branch.
    `how` is how the row ends after a 2xx: delivered, or handed to a b2bua.
    """

    __slots__ = ("contact", "deliverer", "how", "row", "run")

    def __init__(
        self, deliverer: AttemptEnds, run: DeliveryRun, row: StoredMessage, contact: RunContact, how: Ending
    ) -> None:
        self.deliverer = deliverer
        self.run = run
        self.row = row
        self.contact = contact
        self.how = how

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """End the attempt at a final response. Provisional responses are ignored."""
        if response.status >= 300 and self.deliverer.is_own_answer(response, transaction.branch):
            # The request came back to this daemon. The response (482 or 480) is the daemon's own and not the phone's.
            self.deliverer.failed(self, "transport", now)
        elif response.status >= 200:
            self.deliverer.answered(self, response, now)

    def on_limit(self, transaction: ClientTransaction, now: float) -> None:
        """Never called: no limit is set."""

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        """End the attempt at Timer F."""
        self._remember(transaction)
        self.deliverer.failed(self, "timeout", now)

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        """End the attempt after an ICMP error or the end of the connection."""
        self._remember(transaction)
        self.deliverer.failed(self, "transport", now)

    def _remember(self, transaction: ClientTransaction) -> None:
        """Remember the attempt for a late 2xx. Not for a b2bua and not for one device of several (overdue.py)."""
        if self.how is Ending.DELIVERED and not is_for_device(self.run.aor):
            self.deliverer.await_late_answer(transaction.branch, self.row)

"""Attempt: one stored MESSAGE on the wire to one contact; the owner of its client transaction."""

from abc import ABC, abstractmethod

from msilod.silo.runs.delivery_run import DeliveryRun, RunContact, Why
from msilod.silo.runs.device_runs import is_for_device
from msilod.silo.runs.overdue import Overdue
from msilod.silo.stored_message import Ending, StoredMessage
from msilod.sip.message import Response
from msilod.transaction.client_transaction import ClientTransaction
from msilod.transaction.layer import TransactionLayer


class AttemptEnds(ABC):
    """Hears of the end (sending.py)."""

    overdue: Overdue
    layer: TransactionLayer

    @abstractmethod
    def answered(self, attempt: "Attempt", response: Response, now: float) -> None:
        """A final answer, perhaps long after the run went on."""

    @abstractmethod
    def failed(self, attempt: "Attempt", why: Why, now: float) -> None:
        """Silence, or no transport."""


class Attempt:
    """Deliveries run to Timer F (32 s), inside the 40 s that one attempt may take; no branch limit.

    `how` is what a 2xx to it is worth.
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
        """Provisional answers say nothing; a final one ends the attempt."""
        if response.status >= 300 and self.deliverer.layer.is_own_answer(response, transaction.branch):
            # The request came back to us, and our 482 or 480 is not the word of the phone.
            self.deliverer.failed(self, "transport", now)
        elif response.status >= 200:
            self.deliverer.answered(self, response, now)

    def on_limit(self, transaction: ClientTransaction, now: float) -> None:
        """Not asked for."""

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        """Timer F."""
        self._remember(transaction)
        self.deliverer.failed(self, "timeout", now)

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        """ICMP, or a closed connection."""
        self._remember(transaction)
        self.deliverer.failed(self, "transport", now)

    def _remember(self, transaction: ClientTransaction) -> None:
        """For a 2xx that comes after all."""
        if self.how is Ending.DELIVERED and not is_for_device(self.run.aor):
            self.deliverer.overdue.add(transaction.branch, self.row)

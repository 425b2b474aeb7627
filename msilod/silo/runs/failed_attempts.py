"""FailedAttempts: applies the consequences of a failed attempt to the row, the contact and the device.

The decision table (decision_table.py) decides: the contact stops for this run and backs off, or the contact is out
until the next registration, or the row is taken from the device. A row is rejected when no known device is left to ask.
"""

from collections.abc import Sequence

from msilod.silo.runs.decision_table import (
    SILENCE,
    SPACING,
    Outcome,
    Pause,
    Why,
    judge_queued,
    pause,
    verdict_of,
)
from msilod.silo.runs.leased_rows import Held, LeasedRows, phrase
from msilod.silo.runs.recipient_memory import RecipientMemory
from msilod.silo.runs.run_contacts import RunContact, RunContacts
from msilod.silo.runs.steps import Reject, Step


class FailedAttempts:
    """The failed attempts of one run. `has_stopped`: a contact was stopped. `retry`: [silo] retry."""

    __slots__ = ("_contacts", "_hand", "_memory", "has_stopped")

    def __init__(self, memory: RecipientMemory, hand: LeasedRows) -> None:
        self.has_stopped = False
        self._memory = memory
        self._contacts: RunContacts = memory.contacts
        self._hand = hand

    def answered(
        self,
        row_id: int,
        contact: RunContact,
        status: int,
        wait: int | None,
        now: float,
        retry: Sequence[int],
    ) -> list[Step]:
        """Handle a final response other than 2xx to an open attempt. `wait`: Retry-After in seconds."""
        held, verdict = self._hand.live(row_id), verdict_of(status)
        flows = (contact,) if verdict.tries_next_flow else self._contacts.flows_of(contact)
        outcome = judge_queued(status, wait)
        if held is not None:
            held.note(status, phrase(status))
            if verdict.pause is Pause.SPACED:
                held.not_before = now + SPACING
                if self._memory.is_spent(row_id):
                    outcome = Outcome.REFUSED
            held.was_answered = held.was_answered or outcome is Outcome.KEEP
        if outcome is Outcome.KEEP:
            self._stop(flows, status, wait, now, retry)
        elif outcome is Outcome.CONTACT_OUT:
            self._contacts.rule_out(flows)
        elif held is not None:
            return self._refused(held, contact, status, now)
        return []

    def silent(self, row_id: int, contact: RunContact, why: Why, now: float, retry: Sequence[int]) -> None:
        """Handle an attempt without a response, or without a transport."""
        status, text = SILENCE[why]
        held = self._hand.live(row_id)
        if held is not None:
            held.note(status, text)
            held.met_silence = True
            if contact.has_lost(held.bulk, why == "timeout"):
                # Smaller rows behind this row may reach the contact.
                self.has_stopped = True
                held.not_before = now + pause(status, None, self._memory.stops, retry)
                return
        self._stop((contact,), status, None, now, retry)

    def late(self, row_id: int, status: int, is_succeeded: bool) -> list[Step]:
        """Handle a 6xx to an ended attempt: the recipient was reached and has refused.

        `is_succeeded`: another run of the recipient is in progress.
        """
        held = self._hand.live(row_id)
        if held is not None:
            return [self._hand.reject(held, status)]
        if row_id not in self._hand.given_back:
            return []
        self._hand.given_back.discard(row_id)
        if is_succeeded:
            # The next run may have the row in hand, and rejects the row.
            self._memory.refuse(row_id, None, status)
            return []
        self._memory.forget_row(row_id)
        return [Reject(self._hand.former[row_id], status, phrase(status))]

    def _refused(self, held: Held, contact: RunContact, status: int, now: float) -> list[Step]:
        self._memory.refuse(held.row.id, contact.device, status)
        known = self._contacts.devices(now, held.is_for_sips)
        refused = self._memory.refused_with(held.row.id, known)
        return [self._hand.reject(held, refused)] if refused else []

    def _stop(
        self, flows: Sequence[RunContact], status: int, wait: int | None, now: float, retry: Sequence[int]
    ) -> None:
        self.has_stopped = True
        retry_at = now + pause(status, wait, self._memory.stops, retry)
        is_told = wait is not None and verdict_of(status).heeds_retry_after
        self._contacts.stop(flows, retry_at, retry_at if is_told else 0.0)

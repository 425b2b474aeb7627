"""Online outcome: applies the results of a relayed MESSAGE to the stored row and to later runs.

A device is not asked again earlier than the decision table says, after a relayed request as after a delivery. 405 and
similar take the contact out, 415 and similar take the row from the contact, and Retry-After and the back-off delay the
next attempt. The relayed request is the first step of the back-off, so the next run takes the second step. Times are
silo time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from msilod.registrar.binding import Binding
from msilod.silo.runs.decision_table import NO_TRANSPORT, SILENCE, Outcome, judge_queued, pause, verdict_of
from msilod.silo.runs.leased_rows import phrase
from msilod.silo.runs.recipient_memory import RecipientMemory
from msilod.silo.stored_message import StoredMessage


@dataclass(slots=True)
class OnlineEnd:
    """The end of a branch. `was_silent`: `status` is NO_ANSWER or NO_TRANSPORT. `retry_after` in seconds."""

    status: int
    retry_after: int | None = None
    binding: Binding | None = None
    was_silent: bool = False

    @property
    def outcome(self) -> Outcome:
        """The outcome for a row."""
        return judge_queued(self.status, self.retry_after)

    @property
    def tells_of_contact(self) -> bool:
        """True if the response is valid for other messages as well."""
        if self.retry_after is not None and verdict_of(self.status).heeds_retry_after:
            return self.outcome is Outcome.KEEP
        return self.outcome is Outcome.CONTACT_OUT


def next_attempt(ends: Sequence[OnlineEnd], stops: int, retry: Sequence[int], now: float) -> float | None:
    """The earliest next attempt to one of the contacts. None if only a REGISTER can help.

    `stops` and `retry`: see decision_table.pause.
    """
    kept = [end for end in ends if end.outcome is Outcome.KEEP]
    return min((now + pause(end.status, end.retry_after, stops, retry) for end in kept), default=None)


def mark(row: StoredMessage, ends: Sequence[OnlineEnd], next_attempt_at: float | None) -> None:
    """Write the results of the relay into the row, before the row is stored."""
    answered = [end for end in ends if not end.was_silent]
    row.next_attempt_at = next_attempt_at
    row.attempts = int(any(end.outcome is Outcome.KEEP for end in answered))
    if answered:
        row.last_status, row.last_reason = answered[-1].status, phrase(answered[-1].status)
    elif ends:
        is_dead = all(end.status == NO_TRANSPORT for end in ends)
        row.last_status, row.last_reason = SILENCE["transport" if is_dead else "timeout"]


def note_contacts(
    memory: RecipientMemory, ends: Sequence[OnlineEnd], retry: Sequence[int], now: float
) -> None:
    """Remember responses valid for all messages: the contact is out, or waits until Retry-After."""
    for end in ends:
        if end.binding is None or not end.tells_of_contact:
            continue
        contact = memory.contacts.mention(end.binding, now)
        if end.outcome is Outcome.CONTACT_OUT:
            memory.contacts.rule_out([contact])
        else:
            contact.not_before = now + pause(end.status, end.retry_after, memory.stops, retry)


def remember(
    memory: RecipientMemory, row_id: int, ends: Sequence[OnlineEnd], retry: Sequence[int], now: float
) -> None:
    """Remember the responses for the contacts and for the row. The row has an id now."""
    note_contacts(memory, ends, retry, now)
    for end in ends:
        if end.binding is None:
            continue
        # A contact known here is not new to the next run, so the next run does not restart the back-off.
        contact = memory.contacts.mention(end.binding, now)
        if end.outcome in (Outcome.REFUSED, Outcome.CONTACT_TYPE):
            memory.refuse(row_id, contact.device, end.status)
    if any(end.outcome is Outcome.KEEP for end in ends):
        memory.stops = max(memory.stops, 1)

"""What the branches of an online MESSAGE said, for the row that is stored of it and for the runs to come.

Rules: a device that answered is not asked again sooner than the decision table says, whether the request was
online or queued: 405 and its kind take the contact out, 415 and its kind this row from it, Retry-After and the
back-off hold until then. The first failure is the first step of the back-off, so the run after it takes the
second. Plain data in, the recipient's memory changed; times are wall seconds (UTC).
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
    """How a branch ended: `status` NO_ANSWER or NO_TRANSPORT when it `was_silent`; `retry_after` in seconds."""

    status: int
    retry_after: int | None = None
    binding: Binding | None = None
    was_silent: bool = False

    @property
    def outcome(self) -> Outcome:
        """What it means for a row."""
        return judge_queued(self.status, self.retry_after)

    @property
    def tells_of_contact(self) -> bool:
        """True when it holds for other messages as well."""
        if self.retry_after is not None and verdict_of(self.status).heeds_retry_after:
            return self.outcome is Outcome.KEEP
        return self.outcome is Outcome.CONTACT_OUT


def next_attempt(ends: Sequence[OnlineEnd], stops: int, retry: Sequence[int], now: float) -> float | None:
    """When the first of these contacts is worth another try; None when only a REGISTER can help.

    `stops` and `retry` are those of `verdicts.pause`.
    """
    kept = [end for end in ends if end.outcome is Outcome.KEEP]
    return min((now + pause(end.status, end.retry_after, stops, retry) for end in kept), default=None)


def mark(row: StoredMessage, ends: Sequence[OnlineEnd], next_attempt_at: float | None) -> None:
    """Write into the row, before it is stored, what its online attempt came to."""
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
    """Keep what these contacts said of themselves: no MESSAGE at all, or none before Retry-After."""
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
    """Keep what these contacts said, of themselves and of the row, which has its id now."""
    note_contacts(memory, ends, retry, now)
    for end in ends:
        if end.binding is None:
            continue
        # Who is known is no new contact to the run that comes, and does not begin the back-off again.
        contact = memory.contacts.mention(end.binding, now)
        if end.outcome in (Outcome.REFUSED, Outcome.CONTACT_TYPE):
            memory.refuse(row_id, contact.device, end.status)
    if any(end.outcome is Outcome.KEEP for end in ends):
        memory.stops = max(memory.stops, 1)

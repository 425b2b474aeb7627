"""History: what has happened to a message, one entry per event, kept longer than the message itself.

Rules: an entry per failed attempt, per change by an operator, and one for the end, however it came; nothing
else. Plain data.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from msilod.silo.stored_message import Ending


class Event(StrEnum):
    """What happened."""

    FAILED = "failed"
    HELD = "held"
    RELEASED = "released"
    REQUEUED = "requeued"
    TAKEN = "taken"
    """One of several devices has it."""
    REJECTED = "rejected"
    HANDED = "handed"
    DELIVERED = "delivered"
    EXPIRED = "expired"
    PURGED = "purged"


# After these the message is no longer in the silo.
ENDS: Final = frozenset(str(ending) for ending in (Ending.DELIVERED, Ending.EXPIRED, Ending.PURGED))


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """`message` is the id; `at` wall seconds (UTC); `status` and `reason` what `contact` answered, 408 and 503
    for silence and no transport; `actor` the operator who did it, "" for the daemon.
    """

    message: int
    aor: str
    at: float
    event: str
    status: int | None = None
    reason: str = ""
    contact: str = ""
    actor: str = ""

"""HistoryEntry: one event of a message. Entries are kept longer than the message.

There is one entry per failed attempt, one per change by an operator, and one for the end of the message.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from msilod.silo.stored_message import Ending


class Event(StrEnum):
    """The kind of an event."""

    FAILED = "failed"
    HELD = "held"
    RELEASED = "released"
    REQUEUED = "requeued"
    TAKEN = "taken"
    """One of several devices has accepted the message."""
    REJECTED = "rejected"
    HANDED = "handed"
    DELIVERED = "delivered"
    EXPIRED = "expired"
    PURGED = "purged"


# After one of these events the message is not in the silo any more.
ENDS: Final = frozenset(str(ending) for ending in (Ending.DELIVERED, Ending.EXPIRED, Ending.PURGED))


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One event of the message with the id `message`.

    `at`: silo time. `status` and `reason`: the final response of `contact`; 408 for silence, 503 for a failed
    transport. `actor`: the name of the operator, "" for the daemon.
    """

    message: int
    aor: str
    at: float
    event: str
    status: int | None = None
    reason: str = ""
    contact: str = ""
    actor: str = ""

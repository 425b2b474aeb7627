"""What the daemon asks of the writer, and what it hears back. Plain data, since it goes to another process.

A Batch is what is committed together, its Outcome what became of it; both go kind by kind, each kind in its order.
A job is what stays here meanwhile: its part of a batch, and who is to be told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from msilod.errors import StoreError
from msilod.registrar.binding import Binding
from msilod.silo.history import HistoryEntry
from msilod.silo.stored_message import StoredMessage


class Added(msgspec.Struct, array_like=True, frozen=True, tag=0):
    """The row is durable under this id, and delivered under `call_id` if its own was another's already (law 9)."""

    id: int
    call_id: bytes = b""


class Duplicate(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """The same message is kept already, or has been; `ended` says which."""

    id: int
    ended: bool


class Limit(StrEnum):
    """Whose room is used up."""

    RECIPIENT = "mailbox full"
    SENDER = "too many messages from this sender"
    SHARE = "mailbox has no more room for this sender"
    TOTAL = "silo full"
    DISK = "disk full"


class OverQuota(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """One more is too many: by `limit` there are `messages` and `bytes` already, 0 where that does not count.

    `retry_after` seconds: a full mailbox empties when its owner comes back, not at once.
    """

    messages: int
    bytes: int
    limit: Limit = Limit.RECIPIENT
    retry_after: int = 3600


class Failed(msgspec.Struct, array_like=True, frozen=True, tag=3):
    """Rolled back: nothing was kept."""

    reason: str


AddResult = Added | Duplicate | OverQuota | Failed
Done = Callable[[Any], None]
Result = tuple[Done, Any]


@dataclass(frozen=True, slots=True)
class BindingChanges:
    """What one REGISTER changes in the table of bindings. A removal alone may be of several AORs."""

    aor: str
    saved: Sequence[Binding]
    removed: Sequence[Binding]


class End(msgspec.Struct, array_like=True):
    """A row is deleted and its hash kept, `how` at `wall`: no sync needed (law 2). `contact` is who took it."""

    id: int
    hash: bytes
    aor: str
    how: str
    status: int | None
    wall: float
    contact: str = ""


def entry_values(e: HistoryEntry) -> tuple[Any, ...]:
    """An entry of the history as it travels: the values of its fields."""
    return e.message, e.aor, e.at, e.event, e.status, e.reason, e.contact, e.actor


class Call(msgspec.Struct, array_like=True):
    """Anything rarer: one of `CALLS` (store/engine/base.py), with arguments that MessagePack knows."""

    name: str
    arguments: Sequence[Any]
    is_durable: bool


class Keeping(msgspec.Struct, array_like=True, frozen=True):
    """How much is kept and for how long: the values of Limits (limits.py), then seconds."""

    limits: Sequence[int]
    history: float
    device_memory: float


class Batch(msgspec.Struct, array_like=True):
    """What is committed together. `keeping` holds from there on, whatever becomes of the rest."""

    adds: list[StoredMessage] = []
    ends: list[End] = []
    calls: list[Call] = []
    keeping: Keeping | None = None

    def __len__(self) -> int:
        return len(self.adds) + len(self.ends) + len(self.calls)

    @classmethod
    def of(cls, batches: Sequence["Batch"]) -> "Batch":
        """All that is committed in one transaction."""
        first, *others = batches
        for other in others:
            first.adds += other.adds
            first.ends += other.ends
            first.calls += other.calls
        return first

    def failed(self, error: StoreError) -> "Outcome":
        """Nothing of it was kept."""
        return Outcome(
            adds=[Failed(str(error))] * len(self.adds),
            ends=[error] * len(self.ends),
            calls=[error] * len(self.calls),
        )


class Outcome(msgspec.Struct):
    """Results for each of a batch. An end has None or a StoreError, a call what it returns or a StoreError.

    With `first` all its rows are new, `count` of them under ids from there on, and `adds` is empty.
    """

    first: int = 0
    count: int = 0
    adds: list[AddResult] = []
    ends: list[StoreError | None] = []
    calls: list[Any] = []

    def results(self) -> list[AddResult]:
        """What became of the rows, one by one."""
        if self.first:
            return [Added(id) for id in range(self.first, self.first + self.count)]
        return self.adds


class AddJob:
    """Insert a row."""

    __slots__ = ("done", "message")

    def __init__(self, message: StoredMessage, done: Done) -> None:
        self.message = message
        self.done = done


class EndJob:
    """End a row."""

    __slots__ = ("done", "end")

    def __init__(self, end: End, done: Done | None) -> None:
        self.end = end
        self.done = done


class CallJob:
    """Do anything else."""

    __slots__ = ("call", "done")

    def __init__(self, call: Call, done: Done | None) -> None:
        self.call = call
        self.done = done


Job = AddJob | EndJob | CallJob


@dataclass(frozen=True, slots=True)
class Foreign:
    """`aors` have rows that an operator has let go, `stored` have rows that are new.

    `paused` are the paused domains; None: no other process has committed.
    """

    aors: list[str]
    paused: frozenset[str] | None = None
    stored: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The rows that expired, and whether another piece is to be had at once.

    Of their bodies only those of `message/*` are here: their senders may have asked to be told (RFC 5438).
    """

    expired: Sequence[StoredMessage]
    has_more: bool

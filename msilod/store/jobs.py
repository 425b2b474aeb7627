"""Jobs of the writer and their results. Plain data, since both travel to another process.

A Batch is committed together, an Outcome has the results; both have lists kind by kind, each kind in order. A job stays
in the daemon: a part of a batch, with the callback for the result.
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
    """The row is durable under the id. `call_id`: the Call-ID for deliveries, if the own one was in use (law 9)."""

    id: int
    call_id: bytes = b""


class Duplicate(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """The same message is in the silo, or was: `ended`."""

    id: int
    ended: bool


class Limit(StrEnum):
    """The quota that refuses a row."""

    RECIPIENT = "mailbox full"
    SENDER = "too many messages from this sender"
    SHARE = "mailbox has no more room for this sender"
    TOTAL = "silo full"
    DISK = "disk full"


class OverQuota(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """A row is refused by `limit`: there are `messages` and `bytes` already, 0 where the limit does not count these.

    `retry_after`: seconds. A full mailbox has room after the return of the recipient, not at once.
    """

    messages: int
    bytes: int
    limit: Limit = Limit.RECIPIENT
    retry_after: int = 3600


class Failed(msgspec.Struct, array_like=True, frozen=True, tag=3):
    """The row was not stored."""

    reason: str


AddResult = Added | Duplicate | OverQuota | Failed
Done = Callable[[Any], None]
Result = tuple[Done, Any]


@dataclass(frozen=True, slots=True)
class BindingChanges:
    """The changes of one REGISTER in the table of bindings. Removals alone may be of several AORs."""

    aor: str
    saved: Sequence[Binding]
    removed: Sequence[Binding]


class End(msgspec.Struct, array_like=True):
    """Delete a row and keep the hash, with `how` and `wall`; no sync is needed (law 2). `contact`: the contact with the
    2xx.
    """

    id: int
    hash: bytes
    aor: str
    how: str
    status: int | None
    wall: float
    contact: str = ""


def entry_values(e: HistoryEntry) -> tuple[Any, ...]:
    """The values of an entry of the history, in the order of the fields."""
    return e.message, e.aor, e.at, e.event, e.status, e.reason, e.contact, e.actor


class Call(msgspec.Struct, array_like=True):
    """Any other job: one of `CALLS` (engine/base.py), with arguments for MessagePack."""

    name: str
    arguments: Sequence[Any]
    is_durable: bool


class Keeping(msgspec.Struct, array_like=True, frozen=True):
    """The values of Limits (limits.py), then the seconds that history and devices are kept."""

    limits: Sequence[int]
    history: float
    device_memory: float


class Batch(msgspec.Struct, array_like=True):
    """Jobs of one transaction. `keeping` holds from there on, even after an error of the jobs."""

    adds: list[StoredMessage] = []
    ends: list[End] = []
    calls: list[Call] = []
    keeping: Keeping | None = None

    def __len__(self) -> int:
        return len(self.adds) + len(self.ends) + len(self.calls)

    @classmethod
    def of(cls, batches: Sequence["Batch"]) -> "Batch":
        """The batches as one, for one transaction."""
        first, *others = batches
        for other in others:
            first.adds += other.adds
            first.ends += other.ends
            first.calls += other.calls
        return first

    def failed(self, error: StoreError) -> "Outcome":
        """The outcome when no job was kept."""
        return Outcome(
            adds=[Failed(str(error))] * len(self.adds),
            ends=[error] * len(self.ends),
            calls=[error] * len(self.calls),
        )


class Outcome(msgspec.Struct):
    """The results of a batch. The result of an end is None or a StoreError, of a call any plain data or a StoreError.

    With `first` all rows are new, `count` rows under ids from `first` on, and `adds` is empty.
    """

    first: int = 0
    count: int = 0
    adds: list[AddResult] = []
    ends: list[StoreError | None] = []
    calls: list[Any] = []

    def results(self) -> list[AddResult]:
        """The results of the rows, one by one."""
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
    """Execute a call."""

    __slots__ = ("call", "done")

    def __init__(self, call: Call, done: Done | None) -> None:
        self.call = call
        self.done = done


Job = AddJob | EndJob | CallJob


@dataclass(frozen=True, slots=True)
class Foreign:
    """`aors` have rows released or requeued by an operator, `stored` have new rows.

    `paused` are the paused domains; None: no other process has committed.
    """

    aors: list[str]
    paused: frozenset[str] | None = None
    stored: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The expired rows, and whether more rows are left for a further piece.

    Only bodies of `message/*` are included: the senders may have asked for notices (RFC 5438).
    """

    expired: Sequence[StoredMessage]
    has_more: bool

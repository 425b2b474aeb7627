"""What the daemon asks of the writer, and what it hears back. Plain data; slots, since there is one per row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from msilod.errors import StoreError
from msilod.registrar.binding import Binding
from msilod.silo.stored_message import StoredMessage


@dataclass(slots=True)
class Added:
    """The row is durable under this id."""

    id: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same message is kept already, or has been; `ended` says which."""

    id: int
    ended: bool


class Limit(StrEnum):
    """Whose room is used up."""

    RECIPIENT = "mailbox full"
    SENDER = "too many messages from this sender"
    TOTAL = "silo full"
    DISK = "disk full"


@dataclass(frozen=True, slots=True)
class OverQuota:
    """One more is too many: by `limit` there are `messages` and `bytes` already, 0 where that does not count.

    `retry_after` seconds: a full mailbox empties when its owner comes back, not at once.
    """

    messages: int
    bytes: int
    limit: Limit = Limit.RECIPIENT
    retry_after: int = 3600


@dataclass(frozen=True, slots=True)
class Failed:
    """Rolled back: nothing was kept."""

    error: StoreError


AddResult = Added | Duplicate | OverQuota | Failed
Done = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class BindingChanges:
    """What one REGISTER changes in the table of bindings."""

    aor: str
    saved: Sequence[Binding]
    removed: Sequence[Binding]


class Job:
    """`is_durable`: the commit it is in has to be synced."""

    __slots__ = ("done", "is_durable")

    def __init__(self, done: Done | None, is_durable: bool) -> None:
        self.done = done
        self.is_durable = is_durable


class AddJob(Job):
    """Insert a row."""

    __slots__ = ("message",)

    done: Done

    def __init__(self, message: StoredMessage, done: Done) -> None:
        super().__init__(done, True)
        self.message = message


class EndJob(Job):
    """Delete a row and keep its hash: no sync needed (law 2). `contact` is who took it."""

    __slots__ = ("aor", "contact", "hash", "how", "id", "status", "wall")

    def __init__(
        self,
        id: int,
        hash: bytes,
        aor: str,
        how: str,
        status: int | None,
        wall: float,
        done: Done | None,
        contact: str = "",
    ) -> None:
        super().__init__(done, False)
        self.id = id
        self.hash = hash
        self.aor = aor
        self.how = how
        self.status = status
        self.wall = wall
        self.contact = contact


class CallJob(Job):
    """Anything rarer: a function of the connection, in the writer's transaction."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[Any], Any], done: Done | None, is_durable: bool = True) -> None:
        super().__init__(done, is_durable)
        self.call = call

"""What the daemon asks of the writer, and what it hears back. Plain data; slots, since there is one per row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

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


class AddJob:
    """Insert a row."""

    __slots__ = ("done", "message")

    # Whether the commit that a job is in has to be synced.
    is_durable: ClassVar[bool] = True

    def __init__(self, message: StoredMessage, done: Done) -> None:
        self.message = message
        self.done = done


class EndJob:
    """Delete a row and keep its hash: no sync needed (law 2). `contact` is who took it."""

    __slots__ = ("aor", "contact", "done", "hash", "how", "id", "status", "wall")

    is_durable: ClassVar[bool] = False

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
        self.done = done
        self.id = id
        self.hash = hash
        self.aor = aor
        self.how = how
        self.status = status
        self.wall = wall
        self.contact = contact


class CallJob:
    """Anything rarer: a function of the connection, in the writer's transaction."""

    __slots__ = ("call", "done", "is_durable")

    def __init__(self, call: Callable[[Any], Any], done: Done | None, is_durable: bool = True) -> None:
        self.call = call
        self.done = done
        self.is_durable = is_durable


Job = AddJob | EndJob | CallJob

"""Engine: the contract between the store and a database.

An `Engine` is one connection that writes. commit/ decides which rows are stored and what each job is told; the engine
does the SQL, in the transactions that suit its database. The seam is the transaction and not the statement: SQLite
commits a batch of new rows with one statement, a database server with one round trip.

Each database implements `Engine`, `Hours` and `Hold` (hold.py) in a folder of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final

from msilod.errors import MsilodError
from msilod.silo.stored_message import StoredMessage
from msilod.store.jobs import Batch, Duplicate, OverQuota
from msilod.store.limits import Limits

HOUR: Final = 3600
# The names of the calls in a batch. `StoreWriter` (writer/contract.py) has a method for each, with its arguments.
CALLS: Final = frozenset((
    "claim", "claim_for", "has_waiting", "release", "postpone", "forget_back_off", "reject", "hand", "serve", "note",
    "renew", "free_lapsed", "keep_user_change", "keep_clock", "bindings", "refresh", "clean", "expire", "due", "unseen",
    "by_next_hop", "poll_foreign",
))  # fmt: skip
# Executes one call. The first argument is the connection of the engine, the others are those of the call.
Operation = Callable[..., Any]


class Trouble(StrEnum):
    """Kinds of errors of a database."""

    # Another process has the lock, or two transactions have met. The same transaction may succeed later.
    BUSY = "busy"
    # The database cannot be reached, read or written.
    AWAY = "away"
    # No space is left.
    FULL = "full"
    # The database is damaged. The writer has to end.
    LOST = "lost"
    # One of the rows cannot be stored, whenever it is tried again. Other rows of the same batch can.
    ROW = "row"


class Judge(ABC):
    """Decides which rows are stored. commit/ implements it; an engine asks it within a transaction."""

    @abstractmethod
    def judge(self, messages: Sequence[StoredMessage], ended: dict[bytes, int]) -> list[StoredMessage]:
        """The messages that are to be inserted, in order.

        `ended` are the ids of messages that have ended, by hash. The engine has read what `copy_of`, `admit` and
        `hours` need for these messages.
        """


class Hours(ABC):
    """How many messages each sender has stored in each hour of the clock, for [silo] max_per_hour.

    An hour is its number since 1970 (UTC). The counts include rows of the open transaction.
    """

    # False: `take` cannot be used before the next `Engine.commit`.
    is_known: bool

    @abstractmethod
    def take(self, messages: Sequence[StoredMessage], most: int) -> bool:
        """Count all messages for their senders. False: one is more than `most`, and no message was counted."""

    @abstractmethod
    def take_back(self, messages: Sequence[StoredMessage]) -> None:
        """Undo `take` for messages that were not stored."""

    @abstractmethod
    def learn(self, messages: Sequence[StoredMessage]) -> None:
        """Read the counts that `count` needs for these messages."""

    @abstractmethod
    def count(self, hour: int, sender: str) -> int:
        """The number of messages of a sender whose count was learned."""

    @abstractmethod
    def add(self, hour: int, sender: str) -> None:
        """Count one more message."""


class Engine(ABC):
    """One connection that writes. No other thread or object uses the connection.

    Methods raise the errors of their database. `trouble_of` tells the kind of such an error, `translated` makes one of
    ours of it. `UnknownOutcome`, `SiloLost` and `MemoryError` are raised as they are.
    """

    # Counts of senders.
    hours: Hours
    # The operation of each name in CALLS.
    operations: dict[str, Operation]

    @abstractmethod
    def configure(self, limits: Limits, history: float, device_memory: float) -> None:
        """Set quotas, and for how many seconds history and devices are kept, from the next transaction on."""

    # --- transactions --------------------------------------------------------------------------------

    @abstractmethod
    def commit_new(self, messages: list[StoredMessage]) -> int:
        """Store new rows durably, if none of them needs a question. The id of the first row; ids are consecutive.

        0: nothing was stored, and `commit` has to be used. Reasons: a mailbox may be full, a row may be a copy, a
        Call-ID is in use already (law 9), or another process has committed.
        """

    @abstractmethod
    def commit(self, batch: Batch, judge: Judge) -> list[Any]:
        """Execute the batch in one transaction: ends, then the rows that `judge` admits, then the calls.

        The result of each call. Rows that were inserted have their ids. Nothing is kept when an error is raised.
        Raises UnknownOutcome when it is not known whether the transaction is kept.
        """

    @abstractmethod
    def committed(self) -> None:
        """Do what is due between two transactions; called after each. Raises SiloLost when the files are lost."""

    @abstractmethod
    def take_imports(self, again: bool) -> None:
        """Rows come from an import from now on: they count in no hour of their senders, and the call "mark" is known.

        Rows that were imported before, or have ended, are told as copies, unless they are to be taken `again`.
        """

    @abstractmethod
    def roll_back(self) -> None:
        """End a transaction that has failed, and forget what was remembered of it."""

    # --- questions of the judge ----------------------------------------------------------------------

    @abstractmethod
    def copy_of(self, message: StoredMessage) -> Duplicate | None:
        """The stored row of which `message` is a copy (law 9).

        Another message under a Call-ID that is in use gets a `delivery_call_id` of its own.
        """

    @abstractmethod
    def admit(self, message: StoredMessage) -> OverQuota | None:
        """Count the row in the mailbox of its recipient; or why it is too many, by the quotas of a recipient."""

    @abstractmethod
    def total_bytes(self) -> int:
        """The bytes of all bodies in the silo."""

    @abstractmethod
    def is_full(self) -> bool:
        """True when the disk has less than `min_free_bytes` left. A database server has no such limit."""

    # --- errors --------------------------------------------------------------------------------------

    @abstractmethod
    def trouble_of(self, error: BaseException) -> Trouble:
        """The kind of an error of the database, or of a value that the database cannot keep."""

    @abstractmethod
    def translated(self, error: Exception) -> MsilodError:
        """One of our errors for an error of the database."""

    @abstractmethod
    def can_try_again(self, error: Exception) -> bool:
        """After `roll_back`: mend the cause of `error`. True when the same batch may succeed now."""

    # --- the writer's process ------------------------------------------------------------------------

    def look(self, now: float, count: int) -> None:
        """Called before each transaction. `now` is time.monotonic(), `count` the bytes about to be written."""
        return

    def check(self) -> None:
        """Raises SiloLost when the open database is not the silo any more."""
        return

    def save(self) -> str:
        """After SiloLost: save what can be saved, and say where; "" when there is nothing to say."""
        return ""

    def seconds_to_sync(self, now: float) -> float | None:
        """Seconds until commits without a sync have to be synced; None when all are synced. `now` as in `look`."""
        return None

    def sync_if_due(self, now: float) -> None:
        """Sync commits that were made without a sync, if it is time. Raises UnknownOutcome when the disk refuses."""
        return

    def sync(self) -> None:
        """Sync commits that were made without a sync. Raises UnknownOutcome when the disk refuses."""
        return

    def close(self) -> None:
        """Leave a database that needs no repair at the next start. Raises nothing."""
        return

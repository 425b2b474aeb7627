"""Engine: the contract between the store and a connection for writing.

commit/ decides which rows are stored and what each job is told. The engine executes the SQL, in transactions that suit
its database. The seam is the transaction and not the statement: SQLite commits a batch of new rows with one statement,
a database server in one round trip.

Each database implements `Engine` and `Hours` in a folder of its own, beside `Hold` and `Reads` (hold.py).
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
# Executes one call. Arguments: the connection of the engine, then the arguments of the call.
Operation = Callable[..., Any]


def hour_of(message: StoredMessage) -> tuple[int, str]:
    """The hour of a message (`Hours`), and the name whose count includes the message."""
    return int(message.received_at // HOUR), message.booked_on or message.sender


class Trouble(StrEnum):
    """Kinds of errors of a database."""

    # Another process has the lock, or another transaction was faster. The same transaction may succeed later.
    BUSY = "busy"
    # The database cannot be reached, read or written.
    AWAY = "away"
    # No space is left.
    FULL = "full"
    # The database is damaged. The writer has to end.
    LOST = "lost"
    # A row cannot be stored, now or later. Other rows of the same batch can.
    ROW = "row"


class Judge(ABC):
    """Decides which rows are stored. Implemented by commit/, asked by an engine within a transaction."""

    @abstractmethod
    def judge(self, messages: Sequence[StoredMessage], ended: dict[bytes, int]) -> list[StoredMessage]:
        """Return the messages to insert, in order.

        `ended` are the ids of messages with an end, by hash. The engine has read before what `copy_of` and `admit` need
        for these messages; `Hours.learn` reads the counts of the senders.
        """


class Hours(ABC):
    """The number of messages that each sender has stored in each hour of the clock, for [silo] max_per_hour.

    An hour is a number, counted from 1970 (UTC). The counts include rows of the open transaction.
    """

    # False: `take` cannot be used before the next `Engine.commit`.
    is_known: bool

    @abstractmethod
    def take(self, messages: Sequence[StoredMessage], most: int) -> bool:
        """Count all messages for their senders. False: a sender would have more than `most`; no message was counted."""

    @abstractmethod
    def take_back(self, messages: Sequence[StoredMessage]) -> None:
        """Undo `take` for messages without a row."""

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
    """One connection for writing. No other thread and no other object uses the connection.

    Methods raise the errors of the database. `trouble_of` tells the kind of an error, `translated` makes an error of
    ours. UnknownOutcome, SiloLost and MemoryError are raised as they are.
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
        """Store new rows durably in one transaction, if none of the rows needs a question. Ids are consecutive.

        Returns the id of the first row, or 0: nothing was stored, and `commit` has to be used. Reasons for 0: a mailbox
        may be full, a row may be a copy, a Call-ID is in use (law 9), or another process has committed.
        """

    @abstractmethod
    def commit(self, batch: Batch, judge: Judge) -> list[Any]:
        """Execute the batch in one transaction: ends, then the rows that `judge` returns, then the calls.

        Returns the result of each call. Inserted rows have their ids afterwards. An error means that nothing is kept;
        only after UnknownOutcome the transaction may be kept.
        """

    @abstractmethod
    def committed(self) -> None:
        """Called after each transaction, for work between two transactions. Raises SiloLost."""

    @abstractmethod
    def take_imports(self, again: bool) -> None:
        """Rows come from an import from now on: the call "mark" is known. The caller's limits have no `max_per_hour`.

        Rows that were imported before, or have an end, are told as copies; with `again` they are stored again.
        """

    @abstractmethod
    def roll_back(self) -> None:
        """End a failed transaction, and forget the counts that were remembered."""

    # --- questions of the judge ----------------------------------------------------------------------

    @abstractmethod
    def copy_of(self, message: StoredMessage) -> Duplicate | None:
        """The stored row of which `message` is a copy (law 9); None for no copy.

        A different message under a used Call-ID gets a `delivery_call_id` of its own.
        """

    @abstractmethod
    def admit(self, message: StoredMessage) -> OverQuota | None:
        """Count the row in the recipient's mailbox, or return the quota that refuses the row."""

    @abstractmethod
    def total_bytes(self) -> int:
        """The bytes of all bodies in the silo."""

    @abstractmethod
    def is_full(self) -> bool:
        """True when the disk has less than `min_free_bytes` left. Always False for a database server."""

    # --- errors --------------------------------------------------------------------------------------

    @abstractmethod
    def trouble_of(self, error: BaseException) -> Trouble:
        """The kind of an error of the database, or of an error for a value without a place in the database."""

    @abstractmethod
    def translated(self, error: Exception) -> MsilodError:
        """One of our errors for an error of the database."""

    @abstractmethod
    def can_try_again(self, error: Exception) -> bool:
        """Mend the cause of `error`, after `roll_back`. True when the same batch may succeed now."""

    # --- the writer's process ------------------------------------------------------------------------

    def look(self, now: float, count: int) -> None:
        """Called before each transaction. `now`: time.monotonic(). `count`: the bytes about to be written."""
        return

    def check(self) -> None:
        """Raises SiloLost when the open database is not the silo any more."""
        return

    def save(self) -> str:
        """Save messages after SiloLost. Returns a text for the operator, "" for none."""
        return ""

    def seconds_to_sync(self, now: float) -> float | None:
        """Seconds until commits without a sync have to be synced; None when all commits are synced."""
        return None

    def sync_if_due(self, now: float) -> None:
        """Sync commits without a sync, if the time has come. Raises UnknownOutcome when the disk refuses."""
        return

    def sync(self) -> None:
        """Sync commits without a sync at once. Raises UnknownOutcome when the disk refuses."""
        return

    def close(self) -> None:
        """Leave a database that needs no repair at the next start. Raises nothing."""
        return

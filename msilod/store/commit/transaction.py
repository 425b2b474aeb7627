"""One transaction of the writer: a batch, committed together, or piece by piece when one of them fails.

Order in a transaction: ends, then adds, then the rest as it came; so a claim never sees a row that has ended,
and always one that was added before it. Results are told only after the commit (laws 1 and 2).
"""

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from msilod.errors import SiloLost, StoreError, UnknownOutcome
from msilod.silo.stored_message import StoredMessage
from msilod.store.commit.quota import Quota
from msilod.store.engine.sqlite.connection import (
    code_of,
    is_damage,
    is_unreadable,
    leaves_unknown,
    readable,
    translate,
)
from msilod.store.engine.sqlite.devices import Devices
from msilod.store.engine.sqlite.foreign_changes import ForeignChanges
from msilod.store.engine.sqlite.history import History
from msilod.store.engine.sqlite.holdings import Holdings
from msilod.store.engine.sqlite.statements import Statements
from msilod.store.engine.sqlite.tail import NO_HOURS
from msilod.store.engine.sqlite.watch import FileWatch
from msilod.store.jobs import Added, AddResult, Batch, Duplicate, End, Keeping, Outcome, OverQuota
from msilod.store.limits import Limits

# The tail that the total does not count yet is at most so long and a batch. A fold of it takes 70 us, a quarter of a
# microsecond a row; who reads the total for each batch ([silo] max_total_bytes) reads 30 us of tail on average.
FOLD: Final = 256
# While the hours of senders are counted a fold writes a row for each sender of the tail, up to a page of the table
# each, so a longer tail costs less; it is read only after a commit of another process.
FOLD_HOURS: Final = 2048
# Ends are committed without a sync (law 2) and synced together: after so many seconds, or so many changed rows, which
# are three or four for each end. At 4,000 deliveries a second that is sixteen syncs a second.
SYNC_EVERY: Final = 0.9
SYNC_ROWS: Final = 1024
Operation = Callable[..., Any]
KnownEnds = Callable[[sqlite3.Connection, Sequence[bytes]], dict[bytes, int]]
_SYNC: Final = {True: "PRAGMA synchronous = FULL", False: "PRAGMA synchronous = NORMAL"}


class Transactions:
    """Executes batches on one connection, which nobody else uses. `operations` are what a call may name."""

    def __init__(
        self,
        db: sqlite3.Connection,
        statements: Statements,
        holdings: Holdings,
        quota: Quota,
        history: History,
    ) -> None:
        self.db = db
        self.statements = statements
        self.holdings = holdings
        self.quota = quota
        self.history = history
        self.devices = Devices(statements, history)
        self.operations: dict[str, Operation] = {}
        # Which hashes are those of messages that have ended; an import asks for more, or for none.
        self.known_ends: KnownEnds = statements.ended
        # Unknown: another's fold may have left the connection without.
        self.is_synced = False
        self.last_id = statements.last_id(db)
        # An import's rows were sent long ago: they count in no hour of their senders.
        self.is_import = False
        self._counted = 0
        self._set_counted(statements.counted(db))
        self.foreign = ForeignChanges(db, statements)
        self._data_version = self._read_version()
        # The writer's process alone has one; it is set before the first batch.
        self.watch: FileWatch | None = None
        # Asked after SQLITE_FULL: whether there is more room now.
        self.make_room: Callable[[], bool] = _no_room
        # When the oldest commit was made that is not synced yet, by time.monotonic(); 0.0: all are.
        self.unsynced_since = 0.0
        self._unsynced = 0
        self._changes = db.total_changes

    def configure(self, keeping: Keeping) -> None:
        """Other quotas and memories from the next transaction on."""
        limits = Limits(*keeping.limits)
        self.holdings.set_limits(limits)
        self.quota.set_limits(limits)
        self._set_counted(self._counted)
        self.history.kept = keeping.history
        self.devices.memory = keeping.device_memory

    def execute(self, batch: Batch) -> Outcome:
        """Commit the batch and return what became of it.

        Raises UnknownOutcome after an I/O error at COMMIT, SiloLost when the database is damaged, MemoryError.
        """
        try:
            outcome = self._commit_at_once(batch) or self._commit(batch)
        except (MemoryError, UnknownOutcome):
            raise
        except Exception as error:
            # Whatever a job raises: the process that runs this must outlive it, and so must its batch-mates.
            if is_damage(error):
                raise SiloLost(f"SQLite finds the database damaged ({error})") from error
            self._rollback()
            if is_unreadable(error) and self.db.text_factory is not readable:
                # Another program has written text that is not UTF-8. From here on it is read as well as possible.
                self.db.text_factory = readable
                return self.execute(batch)
            if code_of(error) == sqlite3.SQLITE_FULL and self.make_room():
                return self.execute(batch)
            if len(batch) == 1:
                return _failed(batch, error)
            return self._commit_each(batch)
        changes = self.db.total_changes
        if changes != self._changes:
            self._note_changes(changes - self._changes)
        if self._is_fold_due():
            self._fold()
        self._changes = self.db.total_changes
        if self.watch is not None:
            self.watch.check()
        return outcome

    def _note_changes(self, count: int) -> None:
        """So many rows were changed by a commit. One sync of the log syncs all that was committed before, too."""
        if self.is_synced:
            self.unsynced_since, self._unsynced = 0.0, 0
            return
        self._unsynced += count
        if not self.unsynced_since:
            self.unsynced_since = time.monotonic()

    def sync_if_due(self, now: float) -> None:
        """Sync rows that were committed without a sync: after SYNC_EVERY seconds, or after SYNC_ROWS changed rows.

        A power cut then repeats no more deliveries than those. Raises UnknownOutcome when the disk refuses.
        """
        if not self.unsynced_since or self.watch is None:
            return
        if self._unsynced < SYNC_ROWS and now - self.unsynced_since < SYNC_EVERY:
            return
        try:
            os.fdatasync(self.watch.log)
        except OSError as error:
            raise UnknownOutcome(f"the silo could not be synced: {error.strerror}") from error
        self.unsynced_since, self._unsynced = 0.0, 0

    def commit_together(self, batch: Batch) -> Outcome:
        """Commit the batch in one transaction, or raise the error of sqlite3; nothing of the batch is kept then."""
        try:
            outcome = self._commit_at_once(batch) or self._commit(batch)
        except BaseException:
            self._rollback()
            raise
        if self._is_fold_due():
            self._fold()
        return outcome

    def _commit_each(self, batch: Batch) -> Outcome:
        """One bad row must not fail its batch-mates."""
        whole = Outcome()
        for end in batch.ends:
            whole.ends += self.execute(Batch(ends=[end])).ends
        for message in batch.adds:
            whole.adds += self.execute(Batch([message])).results()
        for call in batch.calls:
            whole.calls += self.execute(Batch(calls=[call])).calls
        return whole

    def _commit(self, batch: Batch) -> Outcome:
        self._sync(bool(batch.adds) or any(call.is_durable for call in batch.calls))
        self.db.execute("BEGIN IMMEDIATE")
        self._notice_foreign()
        outcome = Outcome(ends=[None] * len(batch.ends))
        if batch.ends:
            self._end(batch.ends)
        if batch.adds:
            outcome.adds = self._add(batch.adds)
        for call in batch.calls:
            outcome.calls.append(self.operations[call.name](self.db, *call.arguments))
        try:
            self.db.execute("COMMIT")
        except sqlite3.Error as error:
            if leaves_unknown(error):
                raise _unknown(error) from error
            raise
        return outcome

    def _commit_at_once(self, batch: Batch) -> Outcome | None:
        """The usual batch: new rows and nothing else, in one statement. None: it has to go the long way."""
        messages = batch.adds
        if not messages or batch.ends or batch.calls:
            return None
        self._sync(True)
        if not self.quota.is_easy(self.db, messages):
            return None
        self.holdings.learn(self.db, {message.aor for message in messages})
        if not self.holdings.admit_all(messages):
            return None
        if self.quota.take(self.db, messages):
            first = self._insert_at_once(messages)
            if first:
                self.last_id = first + len(messages) - 1
                return Outcome(first, count=len(messages))
            self.quota.take_back(messages)
        self.holdings.take_back(messages)
        return None

    def _insert_at_once(self, messages: list[StoredMessage]) -> int:
        try:
            return self.statements.insert_undisturbed(self.db, messages, self._data_version)
        except sqlite3.OperationalError as error:
            if leaves_unknown(error):
                # The statement is a whole transaction, so the error may come from its COMMIT.
                raise _unknown(error) from error
            # Another's commit came between its reading and its writing; the long way waits for its turn.
            return 0

    def _is_fold_due(self) -> bool:
        limits = self.quota.limits
        if not limits.max_per_hour:
            return self.last_id - self._counted >= FOLD
        longest = FOLD if limits.max_total_bytes else FOLD_HOURS
        return self.last_id - self._counted >= longest or self.quota.hours.is_full

    def _fold(self) -> None:
        """The tail stays short. Needs no sync of its own: what a kill undoes is the tail again."""
        # What cannot be done now is tried after the next batch; this one is committed.
        with suppress(sqlite3.Error):
            self._sync(False)
            if self.quota.limits.max_per_hour:
                self.db.execute("BEGIN IMMEDIATE")
                self.statements.fold_hours(self.db)
                self.statements.fold(self.db)
                self.db.execute("COMMIT")
                if self.quota.hours.is_known:
                    self.quota.hours.folded(self.db)
            else:
                self.statements.fold(self.db)
            self._set_counted(self.last_id)
        if self.db.in_transaction:
            with suppress(sqlite3.Error):
                self.db.execute("ROLLBACK")

    def _set_counted(self, id: int) -> None:
        """Rows up to this id are counted in the total, and in the hours of senders if there is a limit of them."""
        self._counted = id
        self.statements.hours_above = id if self.quota.limits.max_per_hour else NO_HOURS

    def _sync(self, wanted: bool) -> None:
        if wanted is not self.is_synced:
            self.db.execute(_SYNC[wanted])
            self.is_synced = wanted

    def _rollback(self) -> None:
        self.holdings.forget_all()
        self.quota.hours.forget()
        # What was folded may not be so any more.
        self._set_counted(0)
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def _read_version(self) -> int:
        return int(self.db.execute("PRAGMA data_version").fetchone()[0])

    def _notice_foreign(self) -> None:
        """Somebody else has committed since: what we remember of quotas is stale, and rows may be new."""
        version = self._read_version()
        if version != self._data_version:
            self._data_version = version
            self.holdings.forget_all()
            self.quota.hours.forget()
            self.foreign.notice(self.db, self.last_id)
            self.last_id = max(self.last_id, self.statements.last_id(self.db))

    def _end(self, ends: list[End]) -> None:
        ended = list({end.hash: end for end in ends}.values())
        if self.statements.end(self.db, ended) < len(ended):
            # A late 2xx, and somebody was faster: a message has one end.
            ended = self.history.without_end(self.db, ended)
        self.history.ended(self.db, ended)
        for end in ends:
            self.holdings.forget(end.aor)

    def _add(self, messages: list[StoredMessage]) -> list[AddResult]:
        db = self.db
        ended = self.known_ends(db, [message.hash for message in messages])
        self.holdings.begin()
        self.holdings.learn(db, {message.aor for message in messages})
        is_apart = self.is_import or self.quota.is_apart(messages)
        if is_apart:
            self.statements.fold_hours(db)
            self.statements.fold(db)
            self.quota.hours.folded(db)
        self.quota.begin(db, messages)
        fresh: dict[bytes, StoredMessage] = {}
        outcomes: list[StoredMessage | Duplicate | OverQuota] = []
        for message in messages:
            hash = message.hash
            if hash in ended:
                outcomes.append(Duplicate(ended[hash], True))
            elif hash in fresh:
                outcomes.append(fresh[hash])
            else:
                refused = self._refusal(message)
                outcomes.append(refused or message)
                if refused is None:
                    fresh[hash] = message
                    self.quota.count(message)
        if fresh:
            self.statements.insert(db, list(fresh.values()))
            self.last_id = max(self.last_id, max(message.id for message in fresh.values()))
            if is_apart:
                # They are in the hours now, so they leave the tail without being counted there again.
                self.quota.write(db)
                self.statements.fold(db)
                self._set_counted(self.last_id)
        return [_told(message, outcome) for message, outcome in zip(messages, outcomes, strict=True)]

    def _refusal(self, message: StoredMessage) -> Duplicate | OverQuota | None:
        """Whose copy it is, or why it is too many; None: it is counted in."""
        copy = self.holdings.copy_of(self.db, message)
        return copy or self.quota.refusal(message) or self.holdings.admit(self.db, message)


def _told(
    message: StoredMessage, outcome: StoredMessage | Duplicate | OverQuota
) -> Added | Duplicate | OverQuota:
    """The second of two copies in one batch is told of the first."""
    if outcome is message:
        return Added(message.id, message.delivery_call_id)
    return Duplicate(outcome.id, False) if isinstance(outcome, StoredMessage) else outcome


def _no_room() -> bool:
    return False


def _unknown(error: sqlite3.Error) -> UnknownOutcome:
    return UnknownOutcome(f"the silo could not be written: {error}")


def _failed(batch: Batch, error: Exception) -> Outcome:
    """Of a batch of one."""
    ours = error if isinstance(error, StoreError) else StoreError(str(translate(error, "the silo")))
    return batch.failed(ours)

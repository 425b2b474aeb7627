"""The engine for SQLite: transactions, syncs and folds, and the next step after an error.

Law 1: a transaction with new rows is synced at its commit (`synchronous = FULL`). Law 2: ends are committed without a
sync, and synced together after SYNC_EVERY seconds or SYNC_ROWS changed rows. Memories (holdings.py, hours.py) are exact
while no other process writes. `PRAGMA data_version` shows a commit of another process; then the memories are forgotten.
"""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from msilod.errors import MsilodError, SiloLost, UnknownOutcome
from msilod.silo.stored_message import StoredMessage
from msilod.store.engine.base import Engine, Judge, Operation, Trouble, hour_of
from msilod.store.engine.sqlite.connection import (
    is_unreadable,
    leaves_unknown,
    open_sqlite,
    raw,
    readable,
    translate,
    translated,
    trouble_of,
)
from msilod.store.engine.sqlite.devices import Devices
from msilod.store.engine.sqlite.foreign_changes import ForeignChanges, Seen
from msilod.store.engine.sqlite.history import History
from msilod.store.engine.sqlite.holdings import Holdings
from msilod.store.engine.sqlite.hours import SenderHours
from msilod.store.engine.sqlite.imports import Imports, nothing_known
from msilod.store.engine.sqlite.operations import operations
from msilod.store.engine.sqlite.room import Room
from msilod.store.engine.sqlite.space import Space
from msilod.store.engine.sqlite.statements import Statements, total
from msilod.store.engine.sqlite.tail import NO_HOURS, add_hours
from msilod.store.engine.sqlite.watch import FileWatch
from msilod.store.jobs import Batch, Duplicate, End, OverQuota
from msilod.store.limits import Limits

# Rows in the tail before a fold: the total does not count the tail yet. A fold takes 70 us and a quarter of a
# microsecond for each row. A batch with a limit of the total ([silo] max_total_bytes) reads 30 us of tail.
FOLD: Final = 256
# The same while hours of senders are counted: a fold then writes a row for each sender of the tail, up to a page of the
# table each. A longer tail costs less, and is read only after a commit of another process.
FOLD_HOURS: Final = 2048
# Seconds, and changed rows, until ends are synced. An end changes three or four rows: 4,000 deliveries a second are
# sixteen syncs a second.
SYNC_EVERY: Final = 0.9
SYNC_ROWS: Final = 1024
KnownEnds = Callable[[sqlite3.Connection, Sequence[bytes]], dict[bytes, int]]
_SYNC: Final = {True: "PRAGMA synchronous = FULL", False: "PRAGMA synchronous = NORMAL"}


class SqliteEngine(Engine):
    """The engine on the connection `db`, in autocommit. `owner` is the name of the daemon in leases."""

    def __init__(self, db: sqlite3.Connection, path: Path, table: str, owner: str, limits: Limits) -> None:
        self.db = db
        self.path = path
        self.room = Room(path, limits)
        self.statements = Statements(table)
        self.history = History(table, 0.0)
        self.devices = Devices(self.statements, self.history)
        self.holdings = Holdings(self.statements, limits)
        self.sender_hours = SenderHours(db, table)
        self.hours = self.sender_hours
        self.foreign = ForeignChanges(db, self.statements)
        self.operations: dict[str, Operation] = operations(
            owner, self.statements, self.devices, self.holdings, self.history, self.foreign
        )
        self.last_id = self.statements.last_id(db)
        self._known_ends: KnownEnds = self.statements.ended
        self._is_import = False
        self._limits = limits
        self._total = total(table)
        # Whether the connection syncs at a commit. Unknown at first: an earlier engine on the connection may have
        # folded.
        self._is_synced = False
        self._counted = 0
        self._set_counted(self.statements.counted(db))
        self._data_version = self._read_version()
        # Only in the writer's process; set by `watch_files` before the first transaction.
        self._watch: FileWatch | None = None
        self._space: Space | None = None
        # time.monotonic() of the oldest commit without a sync; 0.0 for none.
        self._unsynced_since = 0.0
        self._unsynced = 0
        self._changes = db.total_changes

    def watch_files(self) -> None:
        """Watch the files of the silo and the free space from now on. Raises SiloLost."""
        self._watch = FileWatch(self.path)
        self._space = Space(self.db, self.path, self.room, self._watch)

    def configure(self, limits: Limits, history: float, device_memory: float) -> None:
        """Set quotas, and for how many seconds history and devices are kept."""
        if not self._limits.max_per_hour:
            # Rows stored without a limit of hours were not counted.
            self.sender_hours.forget()
        self._limits = self.room.limits = limits
        self.holdings.set_limits(limits)
        self._set_counted(self._counted)
        self.history.kept = history
        self.devices.memory = device_memory

    def take_imports(self, again: bool) -> None:
        """Rows come from an import from now on; see Engine."""
        imports = Imports(self.statements)
        self.operations["mark"] = imports.mark
        self._known_ends = nothing_known if again else imports.known
        self._is_import = True

    # --- transactions --------------------------------------------------------------------------------

    def commit_new(self, messages: list[StoredMessage]) -> int:
        """Store new rows with one statement, a transaction by itself. Returns the id of the first row, or 0."""
        if not self._is_synced:
            self._sync(True)
        holdings = self.holdings
        holdings.learn(self.db, {message.aor for message in messages})
        if not holdings.admit_all(messages):
            return 0
        try:
            first = self.statements.insert_undisturbed(self.db, messages, self._data_version)
        except sqlite3.OperationalError as error:
            if leaves_unknown(error):
                # The statement is a whole transaction, so the error may come from its COMMIT.
                raise _unknown(error) from error
            # Another process has committed between the reading and the writing of this statement.
            first = 0
        if first:
            self.last_id = first + len(messages) - 1
        else:
            holdings.take_back(messages)
        return first

    def commit(self, batch: Batch, judge: Judge) -> list[Any]:
        """Execute the batch in one transaction: ends, rows, calls. A claim finds all rows of earlier batches."""
        db = self.db
        self._sync(bool(batch.adds) or any(call.is_durable for call in batch.calls))
        db.execute("BEGIN IMMEDIATE")
        self._notice_foreign()
        if batch.ends:
            self._end(batch.ends)
        if batch.adds:
            self._add(batch.adds, judge)
        results: list[Any] = []
        for call in batch.calls:
            results.append(self.operations[call.name](db, *call.arguments))
        try:
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if leaves_unknown(error):
                raise _unknown(error) from error
            raise
        return results

    def _end(self, ends: list[End]) -> None:
        ended = list({end.hash: end for end in ends}.values())
        if self.statements.end(self.db, ended) < len(ended):
            # A row had ended before, as after a late 2xx: a message has one end.
            ended = self.history.without_end(self.db, ended)
        self.history.ended(self.db, ended)
        for end in ends:
            self.holdings.forget(end.aor)

    def _add(self, messages: list[StoredMessage], judge: Judge) -> None:
        db = self.db
        ended = self._known_ends(db, [message.hash for message in messages])
        self.holdings.begin()
        self.holdings.learn(db, {message.aor for message in messages})
        is_apart = self._is_import or self._is_apart(messages)
        if is_apart:
            self.statements.fold_hours(db)
            self.statements.fold(db)
            self.sender_hours.folded()
        fresh = judge.judge(messages, ended)
        if not fresh:
            return
        self.statements.insert(db, fresh)
        self.last_id = max(self.last_id, max(message.id for message in fresh))
        if is_apart:
            # These rows are in the hours now. They leave the tail without being counted there again.
            if self._limits.max_per_hour:
                add_hours(db, self.statements.table, Counter(map(hour_of, fresh)))
            self.statements.fold(db)
            self._set_counted(self.last_id)

    def _is_apart(self, messages: list[StoredMessage]) -> bool:
        """True when the hours of these rows are written at once, on a tail that is folded before and after.

        For the first rows after `SenderHours.forget`, and for rows counted for another address than the sender's.
        """
        return bool(self._limits.max_per_hour) and (
            not self.sender_hours.is_known or any(message.booked_on for message in messages)
        )

    def committed(self) -> None:
        """Count commits without a sync, fold a long tail, check the files. Raises SiloLost."""
        changes = self.db.total_changes
        if changes != self._changes:
            self._note_changes(changes - self._changes)
        if self._is_fold_due():
            self._fold()
        self._changes = self.db.total_changes
        if self._watch is not None:
            self._watch.check()

    def roll_back(self) -> None:
        """End a failed transaction, and forget all counts."""
        self.holdings.forget_all()
        self.sender_hours.forget()
        # What was folded may be in the tail again.
        self._set_counted(0)
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def _sync(self, wanted: bool) -> None:
        if wanted is not self._is_synced:
            self.db.execute(_SYNC[wanted])
            self._is_synced = wanted

    def _read_version(self) -> int:
        return int(self.db.execute("PRAGMA data_version").fetchone()[0])

    def _notice_foreign(self) -> None:
        """After a commit of another process forget all counts, and note new rows."""
        version = self._read_version()
        if version != self._data_version:
            self._data_version = version
            self.holdings.forget_all()
            self.sender_hours.forget()
            self.foreign.notice(self.db, self.last_id)
            self.last_id = max(self.last_id, self.statements.last_id(self.db))

    # --- the tail ------------------------------------------------------------------------------------

    def _is_fold_due(self) -> bool:
        limits = self._limits
        if not limits.max_per_hour:
            return self.last_id - self._counted >= FOLD
        longest = FOLD if limits.max_total_bytes else FOLD_HOURS
        return self.last_id - self._counted >= longest or self.sender_hours.is_full

    def _fold(self) -> None:
        """Count the tail. No sync is needed: after a kill the rows are in the tail again."""
        # A failed fold is tried again after the next batch; this batch is committed.
        with suppress(sqlite3.Error):
            self._sync(False)
            if self._limits.max_per_hour:
                self.db.execute("BEGIN IMMEDIATE")
                self.statements.fold_hours(self.db)
                self.statements.fold(self.db)
                self.db.execute("COMMIT")
                if self.sender_hours.is_known:
                    self.sender_hours.folded()
            else:
                self.statements.fold(self.db)
            self._set_counted(self.last_id)
        if self.db.in_transaction:
            with suppress(sqlite3.Error):
                self.db.execute("ROLLBACK")

    def _set_counted(self, id: int) -> None:
        """Rows up to this id are in the total, and in the hours of senders if hours have a limit."""
        self._counted = id
        self.statements.hours_above = id if self._limits.max_per_hour else NO_HOURS

    # --- questions of the judge ----------------------------------------------------------------------

    def copy_of(self, message: StoredMessage) -> Duplicate | None:
        """The stored row that `message` copies (law 9)."""
        return self.holdings.copy_of(self.db, message)

    def admit(self, message: StoredMessage) -> OverQuota | None:
        """Count the row in the recipient's mailbox, or return the quota that refuses the row."""
        return self.holdings.admit(self.db, message)

    def total_bytes(self) -> int:
        """The bytes of all bodies in the silo: one row and the tail."""
        return int(self.db.execute(self._total).fetchone()[1])

    def is_full(self) -> bool:
        """True when the disk has less than `min_free_bytes` left."""
        return self.room.is_full()

    # --- errors --------------------------------------------------------------------------------------

    def trouble_of(self, error: BaseException) -> Trouble:
        """The kind of an error of SQLite, or of an error for a value that SQLite cannot store."""
        return trouble_of(error)

    def translated(self, error: Exception) -> MsilodError:
        """One of our errors for an error of SQLite."""
        if trouble_of(error) is Trouble.LOST:
            return SiloLost(f"SQLite finds the database damaged ({error})")
        return translate(error, "the silo")

    def can_try_again(self, error: Exception) -> bool:
        """After `roll_back`: tolerate text that is not UTF-8 from now on, or make room on the disk."""
        if is_unreadable(error) and self.db.text_factory is not readable:
            # Another program has written such text.
            self.db.text_factory = readable
            return True
        return trouble_of(error) is Trouble.FULL and self._space is not None and self._space.make_room()

    # --- the writer's process ------------------------------------------------------------------------

    def look(self, now: float, count: int) -> None:
        """Look at the disk once a second."""
        if self._space is not None:
            self._space.look(now, count)

    def check(self) -> None:
        """Raises SiloLost when a file is not the opened file any more, or the log lacks frames."""
        if self._watch is not None:
            self._watch.check()

    def save(self) -> str:
        """After SiloLost: copy the log, or put it aside, as `FileWatch.save` says."""
        return "" if self._watch is None else self._watch.save(self.db)

    def _note_changes(self, count: int) -> None:
        """A commit has changed `count` rows. One sync of the log syncs all earlier commits, too."""
        if self._is_synced:
            self._unsynced_since, self._unsynced = 0.0, 0
            return
        self._unsynced += count
        if not self._unsynced_since:
            self._unsynced_since = time.monotonic()

    def seconds_to_sync(self, now: float) -> float | None:
        """Seconds until the log has to be synced; None when the log is synced."""
        if not self._unsynced_since:
            return None
        return max(0.0, self._unsynced_since + SYNC_EVERY - now)

    def sync_if_due(self, now: float) -> None:
        """Sync after SYNC_EVERY seconds, or SYNC_ROWS changed rows: the bound for repeats after a power cut."""
        if self._unsynced_since and (self._unsynced >= SYNC_ROWS or now - self._unsynced_since >= SYNC_EVERY):
            self.sync()

    def sync(self) -> None:
        """Sync the log. Raises UnknownOutcome when the disk refuses."""
        if not self._unsynced_since or self._watch is None:
            return
        try:
            os.fdatasync(self._watch.log)
        except OSError as error:
            raise UnknownOutcome(f"the silo could not be synced: {error.strerror}") from error
        self._unsynced_since, self._unsynced = 0.0, 0

    def close(self) -> None:
        """Copy the log into the file; the log keeps frames without a copy."""
        with suppress(sqlite3.Error):
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _unknown(error: sqlite3.Error) -> UnknownOutcome:
    return UnknownOutcome(f"the silo could not be written: {error}")


def open_writer(path: Path, table: str, owner: str, seen: Sequence[int]) -> SqliteEngine:
    """The engine of the writer's process. Raises UnavailableError, PermissionDenied, SiloLost."""
    with translated(path):
        engine = SqliteEngine(raw(open_sqlite(path)), path, table, owner, Limits())
        if seen:
            engine.foreign.notice_since(engine.db, Seen(*seen))
        engine.watch_files()
        return engine

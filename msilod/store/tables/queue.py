"""Queue: what the command line does to the silo, with or without a daemon.

It is the second writer and polite: BEGIN IMMEDIATE, at most 200 rows or 20 ms a transaction, never across a
prompt or output; it waits 5 s for its turn, then says so. Reads come in pages, so that nothing is held long.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from msilod.errors import NoSuchMessage
from msilod.silo.history import ENDS, HistoryEntry
from msilod.silo.stored_message import StoredMessage
from msilod.store.columns import LOADED, message_of
from msilod.store.commit.imports import mark_of
from msilod.store.commit.quota import Quota
from msilod.store.commit.transaction import Transactions
from msilod.store.engine.base import Trouble
from msilod.store.engine.sqlite.connection import open_sqlite, raw, readable, translated
from msilod.store.engine.sqlite.devices import Devices
from msilod.store.engine.sqlite.engine import SqliteEngine
from msilod.store.engine.sqlite.foreign_changes import paused
from msilod.store.engine.sqlite.history import History
from msilod.store.engine.sqlite.holdings import Holdings
from msilod.store.engine.sqlite.imports import Imports, Rehearsal
from msilod.store.engine.sqlite.statements import Statements
from msilod.store.engine.sqlite.unstoppable import unstoppable
from msilod.store.engine.text import chunks, marks
from msilod.store.jobs import Added, AddResult, Batch, Call, Duplicate, Failed
from msilod.store.limits import Limits
from msilod.store.schema.migrate import prepare
from msilod.store.tables.operator import Operator
from msilod.store.tables.selection import Selection
from msilod.store.tables.users import UserReads

PAGE: Final = 500


# The ids on the wire, as the daemon tells; None: there is no daemon to ask.
OnWire = Callable[[], Collection[int] | None]


class Queue:
    """An open silo. Raises UnavailableError when there is none, SchemaError, PermissionDenied, BusyError."""

    def __init__(
        self, path: Path, table: str, on_wire: OnWire = lambda: None, device_memory: float = 0.0
    ) -> None:
        self.path = path
        self.table = table
        self._database = open_sqlite(path)
        prepare(self._database, path, table, create=False)
        self._db: sqlite3.Connection = raw(self._database)
        self._db.text_factory = readable
        self._statements = Statements(table)
        self._history = History(table, 0)
        self._on_wire = on_wire
        self._devices = Devices(self._statements, self._history)
        self._devices.memory = device_memory
        self._imports = Imports(self._statements)
        self._rehearsal: Rehearsal | None = None
        self._quota: Quota | None = None
        self._wire: tuple[frozenset[int] | None] | None = None

    def messages(self, selection: Selection, wall: float) -> Iterator[StoredMessage]:
        """The rows, oldest first, in pages; `sending` is what is on the wire of them."""
        after, left = 0, selection.limit
        while left is None or left > 0:
            page = self._page(selection, wall, after, PAGE if left is None else min(PAGE, left))
            if not page:
                return
            after = page[-1].id
            shown = [message for message in page if selection.state in ("", message.state)]
            yield from shown
            left = None if left is None else left - len(shown)

    def secret(self, name: str) -> bytes:
        """A key of the daemon, b"" when it has made none yet."""
        sql = f"SELECT value FROM {self.table}_secret WHERE name = ?"  # noqa: S608
        with translated(self.path):
            found = self._db.execute(sql, (name,)).fetchone()
        return bytes(found[0]) if found else b""

    def _page(self, selection: Selection, wall: float, after: int, count: int) -> list[StoredMessage]:
        condition, values = selection.where(wall)
        sql = (
            f"SELECT {', '.join(LOADED)}, owner <> '' AND lease_until > ? FROM {self.table} "  # noqa: S608
            f"WHERE {condition} AND id > ? ORDER BY id LIMIT ?"
        )
        with translated(self.path):
            rows = self._db.execute(sql, [wall, *values, after, count]).fetchall()
        return [self._shown(row, wall) for row in rows]

    def _shown(self, row: Any, wall: float) -> StoredMessage:
        """A claimed row is `sending` only while it is on the wire; what is claimed stands in the row (law 3)."""
        message = message_of(row[:-1])
        if row[-1] and message.state == "waiting" and self._is_on_wire(message, wall):
            message.state = "sending"
        return message

    def _is_on_wire(self, message: StoredMessage, wall: float) -> bool:
        """As the daemon says; without its word the oldest that is claimed, the only one that can be."""
        if self._wire is None:
            found = self._on_wire()
            self._wire = (None if found is None else frozenset(found),)
        (ids,) = self._wire
        if ids is not None:
            return message.id in ids
        sql = f"SELECT min(id) FROM {self.table} WHERE aor = ? AND owner <> '' AND lease_until > ?"  # noqa: S608
        return bool(self._db.execute(sql, (message.aor, wall)).fetchone()[0] == message.id)

    def message(self, id: int, wall: float) -> StoredMessage:
        """One row. Raises NoSuchMessage."""
        for found in self.messages(Selection(ids=(id,)), wall):
            return found
        raise NoSuchMessage(f"there is no message {id} (see msilo list)")

    def history(self, id: int, is_gone: bool = True) -> list[HistoryEntry]:
        """What has happened to a message, oldest first, whether it is still there or not.

        Of one that `is_gone` an end that left no entry is told from the table of the ended, while that remembers it.
        """
        with translated(self.path):
            found = self._history.of(self._db, id)
            if is_gone and not (found and found[-1].event in ENDS):
                sql = f"SELECT id, aor, ended_at, how, status FROM {self.table}_ended WHERE id = ?"  # noqa: S608
                found += [HistoryEntry(*row) for row in self._db.execute(sql, (id,))]
        return found

    def devices(self, message: StoredMessage, wall: float) -> dict[str, int | None]:
        """Of a message for each device: what each has answered, None: nothing yet. Empty for any other."""
        with translated(self.path):
            sql = f"SELECT device, status FROM {self.table}_served WHERE message = ? ORDER BY at"  # noqa: S608
            answered: dict[str, int | None] = dict(self._db.execute(sql, (message.id,)))
            waiting: set[str] = set()
            if self._devices.memory:
                waiting = self._devices.known(self._db, message.aor, message.is_for_sips, wall)
        return answered | {device: None for device in sorted(waiting - answered.keys())}

    def missing(self, ids: Sequence[int]) -> list[int]:
        """Those that are not in the silo."""
        found: set[int] = set()
        with translated(self.path):
            for chunk in chunks(ids):
                sql = f"SELECT id FROM {self.table} WHERE id IN {marks(1, len(chunk))}"  # noqa: S608
                found.update(row[0] for row in self._db.execute(sql, chunk))
        return [id for id in ids if id not in found]

    def paused(self) -> frozenset[str]:
        """The domains whose deliveries are paused."""
        with translated(self.path):
            return paused(self._db, self.table)

    def count(self, selection: Selection, wall: float) -> tuple[int, int, int]:
        """Messages, bytes and recipients of a selection."""
        condition, values = selection.where(wall)
        inner = f"SELECT aor, size FROM {self.table} WHERE {condition} ORDER BY id LIMIT ?"  # noqa: S608
        with translated(self.path):
            row = self._db.execute(
                f"SELECT count(*), coalesce(sum(size), 0), count(DISTINCT aor) FROM ({inner})",  # noqa: S608
                [*values, -1 if selection.limit is None else selection.limit],
            ).fetchone()
        return int(row[0]), int(row[1]), int(row[2])

    def insert(self, messages: Sequence[StoredMessage], limits: Limits) -> list[AddResult]:
        """Put rows in, in one transaction, under the same checks as the daemon's writer; a result for each.

        Raises BusyError, StoreError.
        """
        with translated(self.path):
            return self._insert(self._transactions(limits), messages)

    def take_in(self, messages: Sequence[StoredMessage], limits: Limits, again: bool) -> list[AddResult]:
        """As `insert`, for rows of an import: rows that were imported before are left out, unless `again`."""
        transactions = self._transactions(limits)
        transactions.engine.take_imports(again)
        with translated(self.path):
            return self._told(messages, self._insert(transactions, messages, is_import=True))

    def rehearse(self, messages: Sequence[StoredMessage], limits: Limits, again: bool) -> list[AddResult]:
        """The results that `take_in` would have, after all that was rehearsed before; the silo stays as it is."""
        with translated(self.path):
            if self._rehearsal is None or self._quota is None:
                self._rehearsal = Rehearsal(self._db)
                self._quota = self._transactions(limits).quota
                self._quota.begin(())
            hashes = [message.hash for message in messages]
            known = {} if again else self._imports.known(self._db, hashes)
            holdings = Holdings(self._statements, limits)
            return [self._rehearse(self._rehearsal, self._quota, holdings, known, row) for row in messages]

    def _rehearse(
        self,
        rehearsal: Rehearsal,
        quota: Quota,
        holdings: Holdings,
        known: dict[bytes, int],
        message: StoredMessage,
    ) -> AddResult:
        id = self._statements.kept(self._db, message.aor, message.hash)
        if id or rehearsal.has(message):
            return Duplicate(id, False)
        if message.hash in known:
            return Duplicate(known[message.hash], True)
        taken, of_sender = rehearsal.of(message.aor), rehearsal.of_sender(message.aor, message.sender)
        refused = quota.refusal(message) or holdings.refusal(self._db, message, taken, of_sender)
        if refused is not None:
            return refused
        quota.count(message)
        rehearsal.add(message)
        return Added(0)

    def _transactions(self, limits: Limits) -> Transactions:
        # Leases have no owner: the command line claims no row.
        return Transactions(SqliteEngine(self._db, self.path, self.table, "", limits), limits)

    def _insert(
        self, transactions: Transactions, messages: Sequence[StoredMessage], is_import: bool = False
    ) -> list[AddResult]:
        batch = Batch(list(messages))
        if is_import:
            batch.calls.append(Call("mark", ([mark_of(message) for message in messages],), True))
        try:
            with unstoppable():
                return transactions.commit_together(batch).results()
        except Exception as error:
            if transactions.engine.trouble_of(error) is not Trouble.ROW:
                # Locked, full, or out of reach: the other rows would fail as well.
                raise
            # A bad row must not fail its batch-mates.
            if len(messages) == 1:
                return [Failed(str(error))]
        return [result for message in messages for result in self._insert(transactions, [message], is_import)]

    def _told(self, messages: Sequence[StoredMessage], results: list[AddResult]) -> list[AddResult]:
        """An imported row that is still in the silo is told as known, and not as ended."""
        told: list[AddResult] = []
        for message, result in zip(messages, results, strict=True):
            kept = 0
            if isinstance(result, Duplicate) and result.ended:
                kept = self._statements.kept(self._db, message.aor, message.hash)
            told.append(Duplicate(kept, False) if kept else result)
        return told

    def have_users_existed(self) -> bool:
        """True when there has been a user, now or before."""
        with translated(self.path):
            reads = UserReads(lambda sql, values: self._db.execute(sql, values).fetchall(), self.table)
            return reads.last_change() > 0

    def operator(self, actor: str, ahead: float = 0.0) -> Operator:
        """Changes in the name of `actor`; system time is `ahead` of silo time by so many seconds."""
        return Operator(self._db, self.path, self.table, actor, ahead)

    def close(self) -> None:
        """Let go of the file."""
        # The last one to close it copies the write-ahead log back, under a lock.
        with unstoppable():
            self._database.close()

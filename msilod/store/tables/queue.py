"""Queue: reads and changes of the silo by the command line, with or without a daemon.

The command line is a second writer beside the daemon. A transaction takes the lock at its beginning (BEGIN IMMEDIATE),
changes at most 200 rows or lasts 20 ms, and never lasts across a prompt or output. After 5 s without the lock BusyError
is raised. Reads come in pages, so that no snapshot is held for long.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from peewee import fn

from msilod.errors import NoSuchMessage
from msilod.silo.history import ENDS, HistoryEntry
from msilod.silo.stored_message import StoredMessage
from msilod.store.columns import (
    LOADED,
    EndedColumns,
    RowColumns,
    SecretColumns,
    ServedColumns,
    built,
    message_of,
    table_of,
)
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
from msilod.store.engine.text import chunks
from msilod.store.jobs import Added, AddResult, Batch, Call, Duplicate, Failed
from msilod.store.limits import Limits
from msilod.store.schema.migrate import prepare
from msilod.store.tables.operator import Operator
from msilod.store.tables.selection import NOBODY, ByIds, Pages, Selection
from msilod.store.tables.users import UserReads

PAGE: Final = 500


# Asks the daemon for the ids of rows on the wire; None without a daemon.
OnWire = Callable[[], Collection[int] | None]


class Queue:
    """An open silo with the db_table `table`. `device_memory`: seconds, as in [silo]; 0: devices are not told apart.

    The constructor raises UnavailableError when there is no silo, SchemaError, PermissionDenied, BusyError.
    """

    def __init__(
        self, path: Path, table: str, on_wire: OnWire = lambda: None, device_memory: float = 0.0
    ) -> None:
        self.path = path
        self.table = table
        self._database = open_sqlite(path)
        prepare(self._database, path, table, create=False)
        self._db: sqlite3.Connection = raw(self._database)
        self._db.text_factory = readable
        self._row = table_of(RowColumns, table, self._database)
        self._secrets = table_of(SecretColumns, table, self._database)
        self._ended = table_of(EndedColumns, table, self._database)
        self._served = table_of(ServedColumns, table, self._database)
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
        """The selected rows, oldest first, read in pages. Rows on the wire have the state `sending`.

        `wall`: now, in silo time. Raises StoreError.
        """
        row = self._row
        is_claimed = (row.owner != NOBODY) & (row.lease_until > wall)
        query = row.select(*(getattr(row, name) for name in LOADED), is_claimed)
        pages = Pages(query, selection.conditions(row, wall), row.id)
        after, left = 0, selection.limit
        while left is None or left > 0:
            with translated(self.path):
                found = self._db.execute(*pages.after(after, PAGE if left is None else min(PAGE, left)))
                page = [self._shown(values, wall) for values in found.fetchall()]
            if not page:
                return
            after = page[-1].id
            shown = [message for message in page if selection.state in ("", message.state)]
            yield from shown
            left = None if left is None else left - len(shown)

    def secret(self, name: str) -> bytes:
        """The value that the daemon keeps under `name`; b"" for none."""
        found = self._read(self._secrets.select(self._secrets.value).where(self._secrets.name == name))
        return bytes(found[0][0]) if found else b""

    def _shown(self, values: Any, wall: float) -> StoredMessage:
        """The row as a message. A row under lease is `sending` only while the row is on the wire."""
        message = message_of(values[:-1])
        if values[-1] and message.state == "waiting" and self._is_on_wire(message, wall):
            message.state = "sending"
        return message

    def _is_on_wire(self, message: StoredMessage, wall: float) -> bool:
        """Asks the daemon once. Without a daemon: the oldest row under lease, the only one that a run can have sent."""
        if self._wire is None:
            found = self._on_wire()
            self._wire = (None if found is None else frozenset(found),)
        (ids,) = self._wire
        if ids is not None:
            return message.id in ids
        row = self._row
        oldest = row.select(fn.MIN(row.id)).where(
            row.aor == message.aor, row.owner != NOBODY, row.lease_until > wall
        )
        return bool(self._read(oldest)[0][0] == message.id)

    def message(self, id: int, wall: float) -> StoredMessage:
        """The row `id`. Raises NoSuchMessage."""
        for found in self.messages(Selection(ids=(id,)), wall):
            return found
        raise NoSuchMessage(f"there is no message {id} (see msilo list)")

    def history(self, id: int, is_gone: bool = True) -> list[HistoryEntry]:
        """The entries of a message, oldest first, also of a message that has left the silo.

        With `is_gone`, an end without an entry is read from the table of ended messages, which keeps ends for two
        minutes.
        """
        with translated(self.path):
            found = self._history.of(self._db, id)
        if is_gone and not (found and found[-1].event in ENDS):
            ended = self._ended
            ends = self._read(
                ended.select(ended.id, ended.aor, ended.ended_at, ended.how, ended.status).where(
                    ended.id == id
                )
            )
            found += [HistoryEntry(*row) for row in ends]
        return found

    def devices(self, message: StoredMessage, wall: float) -> dict[str, int | None]:
        """The status that each device has answered to `message`; None for a device without an answer.

        Empty unless each device gets the message.
        """
        served = self._served
        answers = self._read(
            served.select(served.device, served.status)
            .where(served.message == message.id)
            .order_by(served.at)
        )
        answered: dict[str, int | None] = dict(answers)
        waiting: set[str] = set()
        if self._devices.memory:
            with translated(self.path):
                waiting = self._devices.known(self._db, message.aor, message.is_for_sips, wall)
        return answered | {device: None for device in sorted(waiting - answered.keys())}

    def missing(self, ids: Sequence[int]) -> list[int]:
        """The ids without a row in the silo."""
        kept, found = ByIds(self._row.select(self._row.id), self._row.id), set[int]()
        for chunk in chunks(ids):
            found.update(id for (id,) in self._select(*kept.of(chunk)))
        return [id for id in ids if id not in found]

    def paused(self) -> frozenset[str]:
        """The domains whose deliveries are paused; "*" stands for all."""
        with translated(self.path):
            return paused(self._db, self.table)

    def count(self, selection: Selection, wall: float) -> tuple[int, int, int]:
        """The number of messages, their bytes, and the number of recipients of a selection."""
        row = self._row
        query = row.select(row.aor, row.size)
        conditions = selection.conditions(row, wall)
        if conditions:
            query = query.where(*conditions)
        if selection.limit is not None:
            query = query.order_by(row.id).limit(selection.limit)
        rows = query.alias("selected")
        sums = (fn.COUNT(rows.c.aor), fn.COALESCE(fn.SUM(rows.c.size), 0), fn.COUNT(rows.c.aor.distinct()))
        ((messages, size, recipients),) = self._read(rows.select_from(*sums))
        return int(messages), int(size), int(recipients)

    def insert(self, messages: Sequence[StoredMessage], limits: Limits) -> list[AddResult]:
        """Insert rows in one transaction, with the checks of the daemon's writer. Returns a result for each row.

        Raises BusyError, StoreError.
        """
        with translated(self.path):
            return self._insert(self._transactions(limits), messages)

    def take_in(self, messages: Sequence[StoredMessage], limits: Limits, again: bool) -> list[AddResult]:
        """As `insert`, for rows of an import. Rows that were imported before are left out, unless `again`."""
        transactions = self._transactions(limits)
        transactions.engine.take_imports(again)
        with translated(self.path):
            return self._told(messages, self._insert(transactions, messages, is_import=True))

    def rehearse(self, messages: Sequence[StoredMessage], limits: Limits, again: bool) -> list[AddResult]:
        """The results of `take_in` without a change of the silo. Rows of earlier calls count as taken in."""
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
            # A bad row must not fail the other rows: each row gets a transaction of its own.
            if len(messages) == 1:
                return [Failed(str(error))]
        return [result for message in messages for result in self._insert(transactions, [message], is_import)]

    def _told(self, messages: Sequence[StoredMessage], results: list[AddResult]) -> list[AddResult]:
        """The results; an imported row that is still in the silo is reported with its id, and not as ended."""
        told: list[AddResult] = []
        for message, result in zip(messages, results, strict=True):
            kept = 0
            if isinstance(result, Duplicate) and result.ended:
                kept = self._statements.kept(self._db, message.aor, message.hash)
            told.append(Duplicate(kept, False) if kept else result)
        return told

    def have_users_existed(self) -> bool:
        """True when there is a user, or has been one."""
        return UserReads(self._select, self.table, self._database).last_change() > 0

    def operator(self, actor: str, ahead: float = 0.0) -> Operator:
        """Changes in the name of `actor`. `ahead`: seconds from silo time to system time."""
        return Operator(self._database, self._db, self.path, self.table, actor, ahead)

    def close(self) -> None:
        """Close the file."""
        # The last close copies the write-ahead log into the file, under the lock.
        with unstoppable():
            self._database.close()

    def _read(self, query: Any) -> list[Any]:
        return self._select(*built(query))

    def _select(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        with translated(self.path):
            return self._db.execute(sql, values).fetchall()

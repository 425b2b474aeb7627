"""Queue: what the command line does to the silo, with or without a daemon.

It is the second writer and polite: BEGIN IMMEDIATE, at most 200 rows or 20 ms a transaction, never across a
prompt or output; it waits 5 s for its turn, then says so. Reads come in pages, so that nothing is held long.
"""

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from msilod.errors import NoSuchMessage
from msilod.silo.stored_message import Ending, StoredMessage
from msilod.store.database import open_sqlite, raw, translated
from msilod.store.holdings import Holdings
from msilod.store.jobs import AddJob, AddResult, EndJob
from msilod.store.migrate import prepare
from msilod.store.models import LOADED, message_of
from msilod.store.selection import Selection
from msilod.store.statements import Statements
from msilod.store.transaction import Transactions

PAGE: Final = 500
PURGE_ROWS: Final = 200
PURGE_SECONDS: Final = 0.02


@dataclass(slots=True)
class Purged:
    """How a purge went: rows deleted, and rows left because they are being sent."""

    deleted: int = 0
    bytes: int = 0
    sending: int = 0


class Queue:
    """An open silo. Raises UnavailableError when there is none, SchemaError, PermissionDenied, BusyError."""

    def __init__(self, path: Path, table: str) -> None:
        self.path = path
        self.table = table
        self._database = open_sqlite(path)
        prepare(self._database, path, table, create=False)
        self._db: sqlite3.Connection = raw(self._database)
        self._statements = Statements(table)

    def messages(self, selection: Selection, wall: float) -> Iterator[StoredMessage]:
        """The rows, oldest first, in pages; `sending` is what is on the wire of them."""
        after, left = 0, selection.limit
        while left is None or left > 0:
            page = self._page(selection, wall, after, PAGE if left is None else min(PAGE, left))
            yield from page
            if not page:
                return
            after = page[-1].id
            left = None if left is None else left - len(page)

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
        """A claimed row is `sending` only while it is the one on the wire, the oldest of its recipient's."""
        message = message_of(row[:-1])
        if row[-1]:
            first = self._db.execute(
                f"SELECT min(id) FROM {self.table} WHERE aor = ? AND owner <> '' AND lease_until > ?",  # noqa: S608
                (message.aor, wall),
            ).fetchone()[0]
            if first == message.id:
                message.state = "sending"
        return message

    def message(self, id: int, wall: float) -> StoredMessage:
        """One row. Raises NoSuchMessage."""
        for found in self.messages(Selection(ids=(id,)), wall):
            return found
        raise NoSuchMessage(f"there is no message {id} (see msilo list)")

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

    def insert(self, message: StoredMessage, max_messages: int, max_bytes: int) -> AddResult:
        """Put a row in, under the same checks as the daemon's writer."""
        holdings = Holdings(self._statements, max_messages, max_bytes)
        transactions = Transactions(self._db, self._statements, holdings)
        results: list[AddResult] = []
        with translated(self.path):
            for done, result in transactions.execute([AddJob(message, results.append)]):
                done(result)
        return results[0]

    def purge(self, selection: Selection, wall: float) -> Iterator[Purged]:
        """Delete in batches; yields what each did. Rows under a live lease are left."""
        after, left = 0, selection.limit
        while left is None or left > 0:
            batch = PURGE_ROWS if left is None else min(PURGE_ROWS, left)
            with translated(self.path):
                rows, purged = self._purge_batch(selection, wall, after, batch)
            if not rows:
                return
            after = rows[-1][0]
            left = None if left is None else left - len(rows)
            yield purged

    def _purge_batch(
        self, selection: Selection, wall: float, after: int, count: int
    ) -> tuple[list[Any], Purged]:
        condition, values = selection.where(wall)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            rows = self._db.execute(
                f"SELECT id, hash, aor, size, owner <> '' AND lease_until > ? FROM {self.table} "  # noqa: S608
                f"WHERE {condition} AND id > ? ORDER BY id LIMIT ?",
                [wall, *values, after, count],
            ).fetchall()
            free = [row for row in rows if not row[4]]
            ends = [EndJob(row[0], row[1], row[2], Ending.PURGED, None, wall, None) for row in free]
            self._end_in_time(ends, rows)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        done = {job.id for job in ends}
        rows = [row for row in rows if row[4] or row[0] in done]
        return rows, Purged(len(done), sum(row[3] for row in free if row[0] in done), len(rows) - len(done))

    def _end_in_time(self, ends: list[EndJob], rows: list[Any]) -> None:
        """Stop after 20 ms, so that the daemon hardly waits; what is left comes with the next batch."""
        deadline = time.monotonic() + PURGE_SECONDS
        for start in range(0, len(ends), 25):
            self._statements.end(self._db, ends[start : start + 25])
            if time.monotonic() > deadline and start + 25 < len(ends):
                last = ends[start + 24].id
                del ends[start + 25 :]
                rows[:] = [row for row in rows if row[0] <= last]
                return

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

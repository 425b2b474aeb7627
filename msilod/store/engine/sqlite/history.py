"""History: the SQL of history entries. An entry is written in the transaction of its event.

The rowid is the order in time, so the oldest entries are found without an index of times.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

from msilod.silo.history import ENDS, HistoryEntry
from msilod.store.engine.text import chunks, marks
from msilod.store.jobs import End, entry_values

COLUMNS: Final = tuple(field.name for field in fields(HistoryEntry))


class History:
    """The statements for one db_table. `kept`: seconds; with 0 only changes by operators are written."""

    def __init__(self, table: str, kept: float) -> None:
        self.table = f"{table}_history"
        self.kept = kept
        self._insert = f"INSERT INTO {self.table} ({', '.join(COLUMNS)}) VALUES "
        self._insert_end = f"INSERT INTO {self.table} (message, aor, at, event, status, contact) VALUES "

    def ended(self, db: sqlite3.Connection, ends: Sequence[End]) -> None:
        """Write the last entry of each message, in one statement: every delivery ends here."""
        if not self.kept:
            return
        for chunk in chunks(ends):
            values: list[Any] = []
            for end in chunk:
                values += (end.id, end.aor, end.wall, end.how, end.status, end.contact)
            db.execute(self._insert_end + marks(len(chunk), 6), values)

    def without_end(self, db: sqlite3.Connection, ends: Sequence[End]) -> list[End]:
        """The ends of messages without a last entry."""
        last = f"SELECT 1 FROM {self.table} WHERE message = ? AND event IN {marks(1, len(ENDS))}"
        return [end for end in ends if not db.execute(last, (end.id, *ENDS)).fetchone()]

    def note(self, db: sqlite3.Connection, entries: Sequence[HistoryEntry]) -> None:
        """Write entries."""
        kept = [entry for entry in entries if self.kept or entry.actor]
        for chunk in chunks(kept):
            values: list[Any] = []
            for entry in chunk:
                values += entry_values(entry)
            db.execute(self._insert + marks(len(chunk), len(COLUMNS)), values)

    def of(self, db: sqlite3.Connection, message: int) -> list[HistoryEntry]:
        """The entries of a message, oldest first."""
        sql = f"SELECT {', '.join(COLUMNS)} FROM {self.table} WHERE message = ? ORDER BY id"
        return [HistoryEntry(*row) for row in db.execute(sql, (message,))]

    def forget(self, db: sqlite3.Connection, before: float, limit: int) -> int:
        """Drop up to `limit` of the oldest entries, if older than `before`. Returns the number of dropped entries."""
        return db.execute(
            f"DELETE FROM {self.table} WHERE at < ? AND id IN (SELECT id FROM {self.table} ORDER BY id LIMIT ?)",
            (before, limit),
        ).rowcount

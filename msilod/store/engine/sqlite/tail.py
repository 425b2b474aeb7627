"""The tail: rows above the id up to which the total of the silo, and the hours of its senders, are counted.

Whoever reads the total adds the tail; a fold moves the tail into the total and into the hours. A kill undoes both.
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from msilod.silo.stored_message import StoredMessage
from msilod.store.engine.text import chunks, marks

_MORE: Final = "ON CONFLICT DO UPDATE SET messages = messages + excluded.messages"
# Above any id: nothing counts the hours of senders.
NO_HOURS: Final = 1 << 63


def total(table: str) -> str:
    """Messages and bytes of the whole silo: what is counted, and the tail above it, row by row."""
    return (
        f"SELECT messages + count({table}.id), bytes + coalesce(sum(size), 0) "
        f"FROM {table}_total LEFT JOIN {table} NOT INDEXED ON {table}.id > counted"
    )


def add_hours(db: sqlite3.Connection, table: str, counts: Mapping[tuple[int, str], int]) -> None:
    """So many messages more of senders, by hour and sender (hours.py)."""
    for chunk in chunks(list(counts.items())):
        values = [value for (hour, sender), count in chunk for value in (hour, sender, count)]
        db.execute(
            f"INSERT INTO {table}_sender_hour (hour, sender, messages) VALUES {marks(len(chunk), 3)} {_MORE}",
            values,
        )


class Tail:
    """Its statements for one db_table."""

    def __init__(self, table: str) -> None:
        self.table = table
        # Rows above this id may be in no hour of a sender yet, and are counted in one when they end. The daemon's
        # writer sets it; the command line does not know, and asks the silo each time.
        self.hours_above = 0
        self._hours = (
            f"INSERT INTO {table}_sender_hour (hour, sender, messages) "
            f"SELECT CAST(received_at AS INTEGER) / 3600, sender, count(*) FROM {table} NOT INDEXED "
            f"WHERE id > (SELECT counted FROM {table}_total)%s GROUP BY 1, 2 {_MORE}"
        )

    def count_ended(self, db: sqlite3.Connection, ids: Sequence[int]) -> None:
        """Those of these rows that are in the tail are counted in the hours of their senders, before they end."""
        db.execute(self._hours % f" AND id IN {marks(1, len(ids))}", ids)

    def fold_hours(self, db: sqlite3.Connection) -> None:
        """Count the tail in the hours of its senders; `fold` has to follow in the same transaction."""
        db.execute(self._hours % "")

    def count_gone(self, db: sqlite3.Connection, gone: Sequence[StoredMessage]) -> None:
        """Rows of the tail have been deleted in this transaction: they stay counted in the hours of their senders."""
        if all(row.id <= self.hours_above for row in gone):
            return
        counted = self.counted(db)
        add_hours(
            db,
            self.table,
            Counter((int(row.received_at) // 3600, row.sender) for row in gone if row.id > counted),
        )

    def fold(self, db: sqlite3.Connection) -> None:
        """Count the tail in the total, in one statement: nothing is lost or counted twice by a kill."""
        db.execute(
            f"UPDATE {self.table}_total SET (messages, bytes, counted) = (SELECT messages + count(*), "
            f"bytes + coalesce(sum(size), 0), coalesce(max(id), counted) FROM {self.table} NOT INDEXED "
            "WHERE id > counted)"
        )

    def counted(self, db: sqlite3.Connection) -> int:
        """The id above which the tail begins."""
        return int(db.execute(f"SELECT counted FROM {self.table}_total").fetchone()[0])

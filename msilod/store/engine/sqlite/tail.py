"""The tail: rows above a certain id. The total of the silo, and the hours of senders, count rows up to this id.

A reader of the total adds the tail. A fold moves the tail into the total and into the hours, in one transaction.
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from msilod.silo.stored_message import StoredMessage
from msilod.store.engine.text import chunks, marks

_MORE: Final = "ON CONFLICT DO UPDATE SET messages = messages + excluded.messages"
# Above any id: hours of senders are not counted.
NO_HOURS: Final = 1 << 63


def total(table: str) -> str:
    """SELECT of messages and bytes of the whole silo: the counted rows, and the rows of the tail."""
    return (
        f"SELECT messages + count({table}.id), bytes + coalesce(sum(size), 0) "
        f"FROM {table}_total LEFT JOIN {table} NOT INDEXED ON {table}.id > counted"
    )


def add_hours(db: sqlite3.Connection, table: str, counts: Mapping[tuple[int, str], int]) -> None:
    """Add numbers of messages to senders, by hour and sender (hours.py)."""
    for chunk in chunks(list(counts.items())):
        values = [value for (hour, sender), count in chunk for value in (hour, sender, count)]
        db.execute(
            f"INSERT INTO {table}_sender_hour (hour, sender, messages) VALUES {marks(len(chunk), 3)} {_MORE}",
            values,
        )


class Tail:
    """The statements for one db_table."""

    def __init__(self, table: str) -> None:
        self.table = table
        # Rows above this id may be missing in the hours of senders, and are counted at their end. Set by the daemon's
        # writer. In the command line 0: the database is asked each time.
        self.hours_above = 0
        self._hours = (
            f"INSERT INTO {table}_sender_hour (hour, sender, messages) "
            f"SELECT CAST(received_at AS INTEGER) / 3600, sender, count(*) FROM {table} NOT INDEXED "
            f"WHERE id > (SELECT counted FROM {table}_total)%s GROUP BY 1, 2 {_MORE}"
        )

    def count_ended(self, db: sqlite3.Connection, ids: Sequence[int]) -> None:
        """Count rows of the tail in the hours of their senders, before these rows end."""
        db.execute(self._hours % f" AND id IN {marks(1, len(ids))}", ids)

    def fold_hours(self, db: sqlite3.Connection) -> None:
        """Count the tail in the hours of senders; `fold` has to follow in the same transaction."""
        db.execute(self._hours % "")

    def count_gone(self, db: sqlite3.Connection, gone: Sequence[StoredMessage]) -> None:
        """Count rows of the tail, deleted in this transaction, in the hours of their senders."""
        if all(row.id <= self.hours_above for row in gone):
            return
        counted = self.counted(db)
        add_hours(
            db,
            self.table,
            Counter((int(row.received_at) // 3600, row.sender) for row in gone if row.id > counted),
        )

    def fold(self, db: sqlite3.Connection) -> None:
        """Count the tail in the total, with one statement: a kill loses no row and counts no row twice."""
        db.execute(
            f"UPDATE {self.table}_total SET (messages, bytes, counted) = (SELECT messages + count(*), "
            f"bytes + coalesce(sum(size), 0), coalesce(max(id), counted) FROM {self.table} NOT INDEXED "
            "WHERE id > counted)"
        )

    def counted(self, db: sqlite3.Connection) -> int:
        """The id of the last row before the tail."""
        return int(db.execute(f"SELECT counted FROM {self.table}_total").fetchone()[0])

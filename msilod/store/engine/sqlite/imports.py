"""Imports: the SQL for marks of imported rows, and for the rehearsal of an import.

Each imported row leaves a mark for the longest possible life of the row (schema 9), in the transaction of the insert.
After an interrupted import (Ctrl-C, a kill) the marks tell the repeated import which rows were stored before, delivered
or not.
"""

import sqlite3
from collections.abc import Sequence

from msilod.silo.stored_message import State, StoredMessage
from msilod.store.engine.sqlite.statements import Statements
from msilod.store.engine.text import chunks, marks


class Imports:
    """The statements for one db_table."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._table = f"{statements.table}_imported"
        self._mark = (
            f"INSERT INTO {self._table} SELECT hash, ? FROM {statements.table} WHERE aor = ? AND hash = ? "
            "ON CONFLICT DO UPDATE SET until = max(until, excluded.until)"
        )

    def known(self, db: sqlite3.Connection, hashes: Sequence[bytes]) -> dict[bytes, int]:
        """The ids of hashes with a recent end or a mark. 0: the id is not known any more."""
        found: dict[bytes, int] = {}
        for chunk in chunks(hashes):
            sql = f"SELECT hash, 0 FROM {self._table} WHERE hash IN {marks(1, len(chunk))}"
            found.update(db.execute(sql, chunk))
        return found | self._statements.ended(db, hashes)

    def mark(self, db: sqlite3.Connection, messages: Sequence[tuple[str, bytes, float]]) -> None:
        """Write marks for the (AOR, hash, until) of rows in the silo."""
        db.executemany(self._mark, [(until, aor, hash) for aor, hash, until in messages])


def nothing_known(db: sqlite3.Connection, hashes: Sequence[bytes]) -> dict[bytes, int]:
    """For an import with ended messages: no hash counts as ended."""
    return {}


class Rehearsal:
    """An import without a change: each row is judged beside the earlier rows of the same import.

    The rows are in a temporary table of the connection, so a file of any length takes little memory.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        # The table ends with the connection.
        db.execute(
            "CREATE TEMP TABLE rehearsed (aor TEXT, hash BLOB, sender TEXT, size INTEGER, counts INTEGER)"
        )
        db.execute("CREATE INDEX temp.rehearsed_by_aor ON rehearsed (aor, hash, sender, size, counts)")

    def has(self, message: StoredMessage) -> bool:
        """True for a row that the import has had before."""
        sql = "SELECT 1 FROM rehearsed WHERE aor = ? AND hash = ?"
        return self._db.execute(sql, (message.aor, message.hash)).fetchone() is not None

    def add(self, message: StoredMessage) -> None:
        """The row would be stored."""
        counts = message.state not in (State.REJECTED, State.HANDED)
        values = (message.aor, message.hash, message.sender, message.size, counts)
        self._db.execute("INSERT INTO rehearsed VALUES (?, ?, ?, ?, ?)", values)

    def of(self, aor: str) -> tuple[int, int]:
        """Messages and bytes for `aor` so far, without rows outside of all quotas."""
        return self._sum("aor = ? AND counts", aor)

    def of_sender(self, aor: str, sender: str) -> tuple[int, int]:
        """The same for one sender."""
        return self._sum("aor = ? AND counts AND sender = ?", aor, sender)

    def _sum(self, condition: str, *values: str) -> tuple[int, int]:
        sql = f"SELECT count(*), coalesce(sum(size), 0) FROM rehearsed WHERE {condition}"
        messages, size = self._db.execute(sql, values).fetchone()
        return messages, size

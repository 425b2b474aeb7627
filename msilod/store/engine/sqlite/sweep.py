"""Sweep: the SQL for due rows, expired rows, and old hashes and entries.

Each call does a small piece of work by an index, inside a transaction of the writer. The caller repeats a full piece.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from msilod.silo.stored_message import StoredMessage
from msilod.store.columns import message_of
from msilod.store.engine.sqlite.devices import Devices
from msilod.store.engine.sqlite.history import History
from msilod.store.engine.sqlite.holdings import Holdings
from msilod.store.engine.sqlite.statements import CLEANED, Statements
from msilod.store.engine.text import chunks, marks
from msilod.store.jobs import Cleaned, End

# Seconds that hashes of ended messages are kept: well past 64*T1, the last retransmission of a sender (law 9).
ENDED_KEPT: Final = 120.0


class Sweep:
    """The statements for one db_table."""

    def __init__(
        self, statements: Statements, history: History, holdings: Holdings, devices: Devices
    ) -> None:
        self.statements = statements
        self.history = history
        self.holdings = holdings
        self.devices = devices
        table = statements.table
        self._due = (
            f"UPDATE {table} SET state = 'waiting', expires_at = min(?, due_at - ?) + (expires_at - due_at), "
            f"due_at = NULL WHERE id IN (SELECT id FROM {table} "
            "WHERE state = 'scheduled' AND due_at <= ? ORDER BY due_at LIMIT ?) RETURNING aor"
        )
        self._forget_imported = (
            f"DELETE FROM {table}_imported WHERE hash IN (SELECT hash FROM {table}_imported "
            "WHERE until < ? ORDER BY until LIMIT ?)"
        )
        self._forget_hours = f"DELETE FROM {table}_sender_hour WHERE hour < ?"

    def due(self, db: sqlite3.Connection, system: float, wall: float, ahead: float, limit: int) -> list[str]:
        """Scheduled rows with a due time in the past become waiting. Returns the AOR of each row.

        `due_at` and, for a scheduled row, `expires_at` are system time, since the sender means a time of day. The life
        of the row begins now, in silo time, or earlier if the row was due by an earlier `ahead` (times.py).
        """
        found = db.execute(self._due, (wall, ahead, system, limit))
        # An AOR without a text type names no mailbox.
        return [row[0] for row in found if isinstance(row[0], str)]

    def clean(self, db: sqlite3.Connection, wall: float, limit: int) -> Cleaned:
        """Remove up to `limit` expired rows, and up to `limit` old hashes, marks and entries each."""
        gone = self.statements.clean(db, wall, limit)
        self._end(db, gone, wall)
        hashes = self.statements.forget_ended(db, wall - ENDED_KEPT, limit)
        imported = db.execute(self._forget_imported, (wall, limit)).rowcount
        entries = self.history.forget(db, wall - self.history.kept, limit)
        self.devices.forget(db, wall)
        db.execute(self._forget_hours, (wall // 3600 - 1,))
        return Cleaned(gone, max(len(gone), hashes, imported, entries) >= limit)

    def expire(self, db: sqlite3.Connection, wall: float, ids: Sequence[int]) -> Cleaned:
        """Remove expired rows among `ids`, as `clean` would later."""
        gone = self._clean_these(db, wall, ids)
        self._end(db, gone, wall)
        return Cleaned(gone, False)

    def _clean_these(self, db: sqlite3.Connection, wall: float, ids: Sequence[int]) -> list[StoredMessage]:
        """As `Statements.clean`, for these ids only; other rows stay."""
        gone: list[StoredMessage] = []
        for chunk in chunks(ids):
            rows = db.execute(
                f"DELETE FROM {self.statements.table} WHERE id IN {marks(1, len(chunk))} AND expires_at <= ? "
                f"AND state NOT IN ('held', 'scheduled') AND (owner = '' OR lease_until <= ?) RETURNING {CLEANED}",
                [*chunk, wall, wall],
            ).fetchall()
            gone += map(message_of, rows)
        return gone

    def _end(self, db: sqlite3.Connection, gone: Sequence[StoredMessage], wall: float) -> None:
        self.statements.count_gone(db, gone)
        ended = [End(row.id, row.hash, row.aor, "expired", None, wall) for row in gone]
        self.statements.end(db, ended)
        self.history.ended(db, ended)
        for end in ended:
            self.holdings.forget(end.aor)

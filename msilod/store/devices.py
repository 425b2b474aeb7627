"""The SQL of [silo] devices = "each": who has taken which row, and when a row has been taken by all.

A row ends when every device that is known has answered for itself: 2xx, or a refusal. Known are those that are
bound, and those with a +sip.instance that were within `memory` seconds: a Contact URI alone says nothing of a
device that has gone. A row that was sent to sips: is for those that are bound as sips: alone, or were so last.
"""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

from msilod.registrar.binding import Binding
from msilod.silo.history import Event, HistoryEntry
from msilod.silo.stored_message import Ending, StoredMessage
from msilod.store.history import History
from msilod.store.jobs import EndJob
from msilod.store.models import LOADED, message_of
from msilod.store.statements import FOR_SIPS, LEASE, Statements

MEMORY: Final = 2_592_000.0
_IS_SIPS: Final = "lower(substr(contact, 1, 5)) = 'sips:'"


class Devices:
    """The statements for one db_table; `memory` 0: devices are not told apart."""

    def __init__(self, statements: Statements, history: History) -> None:
        self.statements = statements
        self.history = history
        self.memory = 0.0
        table = self.table = statements.table
        self._serve = f"INSERT OR REPLACE INTO {table}_served VALUES (?, ?, ?, ?)"  # noqa: S608
        self._claim = (
            f"UPDATE {table} SET owner = ?, lease_until = ? WHERE id IN (SELECT id FROM {table} AS row "  # noqa: S608
            "WHERE aor = ? AND state = 'waiting' AND owner IN ('', ?) AND id > ? AND NOT EXISTS "
            f"(SELECT 1 FROM {table}_served WHERE message = row.id AND device = ?) ORDER BY id LIMIT ?) "
            f"RETURNING {', '.join(LOADED)}"
        )
        self._claim_without_sips = self._claim.replace("AND id > ?", f"AND NOT {FOR_SIPS} AND id > ?")

    def learn(self, db: sqlite3.Connection, bindings: Sequence[Binding]) -> None:
        """These are bound, or were: they count as seen until their bindings end, however that comes."""
        if self.memory:
            db.executemany(
                f"INSERT INTO {self.table}_device VALUES (?, ?, ?, ?) "  # noqa: S608
                "ON CONFLICT DO UPDATE SET contact = excluded.contact, seen_at = excluded.seen_at",
                [(b.aor, b.instance, b.contact, b.expires_at) for b in bindings if b.instance],
            )

    def claim(
        self, db: sqlite3.Connection, owner: str, aor: str, device: str, limit: int, after: int,
        ids: Collection[int], wall: float, with_sips: bool = True,
    ) -> list[StoredMessage]:  # fmt: skip
        """As `Statements.claim`, those that this device has not answered; another run of ours may have them, too."""
        sql = self._claim if with_sips else self._claim_without_sips
        if ids:
            sql = sql.replace("AND id > ?", f"AND id IN ({', '.join(str(int(id)) for id in ids)}) AND id > ?")
        rows = db.execute(sql, (owner, wall + LEASE, aor, owner, after, device, limit)).fetchall()
        return [message_of(row) for row in sorted(rows)]

    def serve(
        self, db: sqlite3.Connection, row: StoredMessage, device: str, status: int, reason: str, contact: str,
        wall: float,
    ) -> None:  # fmt: skip
        """The device has answered for good; the row ends when it was the last one."""
        table = self.table
        if db.execute(f"SELECT 1 FROM {table} WHERE id = ?", (row.id,)).fetchone() is None:  # noqa: S608
            return
        db.execute(self._serve, (row.id, device, status, wall))
        self.statements.release(db, (row.id,))
        served = dict(db.execute(f"SELECT device, status FROM {table}_served WHERE message = ?", (row.id,)))  # noqa: S608
        if not self.known(db, row, wall) <= served.keys():
            if status < 300:
                entry = HistoryEntry(row.id, row.aor, wall, Event.TAKEN, status, reason, contact)
                self.history.note(db, (entry,))
            return
        taken = [its for its in served.values() if its < 300]
        if taken:
            end = [EndJob(row.id, row.hash, row.aor, Ending.DELIVERED, taken[0], wall, None, contact)]
            self.statements.end(db, end)
            self.history.ended(db, end)
        else:
            self.statements.reject(db, row.id, status, reason, row.attempts)
            self.history.note(db, (HistoryEntry(row.id, row.aor, wall, Event.REJECTED, status, reason),))

    def known(self, db: sqlite3.Connection, row: StoredMessage, wall: float) -> set[str]:
        """The devices that the row waits for."""
        table, fitting = self.table, f" AND {_IS_SIPS}" if row.is_for_sips else ""
        bound = db.execute(
            f"SELECT instance, contact, methods FROM {table}_location WHERE aor = ? AND expires_at > ?{fitting}",  # noqa: S608
            (row.aor, wall),
        )
        found = {
            instance or contact
            for instance, contact, methods in bound
            if methods is None or "MESSAGE" in methods.split(",")
        }
        former = db.execute(
            f"SELECT device FROM {table}_device WHERE aor = ? AND seen_at > ?{fitting}",  # noqa: S608
            (row.aor, wall - self.memory),
        )
        return found | {device for (device,) in former}

    def forget(self, db: sqlite3.Connection, wall: float) -> None:
        """Devices that were seen too long ago to be waited for."""
        db.execute(f"DELETE FROM {self.table}_device WHERE seen_at < ?", (wall - (self.memory or MEMORY),))  # noqa: S608

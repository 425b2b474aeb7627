"""Devices: the SQL of [silo] devices = "each": the devices with a message, and the end of a row.

A row ends when every known device has answered with a 2xx or a refusal. A known device is bound, or has a +sip.instance
and was bound within the last `memory` seconds; a Contact URI alone does not name a device without a binding. A row for
sips: waits only for devices with a sips: binding, or with a sips: binding as their last.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from msilod.silo.history import Event, HistoryEntry
from msilod.silo.stored_message import Ending, StoredMessage
from msilod.store.columns import id_of, message_of
from msilod.store.engine.sqlite.claims import FOR_SIPS, LEASE, ClaimText
from msilod.store.engine.sqlite.history import History
from msilod.store.engine.sqlite.statements import Statements
from msilod.store.jobs import End

MEMORY: Final = 2_592_000.0
# (aor, instance, contact, expires_at) of the values of a binding.
_DEVICE: Final = itemgetter(0, 10, 1, 6)
_IS_SIPS: Final = "lower(substr(contact, 1, 5)) = 'sips:'"


class Devices:
    """The statements for one db_table. With `memory` 0 devices are not told apart."""

    def __init__(self, statements: Statements, history: History) -> None:
        self.statements = statements
        self.history = history
        self.memory = 0.0
        table = self.table = statements.table
        self._serve = f"INSERT OR REPLACE INTO {table}_served VALUES (?, ?, ?, ?)"
        self._claim = ClaimText(
            table,
            "owner IN ('', ?)",
            f" AND NOT EXISTS (SELECT 1 FROM {table}_served WHERE message = row.id AND device = ?)",
        )

    def learn(self, db: sqlite3.Connection, bindings: Iterable[Sequence[Any]]) -> None:
        """Remember the devices of these bindings (`binding_values`), bound or removed: a device counts as seen until
        the end of its binding.
        """
        if self.memory:
            db.executemany(
                f"INSERT INTO {self.table}_device VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET contact = excluded.contact, seen_at = excluded.seen_at",
                [device for device in map(_DEVICE, bindings) if device[1]],
            )

    def claim(
        self, db: sqlite3.Connection, owner: str, aor: str, device: str, limit: int, after: int,
        ids: Collection[int], wall: float, with_sips: bool = True,
    ) -> list[StoredMessage]:  # fmt: skip
        """As `Statements.claim`, for rows without an answer of `device`. Another run of this daemon may hold the same
        rows.
        """
        sql = self._claim.sql(ids, with_sips)
        rows = db.execute(sql, (owner, wall + LEASE, aor, owner, after, device, limit)).fetchall()
        return sorted(map(message_of, rows), key=id_of)

    def serve(
        self, db: sqlite3.Connection, id: int, attempts: int, device: str, status: int, reason: str, contact: str,
        wall: float,
    ) -> str:  # fmt: skip
        """Note the final answer of a device, and end the row after the last device.

        Returns the AOR of a row that has ended, else "".
        """
        table = self.table
        row = db.execute(f"SELECT aor, hash, {FOR_SIPS} FROM {table} WHERE id = ?", (id,)).fetchone()
        if row is None:
            return ""
        aor, hash, is_for_sips = row
        db.execute(self._serve, (id, device, status, wall))
        self.statements.release(db, (id,))
        served = dict(db.execute(f"SELECT device, status FROM {table}_served WHERE message = ?", (id,)))
        if not self.known(db, aor, bool(is_for_sips), wall) <= served.keys():
            if status < 300:
                self.history.note(db, (HistoryEntry(id, aor, wall, Event.TAKEN, status, reason, contact),))
            return ""
        taken = [its for its in served.values() if its < 300]
        if taken:
            end = [End(id, hash, aor, Ending.DELIVERED, taken[0], wall, contact)]
            self.statements.end(db, end)
            self.history.ended(db, end)
        else:
            self.statements.reject(db, id, status, reason, attempts)
            self.history.note(db, (HistoryEntry(id, aor, wall, Event.REJECTED, status, reason),))
        return str(aor)

    def known(self, db: sqlite3.Connection, aor: str, is_for_sips: bool, wall: float) -> set[str]:
        """The devices that a row waits for."""
        table, fitting = self.table, f" AND {_IS_SIPS}" if is_for_sips else ""
        bound = db.execute(
            f"SELECT instance, contact, methods FROM {table}_location WHERE aor = ? AND expires_at > ?{fitting}",
            (aor, wall),
        )
        found = {
            instance or contact
            for instance, contact, methods in bound
            if methods is None or "MESSAGE" in methods.split(",")
        }
        former = db.execute(
            f"SELECT device FROM {table}_device WHERE aor = ? AND seen_at > ?{fitting}",
            (aor, wall - self.memory),
        )
        return found | {device for (device,) in former}

    def forget(self, db: sqlite3.Connection, wall: float) -> None:
        """Forget devices that were seen longer ago than `memory`."""
        db.execute(f"DELETE FROM {self.table}_device WHERE seen_at < ?", (wall - (self.memory or MEMORY),))

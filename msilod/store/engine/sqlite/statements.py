"""The SQL of the hot path, built once for each table from the models' columns, executed on the raw connection.

Measured: multi-row VALUES with SQL built once stores twice as many rows as `insert_many`. Each statement has a fixed
cost beside the cost of its rows. So a small batch is one statement of exactly the right size, and a large batch a few
statements with powers of two as sizes.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from msilod.silo.stored_message import CALL_KEY_BYTES, StoredMessage
from msilod.store.columns import (
    FRESH,
    LOADED,
    STORED,
    fresh_values,
    id_of,
    is_fresh,
    message_of,
    values_of,
)
from msilod.store.engine.sqlite.claims import LEASE, ClaimText
from msilod.store.engine.sqlite.tail import Tail
from msilod.store.engine.sqlite.tail import total as total
from msilod.store.engine.text import EXACT, chunks, marks
from msilod.store.jobs import End
from msilod.store.times import CLOCK

# A sweep reads bodies, of up to 64 kB each, only of message/*: these may ask for notices to their senders.
_BODY: Final = "CASE WHEN CAST(content_type AS TEXT) LIKE 'message/%' THEN body ELSE x'' END"
CLEANED: Final = ", ".join(_BODY if name == "body" else name for name in LOADED)

# A row keeps the first end. A message with another id, after a second import, has a second end.
_ENDED_AGAIN: Final = (
    " ON CONFLICT (hash) DO UPDATE SET ended_at = excluded.ended_at, id = excluded.id, "
    "how = CASE WHEN id = excluded.id THEN how ELSE excluded.how END, "
    "status = CASE WHEN id = excluded.id THEN status ELSE excluded.status END"
)

# (aor, contact, instance, reg_id) of the values of a binding.
_KEY: Final = itemgetter(0, 1, 10, 11)


def skip_scan(table: str, condition: str = "") -> str:
    """The AORs with rows above the first `?`, in order, at most as many as the second `?`.

    One search of the index for each recipient, for any number of rows, and one statement for all recipients: a
    statement for each recipient took three times as long, and took the interpreter's lock as often.
    """
    following = f"SELECT min(aor) FROM {table} WHERE {condition}aor >"
    return (
        f"WITH RECURSIVE recipients (name) AS ({following} ? UNION ALL "
        f"SELECT ({following} name) FROM recipients WHERE name IS NOT NULL LIMIT ?) "
        "SELECT name FROM recipients WHERE name IS NOT NULL"
    )


def aors_of(rows: Iterable[Any]) -> list[str]:
    """The AORs in the first column, each once, in order. An AOR without a text type names no mailbox: no run gets the
    row.
    """
    return sorted({row[0] for row in rows if isinstance(row[0], str)})


class Statements(Tail):
    """The statements for one db_table. The name of the table is from the configuration, which checks the name."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self._insert = f"INSERT INTO {table} ({', '.join(STORED)}) VALUES "
        self._insert_fresh = f"INSERT INTO {table} ({', '.join(FRESH)}) VALUES "
        self._at_once: dict[int, str] = {}
        self._ended = f"INSERT INTO {table}_ended (hash, id, aor, how, status, ended_at) VALUES "
        self._claim = ClaimText(table, "owner = ''")

    def insert(self, db: sqlite3.Connection, messages: Sequence[StoredMessage]) -> None:
        """Insert all rows, or raise. Ids are consecutive: no other process writes during the transaction."""
        for chunk in chunks(messages):
            values: list[Any] = []
            if all(map(is_fresh, chunk)):
                sql, columns, values_from = self._insert_fresh, len(FRESH), fresh_values
            else:
                sql, columns, values_from = self._insert, len(STORED), values_of
            for message in chunk:
                values += values_from(message)
            last = db.execute(sql + marks(len(chunk), columns), values).lastrowid or 0
            for id, message in enumerate(chunk, last - len(chunk) + 1):
                message.id = id

    def insert_undisturbed(
        self, db: sqlite3.Connection, messages: Sequence[StoredMessage], version: int
    ) -> int:
        """A whole transaction in one statement: insert all rows if no other process has committed since `version`
        (PRAGMA data_version) and no row has ended. Returns the id of the first row; 0: nothing was done.

        So BEGIN, checks, INSERT and COMMIT take one call and one lock of the file.
        """
        count = len(messages)
        width = count if count <= EXACT else -(-count // EXACT) * EXACT
        values: list[Any] = []
        for message in messages:
            values += fresh_values(message)
        # Zero and not NULL: sqlite3 looks for an adapter of None, 4 us a row where a third is padding.
        values += [0] * ((width - count) * len(FRESH))
        values.append(version)
        values += [message.hash for message in messages]
        values += [0] * (width - count)
        cursor = db.execute(self._undisturbed(width), values)
        return (cursor.lastrowid or 0) - count + 1 if cursor.rowcount == count else 0

    def _undisturbed(self, width: int) -> str:
        """Rows of padding have a zero as AOR. So a few prepared statements serve batches of any size."""
        sql = self._at_once.get(width)
        if sql is None:
            columns = ", ".join(f"column{number}" for number in range(1, len(FRESH) + 1))
            aor = f"column{FRESH.index('aor') + 1}"
            sql = self._at_once[width] = (
                f"{self._insert_fresh.removesuffix('VALUES ')}SELECT {columns} "
                f"FROM (VALUES {marks(width, len(FRESH))}) "
                f"WHERE {aor} IS NOT 0 AND (SELECT data_version FROM pragma_data_version) = ? "
                f"AND NOT EXISTS (SELECT 1 FROM {self.table}_ended WHERE hash IN {marks(1, width)})"
            )
        return sql

    def ended(self, db: sqlite3.Connection, hashes: Sequence[bytes]) -> dict[bytes, int]:
        """The ids of hashes with a recent end."""
        found: dict[bytes, int] = {}
        for chunk in chunks(hashes):
            sql = f"SELECT hash, id FROM {self.table}_ended WHERE hash IN {marks(1, len(chunk))}"
            found.update(db.execute(sql, chunk))
        return found

    def kept(self, db: sqlite3.Connection, aor: str, hash: bytes) -> int:
        """The id of `aor`'s row with the hash, from the index alone; 0 for no row."""
        row = db.execute(f"SELECT id FROM {self.table} WHERE aor = ? AND hash = ?", (aor, hash)).fetchone()
        return int(row[0]) if row else 0

    def holdings(self, db: sqlite3.Connection, aors: Sequence[str]) -> list[tuple[str, int, int, str]]:
        """(AOR, messages, bytes, keys of the Call-IDs in hex) of recipients with rows, from the index alone.

        One line for each recipient: a Python row for each row of the silo cost as much as seven stores, at a hundred
        rows.
        """
        found: list[tuple[str, int, int, str]] = []
        for chunk in chunks(aors):
            sql = (
                "SELECT aor, count(*), sum(size), "
                f"group_concat(hex(substr(hash, 1, {CALL_KEY_BYTES})), '') "
                f"FROM {self.table} WHERE aor IN {marks(1, len(chunk))} GROUP BY aor"
            )
            found += db.execute(sql, chunk).fetchall()
        return found

    def end(self, db: sqlite3.Connection, ends: Sequence[End]) -> int:
        """Delete the rows and keep their hashes. Missing rows are no error. Returns the number of deleted rows."""
        count = 0
        for chunk in chunks(ends):
            places = marks(1, len(chunk))
            if any(end.id > self.hours_above for end in chunk):
                self.count_ended(db, [end.id for end in chunk])
            gone = db.execute(f"DELETE FROM {self.table} WHERE id IN {places}", [end.id for end in chunk])
            count += gone.rowcount
            values: list[Any] = []
            for end in chunk:
                values += (end.hash, end.id, end.aor, end.how, end.status, end.wall)
            db.execute(
                f"{self._ended}{marks(len(chunk), 6)}{_ENDED_AGAIN}",
                values,
            )
        return count

    def claim(
        self,
        db: sqlite3.Connection,
        owner: str,
        aor: str,
        limit: int,
        after: int,
        ids: Collection[int],
        wall: float,
        with_sips: bool = True,
    ) -> list[StoredMessage]:
        """Lease up to `limit` waiting rows with an id above `after`, oldest first; only `ids`, if not empty."""
        sql = self._claim.sql(ids, with_sips)
        rows = db.execute(sql, (owner, wall + LEASE, aor, after, limit)).fetchall()
        return sorted(map(message_of, rows), key=id_of)

    def has_waiting(self, db: sqlite3.Connection, aor: str) -> bool:
        """True when a claim of all rows of `aor` would find one."""
        sql = f"SELECT 1 FROM {self.table} WHERE aor = ? AND state = 'waiting' AND owner = '' LIMIT 1"
        return db.execute(sql, (aor,)).fetchone() is not None

    def release(self, db: sqlite3.Connection, ids: Sequence[int]) -> None:
        """Give leases back."""
        for chunk in chunks(ids):
            db.execute(
                f"UPDATE {self.table} SET owner = '', lease_until = NULL WHERE id IN {marks(1, len(chunk))}",
                chunk,
            )

    def postpone(
        self,
        db: sqlite3.Connection,
        tries: Sequence[Sequence[int]],
        until: float,
        status: int | None,
        reason: str,
    ) -> None:
        """Give leases back with the result of a try, as [id, attempts]; without a status the last result stays."""
        told = "" if status is None else ", last_status = ?, last_reason = ?"
        extra = () if status is None else (status, reason)
        db.executemany(
            f"UPDATE {self.table} SET owner = '', lease_until = NULL, attempts = ?, next_attempt_at = ?{told} "
            "WHERE id = ?",
            [(attempts, until, *extra, id) for id, attempts in tries],
        )

    def forget_back_off(self, db: sqlite3.Connection, aor: str, spaced: Sequence[int]) -> None:
        """Drop the time of the next try, except for rows with one of `spaced` as last status."""
        db.execute(
            f"UPDATE {self.table} SET next_attempt_at = NULL WHERE aor = ? AND next_attempt_at IS NOT NULL "
            f"AND state = 'waiting' AND coalesce(last_status, 0) NOT IN {marks(1, len(spaced))}",
            (aor, *spaced),
        )

    def reject(self, db: sqlite3.Connection, id: int, status: int, reason: str, attempts: int) -> str:
        """Mark the row as rejected: kept to its expiry, never sent again. Returns the AOR; "" for a missing row."""
        found = db.execute(
            f"UPDATE {self.table} SET state = 'rejected', owner = '', lease_until = NULL, next_attempt_at = NULL, "
            "last_status = ?, last_reason = ?, attempts = ? WHERE id = ? RETURNING aor",
            (status, reason, attempts, id),
        ).fetchall()
        return str(found[0][0]) if found else ""

    def hand(self, db: sqlite3.Connection, id: int, status: int, reason: str) -> str:
        """Mark the row as handed over to a next hop that reports the rest to the sender: kept to its expiry, not sent
        again.

        Returns the AOR; "" for a missing row.
        """
        found = db.execute(
            f"UPDATE {self.table} SET state = 'handed', owner = '', lease_until = NULL, next_attempt_at = NULL, "
            "last_status = ?, last_reason = ? WHERE id = ? RETURNING aor",
            (status, reason, id),
        ).fetchall()
        return str(found[0][0]) if found else ""

    def renew(self, db: sqlite3.Connection, ids: Sequence[int], wall: float) -> None:
        """Extend the leases of these rows."""
        for chunk in chunks(ids):
            db.execute(
                f"UPDATE {self.table} SET lease_until = ? WHERE owner <> '' AND id IN {marks(1, len(chunk))}",
                (wall + LEASE, *chunk),
            )

    def free_lapsed(self, db: sqlite3.Connection, wall: float) -> list[str]:
        """Give back leases past their end: no run holds these rows. Returns the AORs of the rows."""
        # The words of the partial index; without these words SQLite reads all rows.
        rows = db.execute(
            f"UPDATE {self.table} SET owner = '', lease_until = NULL WHERE owner <> '' AND lease_until <= ? "
            "RETURNING aor",
            (wall,),
        ).fetchall()
        return aors_of(rows)

    def keep_user_change(self, db: sqlite3.Connection, change: int) -> None:
        """Keep the number of the last applied change of users (`StoreWriter.keep_user_change`)."""
        db.execute(
            f"INSERT OR REPLACE INTO {self.table}_secret (name, value) VALUES ('user-change', ?)",
            (b"%d" % change,),
        )

    def keep_clock(self, db: sqlite3.Connection, kept: bytes) -> None:
        """Keep where silo time stands: `kept` is of KeptClock.to_bytes() (times.py)."""
        db.execute(f"INSERT OR REPLACE INTO {self.table}_secret (name, value) VALUES ('{CLOCK}', ?)", (kept,))

    def free_all(self, db: sqlite3.Connection) -> None:
        """Give back the leases of a dead daemon: one daemon per file."""
        db.execute(f"UPDATE {self.table} SET owner = '', lease_until = NULL WHERE owner <> ''")

    def clean(self, db: sqlite3.Connection, wall: float, limit: int) -> list[StoredMessage]:
        """Delete expired rows without a lease. Returns the rows, with bodies only for message/*."""
        rows = db.execute(
            f"DELETE FROM {self.table} WHERE id IN (SELECT id FROM {self.table} WHERE expires_at <= ? "
            "AND state <> 'held' AND state <> 'scheduled' AND (owner = '' OR lease_until <= ?) "
            f"ORDER BY expires_at LIMIT ?) RETURNING {CLEANED}",
            (wall, wall, limit),
        ).fetchall()
        return [message_of(row) for row in rows]

    def forget_ended(self, db: sqlite3.Connection, before: float, limit: int) -> int:
        """Drop up to `limit` hashes with an end before `before`. Returns the number of dropped hashes."""
        return db.execute(
            f"DELETE FROM {self.table}_ended WHERE hash IN (SELECT hash FROM {self.table}_ended "
            "WHERE ended_at < ? ORDER BY ended_at LIMIT ?)",
            (before, limit),
        ).rowcount

    def new_since(self, db: sqlite3.Connection, id: int) -> list[str]:
        """AORs of rows with a higher id, by the rowid: DISTINCT would read the whole index of AORs."""
        sql = f"SELECT DISTINCT aor FROM {self.table} NOT INDEXED WHERE id > ?"
        return aors_of(db.execute(sql, (id,)))

    def unseen(
        self, db: sqlite3.Connection, after: str, limit: int, has_hop: bool
    ) -> list[tuple[str, list[int]]]:
        """A page of recipients in order, after `after`, each with ids of rows.

        With `has_hop` (a next hop is configured for all recipients) all recipients, without ids. Else only recipients
        of rows with a next hop, and the ids of these rows.
        """
        sql = skip_scan(self.table, "" if has_hop else "next_hop <> '' AND ")
        found = db.execute(sql, (after, limit)).fetchall()
        return [(aor, [] if has_hop else self.by_next_hop(db, aor)) for aor in aors_of(found)]

    def by_next_hop(self, db: sqlite3.Connection, aor: str) -> list[int]:
        """The ids of waiting rows of `aor` with a next hop, oldest first."""
        sql = (
            f"SELECT id FROM {self.table} WHERE aor = ? AND next_hop <> '' AND state = 'waiting' "
            "ORDER BY id LIMIT 1000"
        )
        return [int(row[0]) for row in db.execute(sql, (aor,))]

    def last_id(self, db: sqlite3.Connection) -> int:
        """The highest id of all rows so far, deleted rows included."""
        row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (self.table,)).fetchone()
        return int(row[0]) if row else 0

    def refresh(self, db: sqlite3.Connection, bindings: Sequence[Sequence[Any]]) -> None:
        """Set the times of kept bindings: (cseq, expires_at, registered_at, aor, *key)."""
        db.executemany(
            f"UPDATE {self.table}_location SET cseq = ?, expires_at = ?, registered_at = ? "
            "WHERE aor = ? AND contact = ? AND instance = ? AND reg_id = ?",
            bindings,
        )

    def bindings(
        self, db: sqlite3.Connection, saved: Sequence[Sequence[Any]], removed: Sequence[Sequence[Any]]
    ) -> None:
        """Save and remove bindings of one AOR; values as from `binding_values`."""
        kept = set(map(_KEY, saved))
        gone = [key for key in map(_KEY, removed) if key not in kept]
        if gone:
            db.executemany(
                f"DELETE FROM {self.table}_location "
                "WHERE aor = ? AND contact = ? AND instance = ? AND reg_id = ?",
                gone,
            )
        for values in saved:
            db.execute(f"INSERT OR REPLACE INTO {self.table}_location VALUES {marks(1, 15)}", values)

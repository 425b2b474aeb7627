"""The SQL of the hot path, built once per table from the models' columns and executed on the raw connection.

Measured: multi-row VALUES with SQL built once stores twice what `insert_many` does. Each statement has a cost of its
own, whatever its rows: so a small batch is one statement of just its size, and a large one few whose sizes are powers
of two.
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
from msilod.store.engine.sqlite.tail import Tail
from msilod.store.engine.sqlite.tail import total as total
from msilod.store.engine.text import EXACT, chunks, marks
from msilod.store.jobs import End
from msilod.store.times import CLOCK

LEASE: Final = 60.0
# A sweep has no use for bodies of up to 64 kB each but for those that may hold a wish.
_BODY: Final = "CASE WHEN CAST(content_type AS TEXT) LIKE 'message/%' THEN body ELSE x'' END"
CLEANED: Final = ", ".join(_BODY if name == "body" else name for name in LOADED)

# A row has one end, the first; a message that was imported again under another id has another.
_ENDED_AGAIN: Final = (
    " ON CONFLICT (hash) DO UPDATE SET ended_at = excluded.ended_at, id = excluded.id, "
    "how = CASE WHEN id = excluded.id THEN how ELSE excluded.how END, "
    "status = CASE WHEN id = excluded.id THEN status ELSE excluded.status END"
)

# (aor, contact, instance, reg_id) of the values of a binding.
_KEY: Final = itemgetter(0, 1, 10, 11)

# What was sent to sips: is for sips: contacts only (RFC 5630 §5.3). Its scheme is where it came: in the Request-URI.
FOR_SIPS: Final = "lower(substr(request_uri, 1, 5)) = 'sips:'"


def skip_scan(table: str, condition: str = "") -> str:
    """The AORs above the first `?` that have rows, in order, at most as many as the second.

    One index look-up per recipient, however many rows he has, and one statement for all: a statement for each took
    three times as long and the interpreter's lock as often.
    """
    following = f"SELECT min(aor) FROM {table} WHERE {condition}aor >"
    return (
        f"WITH RECURSIVE recipients (name) AS ({following} ? UNION ALL "
        f"SELECT ({following} name) FROM recipients WHERE name IS NOT NULL LIMIT ?) "
        "SELECT name FROM recipients WHERE name IS NOT NULL"
    )


def aors_of(rows: Iterable[Any]) -> list[str]:
    """The AORs in the first column, each once, in order. An AOR that is no text names no mailbox: nobody gets it."""
    return sorted({row[0] for row in rows if isinstance(row[0], str)})


class Statements(Tail):
    """The statements for one db_table. The table's name is the operator's, checked by the configuration."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self._insert = f"INSERT INTO {table} ({', '.join(STORED)}) VALUES "
        self._insert_fresh = f"INSERT INTO {table} ({', '.join(FRESH)}) VALUES "
        self._at_once: dict[int, str] = {}
        self._ended = f"INSERT INTO {table}_ended (hash, id, aor, how, status, ended_at) VALUES "
        self._claim = (
            f"UPDATE {table} SET owner = ?, lease_until = ? WHERE id IN (SELECT id FROM {table} "
            f"WHERE aor = ? AND state = 'waiting' AND owner = '' AND id > ? ORDER BY id LIMIT ?) "
            f"RETURNING {', '.join(LOADED)}"
        )
        self._claim_without_sips = self._claim.replace("AND id > ?", f"AND NOT {FOR_SIPS} AND id > ?")

    def insert(self, db: sqlite3.Connection, messages: Sequence[StoredMessage]) -> None:
        """Insert all, or raise; ids are consecutive, because nobody else writes in this transaction."""
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
        """A whole transaction in one statement: insert all, and only if nobody else has committed since
        `version` (PRAGMA data_version) and none of them has ended. The id of the first; 0: nothing was done.

        One call and one lock of the file then do for BEGIN, the checks, INSERT and COMMIT.
        """
        count = len(messages)
        width = count if count <= EXACT else -(-count // EXACT) * EXACT
        values: list[Any] = []
        for message in messages:
            values += fresh_values(message)
        # Not NULL: sqlite3 looks for an adapter of None, 4 us a row where a third is padding.
        values += [0] * ((width - count) * len(FRESH))
        values.append(version)
        values += [message.hash for message in messages]
        values += [0] * (width - count)
        cursor = db.execute(self._undisturbed(width), values)
        return (cursor.lastrowid or 0) - count + 1 if cursor.rowcount == count else 0

    def _undisturbed(self, width: int) -> str:
        """What is past the last row has a zero for its AOR; so a few prepared statements serve every batch."""
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
        """Those that have ended not long ago, with their ids."""
        found: dict[bytes, int] = {}
        for chunk in chunks(hashes):
            sql = f"SELECT hash, id FROM {self.table}_ended WHERE hash IN {marks(1, len(chunk))}"
            found.update(db.execute(sql, chunk))
        return found

    def kept(self, db: sqlite3.Connection, aor: str, hash: bytes) -> int:
        """The id of the row of `aor` with that hash, from the index alone; 0 when there is none."""
        row = db.execute(f"SELECT id FROM {self.table} WHERE aor = ? AND hash = ?", (aor, hash)).fetchone()
        return int(row[0]) if row else 0

    def holdings(self, db: sqlite3.Connection, aors: Sequence[str]) -> list[tuple[str, int, int, str]]:
        """(aor, messages, bytes, keys of the Call-IDs in hex) of those of them that have rows, from the index alone.

        One line for each, whatever he has: a row of Python per row of the silo cost seven stores at a hundred rows.
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
        """Delete the rows and keep their hashes; a row that is gone already is fine. How many were there."""
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
        """Lease up to `limit` waiting rows with an id above `after`, oldest first; only `ids` if any are named."""
        sql = self._claim if with_sips else self._claim_without_sips
        if ids:
            # Numbers of ours, and too many to bind.
            sql = sql.replace("AND id > ?", f"AND id IN ({', '.join(str(int(id)) for id in ids)}) AND id > ?")
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
        """Give leases back with what the try came to, as [id, attempts]; without a status the last one stays."""
        told = "" if status is None else ", last_status = ?, last_reason = ?"
        extra = () if status is None else (status, reason)
        db.executemany(
            f"UPDATE {self.table} SET owner = '', lease_until = NULL, attempts = ?, next_attempt_at = ?{told} "
            "WHERE id = ?",
            [(attempts, until, *extra, id) for id, attempts in tries],
        )

    def forget_back_off(self, db: sqlite3.Connection, aor: str, spaced: Sequence[int]) -> None:
        """Drop the time of the next try, but for rows with one of `spaced` as their last answer."""
        db.execute(
            f"UPDATE {self.table} SET next_attempt_at = NULL WHERE aor = ? AND next_attempt_at IS NOT NULL "
            f"AND state = 'waiting' AND coalesce(last_status, 0) NOT IN {marks(1, len(spaced))}",
            (aor, *spaced),
        )

    def reject(self, db: sqlite3.Connection, id: int, status: int, reason: str, attempts: int) -> str:
        """The row stays to its expiry and is never sent again. Whose it is; "" when it is not there."""
        found = db.execute(
            f"UPDATE {self.table} SET state = 'rejected', owner = '', lease_until = NULL, next_attempt_at = NULL, "
            "last_status = ?, last_reason = ?, attempts = ? WHERE id = ? RETURNING aor",
            (status, reason, attempts, id),
        ).fetchall()
        return str(found[0][0]) if found else ""

    def hand(self, db: sqlite3.Connection, id: int, status: int, reason: str) -> str:
        """The row was given to a next hop that answers for itself: it stays to its expiry, not sent again. Whose it
        is; "" when it is not there.
        """
        found = db.execute(
            f"UPDATE {self.table} SET state = 'handed', owner = '', lease_until = NULL, next_attempt_at = NULL, "
            "last_status = ?, last_reason = ? WHERE id = ? RETURNING aor",
            (status, reason, id),
        ).fetchall()
        return str(found[0][0]) if found else ""

    def renew(self, db: sqlite3.Connection, ids: Sequence[int], wall: float) -> None:
        """The leases of these rows last longer."""
        for chunk in chunks(ids):
            db.execute(
                f"UPDATE {self.table} SET lease_until = ? WHERE owner <> '' AND id IN {marks(1, len(chunk))}",
                (wall + LEASE, *chunk),
            )

    def free_lapsed(self, db: sqlite3.Connection, wall: float) -> list[str]:
        """Give leases back that have ended: no run holds these rows. Their AORs."""
        # With the words of the partial index, or all rows would be read to find the few.
        rows = db.execute(
            f"UPDATE {self.table} SET owner = '', lease_until = NULL WHERE owner <> '' AND lease_until <= ? "
            "RETURNING aor",
            (wall,),
        ).fetchall()
        return aors_of(rows)

    def keep_user_change(self, db: sqlite3.Connection, change: int) -> None:
        """As `StoreWriter.keep_user_change` has it."""
        db.execute(
            f"INSERT OR REPLACE INTO {self.table}_secret (name, value) VALUES ('user-change', ?)",
            (b"%d" % change,),
        )

    def keep_clock(self, db: sqlite3.Connection, kept: bytes) -> None:
        """Keep where silo time stands: `kept` is of KeptClock.to_bytes() (times.py)."""
        db.execute(f"INSERT OR REPLACE INTO {self.table}_secret (name, value) VALUES ('{CLOCK}', ?)", (kept,))

    def free_all(self, db: sqlite3.Connection) -> None:
        """Whatever a dead daemon had claimed comes back (one daemon per file)."""
        db.execute(f"UPDATE {self.table} SET owner = '', lease_until = NULL WHERE owner <> ''")

    def clean(self, db: sqlite3.Connection, wall: float, limit: int) -> list[StoredMessage]:
        """Take out rows whose life is over and that nobody is sending; without their bodies but for message/*."""
        rows = db.execute(
            f"DELETE FROM {self.table} WHERE id IN (SELECT id FROM {self.table} WHERE expires_at <= ? "
            "AND state <> 'held' AND state <> 'scheduled' AND (owner = '' OR lease_until <= ?) "
            f"ORDER BY expires_at LIMIT ?) RETURNING {CLEANED}",
            (wall, wall, limit),
        ).fetchall()
        return [message_of(row) for row in rows]

    def forget_ended(self, db: sqlite3.Connection, before: float, limit: int) -> int:
        """Drop hashes that ended before then; how many."""
        return db.execute(
            f"DELETE FROM {self.table}_ended WHERE hash IN (SELECT hash FROM {self.table}_ended "
            "WHERE ended_at < ? ORDER BY ended_at LIMIT ?)",
            (before, limit),
        ).rowcount

    def new_since(self, db: sqlite3.Connection, id: int) -> list[str]:
        """AORs of rows with a higher id; by the rowid, since DISTINCT would walk the whole index of AORs."""
        sql = f"SELECT DISTINCT aor FROM {self.table} NOT INDEXED WHERE id > ?"
        return aors_of(db.execute(sql, (id,)))

    def unseen(
        self, db: sqlite3.Connection, after: str, limit: int, has_hop: bool
    ) -> list[tuple[str, list[int]]]:
        """A page of recipients in order, after that one: all, or those with rows that have a next hop, with the ids."""
        sql = skip_scan(self.table, "" if has_hop else "next_hop <> '' AND ")
        found = db.execute(sql, (after, limit)).fetchall()
        return [(aor, [] if has_hop else self.by_next_hop(db, aor)) for aor in aors_of(found)]

    def by_next_hop(self, db: sqlite3.Connection, aor: str) -> list[int]:
        """The waiting rows of `aor` that have a next hop of their own, oldest first."""
        sql = (
            f"SELECT id FROM {self.table} WHERE aor = ? AND next_hop <> '' AND state = 'waiting' "
            "ORDER BY id LIMIT 1000"
        )
        return [int(row[0]) for row in db.execute(sql, (aor,))]

    def last_id(self, db: sqlite3.Connection) -> int:
        """The highest id ever given."""
        row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (self.table,)).fetchone()
        return int(row[0]) if row else 0

    def refresh(self, db: sqlite3.Connection, bindings: Sequence[Sequence[Any]]) -> None:
        """Put off the end of bindings that are kept already: (cseq, expires_at, registered_at, aor, *key)."""
        db.executemany(
            f"UPDATE {self.table}_location SET cseq = ?, expires_at = ?, registered_at = ? "
            "WHERE aor = ? AND contact = ? AND instance = ? AND reg_id = ?",
            bindings,
        )

    def bindings(
        self, db: sqlite3.Connection, saved: Sequence[Sequence[Any]], removed: Sequence[Sequence[Any]]
    ) -> None:
        """Save and remove bindings of one AOR, as `binding_values` has them."""
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

"""The hold on an SQLite file: lock, schema, check after damage, and the connection that the daemon reads by."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import peewee

from msilod.errors import UnavailableError
from msilod.silo.stored_message import StoredMessage
from msilod.store.engine.hold import PAGE, Hold, Reads
from msilod.store.engine.sqlite.claims import FOR_SIPS
from msilod.store.engine.sqlite.connection import is_damage, open_reader, open_sqlite, raw, translated
from msilod.store.engine.sqlite.damage import damage
from msilod.store.engine.sqlite.engine import SqliteEngine
from msilod.store.engine.sqlite.foreign_changes import Seen
from msilod.store.engine.sqlite.lock import DaemonLock
from msilod.store.engine.sqlite.reserve import free_bytes
from msilod.store.engine.sqlite.statements import Statements, skip_scan, total
from msilod.store.limits import Limits
from msilod.store.schema.migrate import prepare


class SqliteReads(Reads):
    """Reads on one read-only connection: only the writer's process may copy the log into the file.

    Calls come from worker threads, one at a time. Peewee would open a connection for each thread.
    """

    def __init__(self, path: Path, table: str) -> None:
        super().__init__(table)
        self._path = path
        self._db = open_reader(path)
        self._reading = threading.Lock()

    def read(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        """The rows of one SELECT."""
        with translated(self._path), self._reading:
            return self._db.execute(sql, values).fetchall()

    def backing_off(self, after: tuple[float, str]) -> list[tuple[float, str]]:
        """A page of (next attempt, AOR) beyond `after`, in order, from the index alone."""
        sql = (
            f"SELECT DISTINCT next_attempt_at, aor FROM {self.table} WHERE next_attempt_at IS NOT NULL "
            "AND (next_attempt_at, aor) > (?, ?) ORDER BY next_attempt_at, aor LIMIT ?"
        )
        return [(at, aor) for at, aor in self.read(sql, (*after, PAGE))]

    def recipients(self, after: str) -> list[str]:
        """A page of the AORs with rows, in order, beyond `after`."""
        return [str(aor) for (aor,) in self.read(skip_scan(self.table), (after, PAGE))]

    def counts(self) -> dict[str, int]:
        """The number of rows by state: the total is one row, and few rows are not waiting."""
        ((messages, _),) = self.read(total(self.table))
        rows = self.read(f"SELECT state, count(*) FROM {self.table} WHERE state <> 'waiting' GROUP BY state")
        others = {str(state): int(count) for state, count in rows}
        return {"waiting": messages - sum(others.values()), **others}

    def total_bytes(self) -> int:
        """The bytes of all bodies in the silo: one row and the tail."""
        return int(self.read(total(self.table))[0][1])

    def free_bytes(self) -> int | None:
        """The bytes left on the disk of the silo."""
        with translated(self._path):
            return free_bytes(self._path)

    def waiting(self, aor: str, only_for_sips: bool = False) -> list[StoredMessage]:
        """The rows of `aor` for a delivery run, oldest first, or only rows for sips: contacts; at most PAGE."""
        return self._waiting(aor, f" AND {FOR_SIPS}" if only_for_sips else "")

    def close(self) -> None:
        """End a read that runs, and close the connection."""
        self._db.interrupt()
        with self._reading:
            self._db.close()


class SqliteHold(Hold):
    """See Hold. The lock is a file beside the silo."""

    reads: SqliteReads
    descriptor: int

    def __init__(self, path: Path, table: str) -> None:
        self._path = path
        self._table = table
        self._statements = Statements(table)
        with ExitStack() as opened:
            self._database = self._open(opened)
            self.descriptor = self._lock.descriptor
            self.reads = SqliteReads(path, table)
            opened.callback(self.reads.close)
            self._closing = opened.pop_all()

    def _open(self, opened: ExitStack) -> peewee.SqliteDatabase:
        """The locked database with our schema. Raises UnavailableError with the faults of a damaged database."""
        try:
            database = open_sqlite(self._path, create=True)
            opened.callback(database.close)
            self._lock = DaemonLock(self._path)
            opened.callback(self._lock.release)
            prepare(database, self._path, self._table, create=True)
        except UnavailableError as error:
            if is_damage(error):
                raise UnavailableError(damage(self._path, self._table)) from error
            raise
        if self._lock.wants_check:
            found = damage(self._path, self._table)
            if found:
                self._lock.note(self._lock.reason, True)
                raise UnavailableError(found)
        return database

    def begin(self) -> None:
        """Free all leases: the lock excludes other daemons."""
        db = raw(self._database)
        with translated(self._path):
            self._statements.free_all(db)
            self.seen = Seen.now(db, self._statements).values()

    def engine(self, owner: str) -> SqliteEngine:
        """An engine on the connection of this hold."""
        with translated(self._path):
            engine = SqliteEngine(raw(self._database), self._path, self._table, owner, Limits())
            engine.foreign.notice_since(engine.db, Seen(*self.seen))
            return engine

    def hand_over(self, pid: int) -> None:
        """The process `pid` holds the lock as well, and has the only connection for writing from now on."""
        self._lock.name_writer(pid)
        self._database.close()

    def keep_secret(self, name: str, value: bytes) -> None:
        """Keep a value under a name without a value."""
        sql = f"INSERT INTO {self._table}_secret VALUES (?, ?) ON CONFLICT DO NOTHING"
        with translated(self._path), self._changing() as db:
            db.execute(sql, (name, value))

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A connection for a change. Another connection stays open, so the close leaves the log alone."""
        database = open_sqlite(self._path)
        try:
            yield raw(database)
        finally:
            database.close()

    def note(self, reason: str, wants_check: bool) -> None:
        """Keep the reason of the daemon's end in the lock file."""
        self._lock.note(reason, wants_check)

    def close(self) -> None:
        """Close both connections, and release the lock."""
        self._closing.close()

"""Silo: the daemon's hold on its database: lock, schema, writer, and the reads of a start."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import peewee

from msilod.errors import SiloLost, UnavailableError
from msilod.registrar.binding import Binding
from msilod.silo.stored_message import StoredMessage
from msilod.store.columns import LOADED, message_of
from msilod.store.commit.transaction import Transactions
from msilod.store.engine.sqlite.connection import is_damage, open_reader, open_sqlite, raw, translated
from msilod.store.engine.sqlite.damage import damage
from msilod.store.engine.sqlite.engine import SqliteEngine
from msilod.store.engine.sqlite.foreign_changes import Seen
from msilod.store.engine.sqlite.lock import DaemonLock
from msilod.store.engine.sqlite.statements import FOR_SIPS, Statements, skip_scan, total
from msilod.store.jobs import Keeping
from msilod.store.limits import Limits
from msilod.store.schema.migrate import prepare
from msilod.store.tables.users import UserReads
from msilod.store.times import CLOCK, KeptClock
from msilod.store.writer.contract import Deliver, InlineWriter, StoreWriter
from msilod.store.writer.parent import ProcessWriter

PAGE: Final = 5000
# A week: as long as somebody may ask what became of a message.
HISTORY: Final = 604_800.0


class Silo:
    """Opened by the daemon, once per file. Raises UnavailableError, PermissionDenied or SchemaError."""

    def __init__(self, path: Path, table: str, limits: Limits, history: float = HISTORY) -> None:
        self.path = path
        self.table = table
        self._statements = Statements(table)
        self._keeping = Keeping(limits.values(), history, 0.0)
        self.writer: StoreWriter
        self._is_started = False
        with ExitStack() as opened:
            self._database = self._open(opened)
            # It only reads: the writer's process alone may copy the log into the file. Reads come from worker threads,
            # one at a time; Peewee would open a connection for each of them.
            self._reader = open_reader(path)
            opened.callback(self._reader.close)
            self._closing = opened.pop_all()
        self._reading = threading.Lock()
        self.users = UserReads(self._select, table)

    def _open(self, opened: ExitStack) -> peewee.SqliteDatabase:
        """The database, locked and of our schema. Raises UnavailableError with the faults when it is damaged."""
        try:
            database = open_sqlite(self.path, create=True)
            opened.callback(database.close)
            self._lock = DaemonLock(self.path)
            opened.callback(self._lock.release)
            prepare(database, self.path, self.table, create=True)
        except UnavailableError as error:
            if is_damage(error):
                raise UnavailableError(damage(self.path, self.table)) from error
            raise
        if self._lock.wants_check:
            found = damage(self.path, self.table)
            if found:
                self._lock.note(self._lock.reason, True)
                raise UnavailableError(found)
        return database

    def start(self, owner: str, deliver: Deliver | None) -> None:
        """Free the leases of the dead and start the writer's process; without `deliver`, its in-line twin."""
        connection = raw(self._database)
        with translated(self.path):
            self._statements.free_all(connection)
            seen = Seen.now(connection, self._statements)
            if deliver is None:
                engine = SqliteEngine(connection, self.path, self.table, owner, Limits())
                engine.foreign.notice_since(connection, seen)
                self.writer = InlineWriter(Transactions(engine, Limits()))
            else:
                self.writer = self._started(owner, deliver, seen)
        self._is_started = True
        self.writer.configure(self._keeping)

    def kept_clock(self) -> KeptClock | None:
        """Where silo time stood when a daemon looked last; None for a new silo."""
        return KeptClock.parse(self.kept_secret(CLOCK))

    def _started(self, owner: str, deliver: Deliver, seen: Seen) -> ProcessWriter:
        writer = ProcessWriter(
            self.path, self.table, owner, self._lock.descriptor, deliver, (seen.row, seen.entry)
        )
        self._lock.name_writer(writer.process.pid)
        # From here on this process only reads.
        self._database.close()
        return writer

    def secret(self, name: str) -> bytes:
        """A key of 32 random bytes, the same after every restart."""
        found = self.kept_secret(name)
        if not found:
            with translated(self.path):
                self._make_secret(name)
            found = self.kept_secret(name)
        return found

    def kept_secret(self, name: str) -> bytes:
        """What is kept under that name; b"" for nothing."""
        with translated(self.path):
            found = self._read(f"SELECT value FROM {self.table}_secret WHERE name = ?", (name,))  # noqa: S608
        return bytes(found[0][0]) if found else b""

    def _make_secret(self, name: str) -> None:
        made = f"INSERT INTO {self.table}_secret VALUES (?, randomblob(32)) ON CONFLICT DO NOTHING"  # noqa: S608
        with self._changing() as db:
            db.execute(made, (name,))

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A connection for a change. It is not the last one that is closed, so its close leaves the log as it is."""
        database = open_sqlite(self.path)
        try:
            yield raw(database)
        finally:
            database.close()

    def configure(self, limits: Limits, history: float, device_memory: float = 0.0) -> None:
        """Other quotas and memories from the next transaction on; without `device_memory` the first 2xx ends a row."""
        self.writer.configure(Keeping(limits.values(), history, device_memory))

    def paused(self) -> frozenset[str]:
        """The domains whose deliveries are paused."""
        with translated(self.path):
            return frozenset(row[0] for row in self._read(f"SELECT domain FROM {self.table}_paused"))  # noqa: S608

    def backing_off(self, after: tuple[float, str]) -> list[tuple[float, str]]:
        """A page of (next attempt, AOR) beyond `after`, in order, from the index alone."""
        sql = (
            f"SELECT DISTINCT next_attempt_at, aor FROM {self.table} WHERE next_attempt_at IS NOT NULL "  # noqa: S608
            "AND (next_attempt_at, aor) > (?, ?) ORDER BY next_attempt_at, aor LIMIT ?"
        )
        with translated(self.path):
            return [(at, aor) for at, aor in self._read(sql, (*after, PAGE))]

    def load_bindings(self) -> list[tuple[Binding, str]]:
        """Every binding that is remembered, without a flow but with the name of the one that it came by."""
        with translated(self.path):
            rows = self._read(f"SELECT * FROM {self.table}_location")  # noqa: S608
        return [_binding(row) for row in rows]

    def lately(self, since: float) -> frozenset[bytes]:
        """The duplicate keys (law 9) of what has come or ended after `since`; as many rows are read, and no more."""
        kept = (
            f"SELECT hash FROM {self.table} WHERE id > coalesce("  # noqa: S608
            f"(SELECT id FROM {self.table} WHERE received_at <= ? ORDER BY id DESC LIMIT 1), 0)"
        )
        ended = f"SELECT hash FROM {self.table}_ended WHERE ended_at > ?"  # noqa: S608
        with translated(self.path):
            return frozenset(hash for (hash,) in self._read(kept, (since,)) + self._read(ended, (since,)))

    def recipients(self, after: str) -> list[str]:
        """A page of the AORs that have rows, in order, after that one."""
        with translated(self.path):
            return [str(aor) for (aor,) in self._read(skip_scan(self.table), (after, PAGE))]

    def counts(self) -> dict[str, int]:
        """Rows by state."""
        with translated(self.path):
            ((messages, _),) = self._read(total(self.table))
            rows = self._read(
                f"SELECT state, count(*) FROM {self.table} WHERE state <> 'waiting' GROUP BY state"  # noqa: S608
            )
        others = {str(state): int(count) for state, count in rows}
        return {"waiting": messages - sum(others.values()), **others}

    def waiting(self, aor: str, only_for_sips: bool = False) -> list[StoredMessage]:
        """The rows of `aor` that a run would send, oldest first, or those that go to sips: only; at most PAGE."""
        fitting = f"AND {FOR_SIPS} " if only_for_sips else ""
        with translated(self.path):
            rows = self._read(
                f"SELECT {', '.join(LOADED)} FROM {self.table} WHERE aor = ? AND state = 'waiting' {fitting}"  # noqa: S608
                "ORDER BY id LIMIT ?",
                (aor, PAGE),
            )
        return [message_of(row) for row in rows]

    def waiting_count(self, aor: str) -> int:
        """How many rows of `aor` a run would send."""
        with translated(self.path):
            sql = f"SELECT count(*) FROM {self.table} WHERE aor = ? AND state = 'waiting'"  # noqa: S608
            return int(self._read(sql, (aor,))[0][0])

    def _select(self, sql: str, values: tuple[object, ...]) -> list[Any]:
        with translated(self.path):
            return self._read(sql, values)

    def _read(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        with self._reading:
            return self._reader.execute(sql, values).fetchall()

    def close(self) -> None:
        """Commit what waits, let go of the file."""
        if self._is_started:
            self.writer.close()
            failure = self.writer.failure
            if isinstance(failure, UnavailableError):
                self._lock.note(str(failure), isinstance(failure, SiloLost))
        with self._reading:
            # A thread that still reads has the connection under its feet.
            self._closing.close()


def _binding(row: tuple[object, ...]) -> tuple[Binding, str]:
    (aor, contact, params, call_id, cseq, q, expires_at, registered_at, path, flow, instance, reg_id, agent,
     methods, _node) = row  # fmt: skip
    binding = Binding(
        aor=str(aor), contact=str(contact), params=str(params), call_id=str(call_id), cseq=int(str(cseq)),
        q=float(str(q)), expires_at=float(str(expires_at)), registered_at=float(str(registered_at)),
        path=tuple(json.loads(str(path))), instance=str(instance), reg_id=int(str(reg_id)), user_agent=str(agent),
        methods=None if methods is None else frozenset(str(methods).split(",")),
    )  # fmt: skip
    return binding, str(flow)

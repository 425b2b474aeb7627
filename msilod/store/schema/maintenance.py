"""Maintenance: a silo's file as a whole, whatever its schema: what it is, upgrade, check, backup.

Rules: an upgrade is one transaction under the daemon's lock; a check and a backup read one snapshot and hold
nobody up; a backup is complete under its name or not there at all.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import peewee

from msilod.errors import BusyError, StoreError, UnavailableError
from msilod.ownership import FILE_MODE, share
from msilod.store.engine.sqlite.connection import open_sqlite, raw, translated
from msilod.store.engine.sqlite.damage import faults, readable
from msilod.store.engine.sqlite.lock import DaemonLock
from msilod.store.engine.sqlite.statements import total
from msilod.store.engine.sqlite.unstoppable import unstoppable
from msilod.store.schema.migrate import changed, migrations, prepare, upgrade, version_of

# Steps of SQLite's machine between two looks at signals: a few milliseconds.
PROGRESS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Condition:
    """What `msilo db status` tells. Sizes in bytes; `wanted` is the schema of this program."""

    path: Path
    schema: int
    wanted: int
    messages: int
    bytes: int
    file_bytes: int


class Maintenance:
    """Opened per command. Raises UnavailableError when there is no silo, unless it is to be made."""

    def __init__(self, path: Path, table: str) -> None:
        self.path = path
        self.table = table

    def condition(self) -> Condition:
        """Raises SchemaError when it is no silo of ours."""
        with self._opened() as database, translated(self.path):
            connection = raw(database)
            schema = self._version(database, connection)
            row = connection.execute(f"SELECT count(*), coalesce(sum(size), 0) FROM {self.table}")
            messages, size = row.fetchone()
        file_bytes = sum(part.stat().st_size for part in self._files())
        return Condition(self.path, schema, migrations()[-1][0], messages, size, file_bytes)

    def upgrade(self) -> list[str]:
        """The names of the files that were applied. Raises BusyError while a daemon has the silo."""
        database = open_sqlite(self.path, create=True)
        try:
            lock = self._lock()
            try:
                with unstoppable():
                    return upgrade(database, self.path, self.table)
            finally:
                lock.release()
        finally:
            database.close()

    def check(self) -> list[str]:
        """What is wrong, one line each. Raises SchemaError when the version alone forbids to look further."""
        with self._opened() as database, translated(self.path):
            prepare(database, self.path, self.table, create=False)
            connection = raw(database)
            found = [
                f"{name} was applied in another form than ours" for name in changed(connection, self.table)
            ]
            connection.execute("BEGIN")
            broken = faults(connection)
            found += [f"SQLite: {fault}" for fault in broken]
            try:
                found += self._miscounts(connection)
            except sqlite3.DatabaseError as error:
                found.append(f"SQLite: {error}")
            if broken:
                found.append(readable(connection, self.table))
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return found

    def _miscounts(self, connection: sqlite3.Connection) -> Iterator[str]:
        """Sizes, totals and hashes that do not fit each other."""
        table = self.table
        kept = connection.execute(total(table)).fetchone()
        real = connection.execute(f"SELECT count(*), coalesce(sum(size), 0) FROM {table}").fetchone()
        if kept != real:
            yield f"the totals say {kept}, the messages are {real}"
        for what, condition in (
            ("sizes that are not their body's", "size <> length(body)"),
            ("states that are none", "state NOT IN ('waiting', 'scheduled', 'held', 'rejected', 'handed')"),
            ("no due time though scheduled", "state = 'scheduled' AND due_at IS NULL"),
        ):
            count = connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()[0]
            if count:
                yield f"{count} messages with {what}"
        doubles = connection.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM {table} GROUP BY aor, hash HAVING count(*) > 1)"
        ).fetchone()[0]
        if doubles:
            yield f"{doubles} messages are there twice"

    def backup(self, target: Path) -> int:
        """Copy the silo, whole and compact, while it is in use; the size of the copy in bytes.

        The copy has secrets and bodies in it: only the caller can read it until it is whole, then also the silo's
        group if the copy can be given to that. Raises StoreError when something has that name already.
        """
        if os.path.lexists(target):
            raise StoreError(f"{target} exists already (name another file)")
        with self._opened() as database, _part_of(target) as part:
            connection = raw(database)
            self._version(database, connection)
            with translated(target):
                # Without it Ctrl-C would have to wait for the end of the statement.
                connection.set_progress_handler(lambda: 0, PROGRESS)
                try:
                    connection.execute("VACUUM INTO ?", (str(part),))
                except sqlite3.OperationalError as error:
                    # sqlite3 reports an exception of a progress handler as this one; only Ctrl-C raises one there.
                    if "interrupted" in str(error):
                        raise KeyboardInterrupt from error
                    raise
                size = _finish(part, self.path)
                _take_name(part, target)
        return size

    @contextmanager
    def _opened(self) -> Iterator[peewee.SqliteDatabase]:
        database = open_sqlite(self.path)
        try:
            yield database
        finally:
            database.close()

    def _version(self, database: peewee.SqliteDatabase, connection: sqlite3.Connection) -> int:
        try:
            return version_of(connection, self.table)
        except sqlite3.OperationalError:
            # No table of versions: the words for what it is instead are those of every other command.
            prepare(database, self.path, self.table, create=False)
            raise

    def _files(self) -> list[Path]:
        beside = [self.path, *(self.path.with_name(self.path.name + end) for end in ("-wal", "-shm"))]
        return [path for path in beside if path.exists()]

    def _lock(self) -> DaemonLock:
        try:
            return DaemonLock(self.path)
        except UnavailableError as error:
            raise BusyError(str(error)) from error


@contextmanager
def _part_of(target: Path) -> Iterator[Path]:
    """An empty file beside `target` with mode 0600, made exclusively; it is gone at the end."""
    with translated(target):
        descriptor, name = tempfile.mkstemp(".part", ".msilo-", target.parent)
        os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _finish(part: Path, silo: Path) -> int:
    """To the disk, or the copy would be worth less than it says; then for the silo's group. The size in bytes."""
    descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        if share(descriptor, silo.stat()):
            os.fchmod(descriptor, FILE_MODE)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _take_name(part: Path, target: Path) -> None:
    """Give the copy its name, unless something has the name by now. Raises StoreError."""
    try:
        os.link(part, target, follow_symlinks=False)
    except FileExistsError as error:
        raise StoreError(f"{target} exists already (name another file)") from error
    except PermissionError:
        # A file system without hard links (vfat, some network file systems).
        if os.path.lexists(target):
            raise StoreError(f"{target} exists already (name another file)") from None
        part.rename(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    """To the disk, or the copy would be worth less than it says."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

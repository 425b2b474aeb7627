"""Maintenance: status, upgrade, check and backup of a silo's file, of any version of the schema.

An upgrade is one transaction under the daemon's lock. A check and a backup read one snapshot and block no writer. A
backup gets its name when the copy is complete.
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
from msilod.store.engine.sqlite.versions import count, version_of, wrong_rows
from msilod.store.schema.migrate import changed, migrations, prepare, upgrade

# Instructions of SQLite's virtual machine between two checks for signals: a few milliseconds.
PROGRESS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Condition:
    """The facts for `msilo db status`. `bytes`: of bodies; `file_bytes`: of all files; `wanted`: our schema version."""

    path: Path
    schema: int
    wanted: int
    messages: int
    bytes: int
    file_bytes: int


class Maintenance:
    """One silo. Each method opens and closes the file. Methods but `upgrade` raise UnavailableError without a silo."""

    def __init__(self, path: Path, table: str) -> None:
        self.path = path
        self.table = table

    def condition(self) -> Condition:
        """Version and sizes. Raises SchemaError when the file is not a silo."""
        with self._opened() as database, translated(self.path):
            connection = raw(database)
            schema = self._version(database, connection)
            messages, size = count(connection, self.table)
        file_bytes = sum(part.stat().st_size for part in self._files())
        return Condition(self.path, schema, migrations()[-1][0], messages, size, file_bytes)

    def upgrade(self) -> list[str]:
        """Apply the missing SQL files; create the silo if there is none. Returns the names of the applied files.

        Raises BusyError while a daemon uses the silo, SchemaError.
        """
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
        """The faults, one line each. Raises SchemaError for a database of another version."""
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
        """Totals that differ from the rows, and wrong rows."""
        kept = connection.execute(total(self.table)).fetchone()
        real = count(connection, self.table)
        if kept != real:
            yield f"the totals say {kept}, the messages are {real}"
        yield from wrong_rows(connection, self.table)

    def backup(self, target: Path) -> int:
        """Copy the silo in compact form, also while a daemon uses the silo. Returns the size of the copy in bytes.

        The copy contains secrets and bodies. Only the caller can read an incomplete copy; the silo's group can read the
        complete copy, if the copy can be given to that group. Raises StoreError when `target` exists.
        """
        if os.path.lexists(target):
            raise StoreError(f"{target} exists already (name another file)")
        with self._opened() as database, _part_of(target) as part:
            connection = raw(database)
            self._version(database, connection)
            with translated(target):
                # Without the handler Ctrl-C would wait for the end of the statement.
                connection.set_progress_handler(lambda: 0, PROGRESS)
                try:
                    connection.execute("VACUUM INTO ?", (str(part),))
                except sqlite3.OperationalError as error:
                    # sqlite3 reports an exception in a progress handler as "interrupted". Only Ctrl-C raises there.
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
            # No table of versions: `prepare` raises the SchemaError of all other commands.
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
    """A new empty file beside `target` with mode 0600, deleted at the end of the block."""
    with translated(target):
        descriptor, name = tempfile.mkstemp(".part", ".msilo-", target.parent)
        os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _finish(part: Path, silo: Path) -> int:
    """Sync the copy to disk, then give the copy to the silo's group. Returns the size in bytes."""
    descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        if share(descriptor, silo.stat()):
            os.fchmod(descriptor, FILE_MODE)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _take_name(part: Path, target: Path) -> None:
    """Give the copy its name. Raises StoreError when `target` exists by now."""
    try:
        os.link(part, target, follow_symlinks=False)
    except FileExistsError as error:
        raise StoreError(f"{target} exists already (name another file)") from error
    except PermissionError:
        # The file system has no hard links (vfat, some network file systems).
        if os.path.lexists(target):
            raise StoreError(f"{target} exists already (name another file)") from None
        part.rename(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    """Sync the directory to disk: without this the name of the copy may be lost in a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

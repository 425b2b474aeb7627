"""Connection: opens a database, and turns the errors of sqlite3 and Peewee into errors of msilod/errors.py.

The settings are WAL and synchronous=FULL (law 1). Only the daemon creates a silo: for the command line a missing file
is an error and not an empty silo.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import peewee

from msilod.errors import BusyError, MsilodError, PermissionDenied, StoreError, UnavailableError
from msilod.ownership import adopt_directory, adopt_existing, adopt_file, repair_directory
from msilod.store.engine.base import Trouble
from msilod.store.engine.sqlite.reserve import free_bytes, release_if_full

BUSY_MS: Final = 5000
# Pages of 4 kB between two checkpoints. Index pages are written often: with 80 MB of log a checkpoint copies an index
# page once, with 16 MB five times. A start after a crash reads 80 MB in a third of a second.
CHECKPOINT_PAGES: Final = 20_000
FEWEST_PAGES: Final = 250
CACHE_KB: Final = 32_000
# Prepared statements kept by a connection; each size of a batch needs a statement.
STATEMENTS: Final = 512

# sqlite3 looks for an adapter for each bytes object. That takes half a microsecond, and a row has ten bytes objects.
# bytes() of bytes is the object itself.
sqlite3.register_adapter(bytes, bytes)


def open_sqlite(path: Path, create: bool = False) -> peewee.SqliteDatabase:
    """An open database. Raises UnavailableError or PermissionDenied with a text of one line."""
    with translated(path):
        release_if_full(path)
        if create:
            _create(path)
        elif not path.exists():
            raise UnavailableError(f"there is no silo at {path} (msilod start creates it)")
        _check_access(path)
        _repair(path)
        database = peewee.SqliteDatabase(
            str(path),
            pragmas={
                "busy_timeout": BUSY_MS,
                "journal_mode": "wal",
                "synchronous": "full",
                "wal_autocheckpoint": log_pages(free_bytes(path)),
                "cache_size": -CACHE_KB,
                "foreign_keys": 0,
            },
            check_same_thread=False,
            cached_statements=STATEMENTS,
        )
        database.connect()
        return database


def log_pages(left: int) -> int:
    """The pages of the log before a checkpoint: a quarter of the `left` free bytes, within bounds."""
    return min(CHECKPOINT_PAGES, max(FEWEST_PAGES, left // 4 // 4096))


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection. Its close never copies the log into the file, even as the last close.

    For the daemon: only the writer's process knows whether the log is whole (watch.py). For any thread, one at a time.
    """
    with translated(path):
        reader = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        reader.text_factory = readable
        reader.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        reader.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        return reader


def readable(text: bytes) -> str:
    """The text of a column; bytes that are not UTF-8 as `\\xNN`. sqlite3 by default raises an error for such bytes.

    A `text_factory` of sqlite3. A call takes a quarter of a microsecond, so the writer sets the factory only after an
    error.
    """
    return text.decode("utf-8", "backslashreplace")


def is_unreadable(error: BaseException) -> bool:
    """True when sqlite3 has found text that is not UTF-8."""
    return isinstance(error, sqlite3.OperationalError) and "Could not decode to UTF-8" in str(error)


def raw(database: peewee.SqliteDatabase) -> sqlite3.Connection:
    """The sqlite3 connection of a Peewee database, in autocommit: only the store's SQL begins and ends transactions."""
    connection: sqlite3.Connection = database.connection()  # type: ignore[no-untyped-call]
    connection.isolation_level = None
    return connection


def _create(path: Path) -> None:
    """Create the state directory (2770) and the file (0660), for any umask; owned by the service if root creates
    them.
    """
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
        adopt_directory(path.parent)
    repair_directory(path.parent)
    if not path.exists():
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            adopt_file(descriptor, path.parent)
        finally:
            os.close(descriptor)


def _repair(path: Path) -> None:
    """Repair owner and mode of files from root's commands of an earlier version."""
    for ending in ("", "-wal", "-shm", ".lock"):
        adopt_existing(path.with_name(path.name + ending), path.parent)


def _check_access(path: Path) -> None:
    if path.is_dir():
        raise UnavailableError(f"{path} is a directory, not a silo")
    if not os.access(path, os.R_OK):
        raise PermissionDenied(f"{path} may not be read (ask to be put into the group msilod)")
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        raise PermissionDenied(f"{path} or its directory may not be written (group msilod)")


def code_of(error: BaseException) -> int:
    """SQLite's primary result code; 0 for an error of any other module."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def trouble_of(error: BaseException) -> Trouble:
    """The kind of an error of SQLite, or of an error for a value that SQLite cannot store."""
    if is_damage(error):
        return Trouble.LOST
    if not isinstance(error, sqlite3.OperationalError):
        return Trouble.ROW
    return _TROUBLES.get(code_of(error), Trouble.AWAY)


_TROUBLES: Final = {
    sqlite3.SQLITE_BUSY: Trouble.BUSY,
    sqlite3.SQLITE_LOCKED: Trouble.BUSY,
    sqlite3.SQLITE_FULL: Trouble.FULL,
}


def is_damage(error: BaseException) -> bool:
    """True when SQLite reports a damaged database; `error` may be a translation of SQLite's error."""
    cause = error.__cause__ or error.__context__
    return code_of(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or (
        cause is not None and is_damage(cause)
    )


def leaves_unknown(error: BaseException) -> bool:
    """True when rows may be kept although COMMIT has failed with this error.

    Without room, or without the lock, SQLite gives up before the whole commit record is written. After any other error
    the record may be in the log, and the next open may find the record.
    """
    known = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CONSTRAINT)
    return isinstance(error, sqlite3.DatabaseError) and code_of(error) not in (0, *known)


@contextmanager
def translated(path: Path | str) -> Iterator[None]:
    """Translate errors of the engine and of the system: the text names the file and the next step."""
    try:
        yield
    except MsilodError:
        raise
    except PermissionError as error:
        raise PermissionDenied(f"{path}: {error.strerror} (group msilod)") from error
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error
    except (peewee.PeeweeException, sqlite3.Error) as error:
        raise translate(error, path) from error


def translate(error: Exception, path: Path | str) -> MsilodError:
    """The error of msilod/errors.py for an error of the engine."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return BusyError(f"{path} is locked by another process (try again)")
    if "not a database" in text or "malformed" in text:
        return UnavailableError(f"{path} is not a silo: {text} (restore a backup, or choose another db_url)")
    if "readonly" in text:
        return PermissionDenied(f"{path} may not be written (group msilod)")
    if "unable to open" in text:
        return UnavailableError(f"{path} cannot be opened (does the directory exist?)")
    if "full" in text:
        return StoreError(f"no space is left for {path}")
    return StoreError(f"{path}: {text}")

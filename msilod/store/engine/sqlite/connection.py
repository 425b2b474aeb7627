"""Opening a database, and the one border where sqlite3's and Peewee's errors become ours.

Rules: WAL and synchronous=FULL for the daemon (law 1); only the daemon creates a silo; a missing one is never
an empty list. Other engines than SQLite are refused by the configuration.
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
# Pages of 4 kB between two checkpoints. Index pages are written again and again: 80 MB of WAL hold each of them
# once at a checkpoint that 16 MB would copy five times. A start after a crash reads it in a third of a second.
CHECKPOINT_PAGES: Final = 20_000
FEWEST_PAGES: Final = 250
CACHE_KB: Final = 32_000
# Prepared statements that a connection keeps; each size of a batch has its own.
STATEMENTS: Final = 512

# sqlite3 asks every bytes object how it would be adapted, and finds nothing: half a microsecond each, and a row has
# ten. bytes() of bytes is the object itself.
sqlite3.register_adapter(bytes, bytes)


def open_sqlite(path: Path, create: bool = False) -> peewee.SqliteDatabase:
    """An open database. Raises UnavailableError or PermissionDenied in one plain line."""
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
    """How long the log may get before a checkpoint, when `left` bytes are free: a quarter of them, within bounds."""
    return min(CHECKPOINT_PAGES, max(FEWEST_PAGES, left // 4 // 4096))


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write: its close never copies the log into the file, though it be the last one.

    For the daemon: only its writer knows whether the log is whole (watch.py). Usable from any thread, one at a time.
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
    """The text of a column; bytes that are not UTF-8 as `\\xNN`. sqlite3 by itself raises an error for them.

    A `text_factory` of sqlite3. It takes a quarter of a microsecond a text, so the writer uses it only after an error.
    """
    return text.decode("utf-8", "backslashreplace")


def is_unreadable(error: BaseException) -> bool:
    """Whether sqlite3 has found text that is not UTF-8."""
    return isinstance(error, sqlite3.OperationalError) and "Could not decode to UTF-8" in str(error)


def raw(database: peewee.SqliteDatabase) -> sqlite3.Connection:
    """The connection beneath, in autocommit: transactions are begun and ended by the SQL alone."""
    connection: sqlite3.Connection = database.connection()  # type: ignore[no-untyped-call]
    connection.isolation_level = None
    return connection


def _create(path: Path) -> None:
    """The state directory 2770 and the file 0660 with any umask; both belong to the service when root makes them."""
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
    """Repair owner and mode of files that root's commands of an earlier version left."""
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
    """SQLite's primary result code; 0 when it is not SQLite's error."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def trouble_of(error: BaseException) -> Trouble:
    """The kind of an error of SQLite, or of a value that SQLite cannot keep."""
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
    """Whether SQLite calls the database damaged; `error` may be a translation of SQLite's."""
    cause = error.__cause__ or error.__context__
    return code_of(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or (
        cause is not None and is_damage(cause)
    )


def leaves_unknown(error: BaseException) -> bool:
    """Whether rows may be kept although their COMMIT has failed with this error.

    SQLite gives up before it has written the whole commit record when there is no room or the lock is another's.
    After any other error the record may be in the log, and the next open may find it there.
    """
    known = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CONSTRAINT)
    return isinstance(error, sqlite3.DatabaseError) and code_of(error) not in (0, *known)


@contextmanager
def translated(path: Path | str) -> Iterator[None]:
    """Turn what the engine raises into one of our errors, naming the file and what to do."""
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
    """One of our errors for one of the engine's."""
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

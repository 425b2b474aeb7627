"""Choice: the engine for a db_url. Only the driver of the chosen engine is imported."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msilod.errors import UnavailableError
from msilod.store.engine.base import Engine
from msilod.store.engine.hold import Hold

SQLITE: Final = "sqlite:///"


def sqlite_url(path: Path) -> str:
    """The db_url of an SQLite file."""
    return f"{SQLITE}{path}"


def path_of(url: str) -> Path:
    """The file of an SQLite database. Raises UnavailableError for the URL of any other database."""
    if not url.startswith(SQLITE):
        # The rest of the URL may hold a password.
        raise UnavailableError(f"db_url: {url.partition(':')[0]}: not supported by this version")
    return Path(url.removeprefix(SQLITE))


def name_of(url: str) -> str:
    """The database in texts for the operator: without a password."""
    return str(path_of(url))


def last_words(url: str) -> str:
    """Why the last daemon of this silo has ended, if the database was the cause; "" if not."""
    path = path_of(url)
    from msilod.store.engine.sqlite import lock

    return lock.last_words(path)


def open_hold(url: str, table: str) -> Hold:
    """The hold of a daemon. Raises UnavailableError, PermissionDenied or SchemaError."""
    path = path_of(url)
    from msilod.store.engine.sqlite.hold import SqliteHold

    return SqliteHold(path, table)


def open_engine(url: str, table: str, owner: str, seen: Sequence[int]) -> Engine:
    """The engine of the writer's process, for the daemon `owner`.

    Commits of other processes after `seen` (`Hold.seen`) are reported as foreign; with an empty `seen`, commits from
    now on. Raises UnavailableError, PermissionDenied, SiloLost.
    """
    path = path_of(url)
    from msilod.store.engine.sqlite.engine import open_writer

    return open_writer(path, table, owner, seen)

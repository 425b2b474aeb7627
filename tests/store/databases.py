"""Databases for the store's tests: one class for each engine. The next engine is one more value of ENGINES."""

import sqlite3
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from msilod.store.engine.base import HOUR
from msilod.store.engine.choice import sqlite_url
from msilod.store.engine.sqlite import engine, holdings, hours
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from msilod.store.tables.queue import OnWire, Queue

TABLE: Final = "silo"


def no_daemon() -> None:
    """Ids on the wire: there is no daemon to ask."""
    return


class Database(ABC):
    """An empty database, for a silo with the db_table `silo`."""

    url: str

    def silo(self, limits: Limits) -> Silo:
        """The silo of a daemon, before the start of the writer."""
        return Silo(self.url, TABLE, limits)

    def open(self, max_messages: int = 1000, max_bytes: int = 1_000_000, **limits: int) -> Silo:
        """A silo with the in-line writer."""
        silo = self.silo(Limits(max_messages, max_bytes, **limits))
        silo.start("test", None)
        return silo

    @abstractmethod
    def another(self, name: str) -> "Database":
        """A second empty database."""

    @abstractmethod
    def queue(self, on_wire: OnWire = no_daemon) -> Queue:
        """The silo as the command line opens it."""

    @abstractmethod
    def query(self, sql: str) -> list[Any]:
        """The rows of a SELECT, on a connection past all code of the project."""

    @abstractmethod
    def change(self, sql: str, values: tuple[object, ...] = ()) -> None:
        """Execute and commit one statement as another program would."""

    @abstractmethod
    def forbid(self, what: str, table: str) -> None:
        """From now on the database refuses `what` (INSERT, UPDATE, DELETE) in `table`, with the word "no"."""

    @abstractmethod
    def sender_hours(self) -> Counter[tuple[int, str]]:
        """The messages of each sender in each hour, as the database has them."""

    @staticmethod
    @abstractmethod
    def with_small_memories(patch: pytest.MonkeyPatch) -> None:
        """A few rows fill the memories of the engine. Commits need not be synced."""


class SqliteDatabase(Database):
    """A file in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "silo.db"
        self.url = sqlite_url(self.path)

    def another(self, name: str) -> "SqliteDatabase":
        """A file in a folder of that name."""
        folder = self.folder / name
        folder.mkdir()
        return SqliteDatabase(folder)

    def queue(self, on_wire: OnWire = no_daemon) -> Queue:
        """The file as the command line opens it."""
        return Queue(self.path, TABLE, on_wire)

    def query(self, sql: str) -> list[Any]:
        """The rows of a SELECT."""
        db = sqlite3.connect(self.path)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def change(self, sql: str, values: tuple[object, ...] = ()) -> None:
        """Execute and commit one statement."""
        with sqlite3.connect(self.path) as db:
            db.execute(sql, values)
        db.close()

    def forbid(self, what: str, table: str) -> None:
        """By a trigger."""
        self.change(f"CREATE TRIGGER no BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END")

    def sender_hours(self) -> Counter[tuple[int, str]]:
        """The rows of the table, and those of the tail."""
        found: Counter[tuple[int, str]] = Counter()
        for hour, sender, count in self.query("SELECT hour, sender, messages FROM silo_sender_hour"):
            found[hour, sender] += count
        tail = "SELECT received_at, sender FROM silo WHERE id > (SELECT counted FROM silo_total)"
        for at, sender in self.query(tail):
            found[int(at // HOUR), sender] += 1
        return found

    @staticmethod
    def with_small_memories(patch: pytest.MonkeyPatch) -> None:
        """A short tail, and few senders in memory."""
        patch.setattr(engine, "FOLD_HOURS", 5)
        patch.setattr(engine, "_SYNC", dict.fromkeys((True, False), "PRAGMA synchronous = OFF"))
        patch.setattr(holdings, "MAX_SENDER_BYTES", 900)
        patch.setattr(hours, "MAX_BYTES", 1400)


ENGINES: Final[dict[str, type[SqliteDatabase]]] = {"sqlite": SqliteDatabase}

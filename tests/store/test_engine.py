"""An engine executes each call of the daemon, tells the kind of each error, and is chosen by the db_url."""

import ast
import errno
import inspect
import os
import sqlite3
import time
from pathlib import Path

import pytest

from msilod.config import Config
from msilod.errors import SiloLost, StoreError, UnavailableError, UnknownOutcome
from msilod.settings import Settings
from msilod.store.commit.transaction import Transactions
from msilod.store.engine.base import CALLS, Trouble
from msilod.store.engine.choice import name_of, open_engine, open_hold, path_of, sqlite_url
from msilod.store.engine.sqlite.engine import SYNC_EVERY, SYNC_ROWS
from msilod.store.jobs import Batch, Call, End
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from msilod.store.writer import contract
from msilod.store.writer.contract import InlineWriter
from tests.store.databases import Database
from tests.store.rows import WALL, add, engine_of, row


def asked() -> set[str]:
    """The names of calls in the methods of StoreWriter."""
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(inspect.getsource(contract)))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("_ask", "_change")
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def test_the_daemon_asks_for_calls_that_every_engine_knows() -> None:
    assert asked() == CALLS


def test_an_engine_executes_each_call(database: Database) -> None:
    silo = database.open()
    assert isinstance(silo.writer, InlineWriter)
    assert silo.writer.transactions.engine.operations.keys() == CALLS
    silo.close()


def test_a_url_of_another_database_is_refused_without_its_password() -> None:
    url = "postgresql://msilod:secret@db.example.test/silo"
    for open_it in (
        lambda: open_hold(url, "silo"),
        lambda: open_engine(url, "silo", "node", ()),
        lambda: name_of(url),
    ):
        with pytest.raises(UnavailableError, match=r"^db_url: postgresql: not supported") as caught:
            open_it()
        assert "secret" not in str(caught.value)


@pytest.mark.sqlite
def test_the_engine_of_the_writers_process_tells_what_was_committed_before_it(database: Database) -> None:
    silo = database.open()
    add(silo, row(1, "alice@example.test"), row(2, "bob@example.test"))
    silo.close()
    engine = open_engine(database.url, "silo", "node", (1, 0))
    (found,) = engine.commit(Batch(calls=[Call("poll_foreign", (), False)]), Transactions(engine, Limits()))
    assert found.stored == ["bob@example.test"]
    engine.check()
    engine.close()


@pytest.mark.sqlite
def test_a_path_becomes_a_url() -> None:
    for path in (Path("/var/lib/msilod/silo.db"), Path("silo.db")):
        assert path_of(sqlite_url(path)) == path
    assert name_of("sqlite:////var/lib/msilod/silo.db") == "/var/lib/msilod/silo.db"
    assert Settings(Config(), None, Path("/x/silo.db"), Path(), ()).silo_url == sqlite_url(Path("/x/silo.db"))


FULL, NORMAL = 2, 1


@pytest.mark.sqlite
def test_laws_1_and_2_rows_and_durable_calls_are_synced_and_ends_are_not(silo: Silo) -> None:
    writer = silo.writer

    def synchronous() -> int:
        writer.flush()
        ((value,),) = engine_of(silo).db.execute("PRAGMA synchronous")
        return int(value)

    def end(number: int) -> None:
        writer.end(number, row(number).hash, "bob@example.test", "delivered", 200, WALL, None)

    add(silo, *(row(number) for number in range(1, 9)))
    assert synchronous() == FULL
    end(1)
    assert synchronous() == NORMAL
    end(2)
    writer.add(row(9), lambda result: None)
    assert synchronous() == FULL, "a row beside an end"
    writer.hand(3, 202, "Accepted", None)
    assert synchronous() == NORMAL
    writer.reject(4, 603, "Decline", 1)
    assert synchronous() == FULL, "a durable call"
    writer.release([5])
    assert synchronous() == NORMAL
    end(5)
    writer.postpone([(6, 1)], WALL + 60, 486, "Busy Here")
    writer.release([7])
    assert synchronous() == FULL, "a durable call beside others"
    end(8)
    assert synchronous() == NORMAL
    add(silo, row(10))
    assert synchronous() == FULL, "new rows after ends"


@pytest.mark.sqlite
def test_ends_are_synced_by_time_and_by_number(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    silo = database.open()
    add(silo, *(row(number) for number in range(1, SYNC_ROWS + 2)))
    silo.close()
    engine, synced = open_engine(database.url, "silo", "node", ()), list[int]()
    transactions = Transactions(engine, Limits())
    monkeypatch.setattr(os, "fdatasync", synced.append)

    def end(*ids: int) -> None:
        ends = [End(id, row(id).hash, "bob@example.test", "delivered", 200, WALL) for id in ids]
        transactions.execute(Batch(ends=ends))

    began = time.monotonic()
    assert engine.seconds_to_sync(began) is None
    end(1)
    left = engine.seconds_to_sync(time.monotonic())
    assert left is not None
    assert left <= SYNC_EVERY
    engine.sync_if_due(began)
    assert synced == []
    engine.sync_if_due(began + 3600)
    assert len(synced) == 1
    assert engine.seconds_to_sync(began) is None
    engine.sync()
    assert len(synced) == 1, "nothing waits for a sync"
    end(*range(2, SYNC_ROWS + 2))
    engine.sync_if_due(began)
    assert len(synced) == 2
    end(1)
    transactions.execute(Batch([row(5000)]))
    assert engine.seconds_to_sync(began) is None, "a synced commit syncs all commits before"
    engine.close()


@pytest.mark.sqlite
def test_a_sync_of_ends_that_fails_ends_the_writer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    silo = database.open()
    add(silo, row(1))
    silo.close()
    engine = open_engine(database.url, "silo", "node", ())
    end = End(1, row(1).hash, "bob@example.test", "delivered", 200, WALL)
    Transactions(engine, Limits()).execute(Batch(ends=[end]))

    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(UnknownOutcome, match="Input/output error"):
        engine.sync()
    engine.close()


def sqlite_error(kind: type[sqlite3.Error], code: int) -> sqlite3.Error:
    error = kind("x")
    error.sqlite_errorcode = code
    return error


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (sqlite_error(sqlite3.OperationalError, sqlite3.SQLITE_BUSY), Trouble.BUSY),
        (sqlite_error(sqlite3.OperationalError, sqlite3.SQLITE_BUSY_SNAPSHOT), Trouble.BUSY),
        (sqlite_error(sqlite3.OperationalError, sqlite3.SQLITE_FULL), Trouble.FULL),
        (sqlite_error(sqlite3.OperationalError, sqlite3.SQLITE_CANTOPEN), Trouble.AWAY),
        (sqlite_error(sqlite3.OperationalError, sqlite3.SQLITE_IOERR_READ), Trouble.AWAY),
        (sqlite_error(sqlite3.DatabaseError, sqlite3.SQLITE_CORRUPT), Trouble.LOST),
        (sqlite_error(sqlite3.DatabaseError, sqlite3.SQLITE_NOTADB), Trouble.LOST),
        (sqlite_error(sqlite3.IntegrityError, sqlite3.SQLITE_CONSTRAINT_NOTNULL), Trouble.ROW),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), Trouble.ROW),
        (OverflowError("int too big to convert"), Trouble.ROW),
    ],
)
def test_an_error_has_a_kind(database: Database, error: Exception, trouble: Trouble) -> None:
    silo = database.open()
    assert isinstance(silo.writer, InlineWriter)
    engine = silo.writer.transactions.engine
    assert engine.trouble_of(error) is trouble
    assert isinstance(engine.translated(error), SiloLost if trouble is Trouble.LOST else StoreError)
    silo.close()

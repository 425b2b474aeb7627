"""An engine executes each call that the daemon may ask for; its errors have a kind; commit/ asks nothing else of it."""

import ast
import inspect
import sqlite3

import pytest

from msilod.errors import SiloLost, StoreError
from msilod.store.engine.base import CALLS, Trouble
from msilod.store.writer import contract
from msilod.store.writer.contract import InlineWriter
from tests.store.databases import Database


def asked() -> set[str]:
    """The names of the calls that the methods of StoreWriter make."""
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

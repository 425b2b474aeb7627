"""The numbered SQL in schema/, and what a database has had of it.

Rules: a released file never changes (its hash is kept); the daemon creates an empty database's tables; an
older database is refused with the command that upgrades it, a newer or foreign one with what it is.
Statements end in `;` at a line's end: sqlite3's executescript would commit behind our back.
"""

import hashlib
import re
import sqlite3
import time
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import peewee

from msilod.errors import SchemaError
from msilod.store.engine.sqlite.connection import raw, translated

ENGINE: Final = "sqlite"


def schema_root() -> Traversable:
    """Where the SQL lies: inside the wheel, or beside us in a checkout."""
    shipped = files("msilod").joinpath("schema")
    return shipped if shipped.is_dir() else Path(__file__).parents[3] / "schema"


def migrations(engine: str = ENGINE) -> list[tuple[int, str, str]]:
    """(number, name, SQL), in order."""
    found = sorted(
        (entry.name, entry.read_text("utf-8"))
        for entry in schema_root().joinpath(engine).iterdir()
        if entry.name.endswith(".sql")
    )
    return [(int(name[:4]), name[5:-4], text) for name, text in found]


def statements(sql: str, table: str) -> Iterator[str]:
    """The statements, `silo` and `silo_...` renamed after `table`, comments gone."""
    bare = re.sub(r"--[^\n]*", "", sql)
    for statement in re.split(r";\s*\n", bare + "\n"):
        text = statement.strip().rstrip(";")
        if text:
            yield re.sub(r"\bsilo(?=\b|_)", table, text)


def prepare(database: peewee.SqliteDatabase, path: Path, table: str, create: bool) -> None:
    """Check that the database is ours and of this version; with `create`, make an empty one so.

    Raises SchemaError.
    """
    with translated(path):
        connection = raw(database)
        names = _tables(connection)
        if f"{table}_schema_version" in names:
            _check_version(connection, path, table)
        elif create and not names - {"sqlite_sequence"}:
            upgrade(database, path, table)
        elif table in names:
            raise SchemaError(
                f"{path}: its table {table} is not msilod's (choose another db_url or db_table)"
            )
        else:
            raise SchemaError(f"{path} holds no silo (msilod start makes one in an empty database)")


def _check_version(connection: sqlite3.Connection, path: Path, table: str) -> None:
    version, ours = version_of(connection, table), migrations()[-1][0]
    if version < ours:
        raise SchemaError(f"{path} has schema {version}, this msilod wants {ours} (run: msilo db upgrade)")
    if version > ours:
        raise SchemaError(
            f"{path} has schema {version}, newer than this msilod's {ours} (use a newer msilod)"
        )


def version_of(connection: sqlite3.Connection, table: str) -> int:
    """The number of the last file that was applied; 0: none."""
    cursor = connection.execute(f"SELECT max(version) FROM {table}_schema_version")
    return int(cursor.fetchone()[0] or 0)


def changed(connection: sqlite3.Connection, table: str) -> list[str]:
    """The names of applied files that are not what we ship under their number."""
    applied = dict(connection.execute(f"SELECT version, sha256 FROM {table}_schema_version"))
    return [
        f"{number:04d}_{name}"
        for number, name, sql in migrations()
        if number in applied and applied[number] != _digest(sql)
    ]


def upgrade(database: peewee.SqliteDatabase, path: Path, table: str) -> list[str]:
    """Apply what is missing, all or nothing, and return the names of the files; the caller has the daemon's lock.

    An empty database gets everything. Raises SchemaError for a newer or a foreign one.
    """
    with translated(path):
        connection = raw(database)
        connection.execute("BEGIN IMMEDIATE")
        try:
            names = _tables(connection)
            version = version_of(connection, table) if f"{table}_schema_version" in names else 0
            if version > migrations()[-1][0]:
                _check_version(connection, path, table)
            if not version and names - {"sqlite_sequence"}:
                raise SchemaError(f"{path} holds tables that are not msilod's (choose another db_url)")
            done = _apply(connection, table, version)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return done


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _apply(connection: sqlite3.Connection, table: str, version: int) -> list[str]:
    """Inside a transaction: every file with a higher number."""
    done = []
    for number, name, sql in migrations():
        if number <= version:
            continue
        for statement in statements(sql, table):
            connection.execute(statement)
        applied: list[Any] = [number, name, _digest(sql), time.time()]
        connection.execute(f"INSERT INTO {table}_schema_version VALUES (?, ?, ?, ?)", applied)
        done.append(f"{number:04d}_{name}")
    return done


def _digest(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()

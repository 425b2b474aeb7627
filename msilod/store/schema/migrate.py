"""Migrations: applies the numbered SQL files of schema/ to a database, and checks the version of a database.

A released file never changes: the database keeps the SHA-256 of each applied file. The daemon creates the tables in an
empty database. A database of an older version is refused with the command for the upgrade; a newer or foreign database
is refused with the reason. A statement ends with `;` at the end of a line. Statements are executed one by one:
`executescript` of sqlite3 commits the open transaction.
"""

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import peewee

from msilod.errors import SchemaError
from msilod.store.engine.sqlite.connection import raw, translated
from msilod.store.engine.sqlite.versions import applied, note, tables, version_of

ENGINE: Final = "sqlite"


def schema_root() -> Traversable:
    """The folder of the SQL files: in an installed wheel, or in a checkout."""
    shipped = files("msilod").joinpath("schema")
    return shipped if shipped.is_dir() else Path(__file__).parents[3] / "schema"


def migrations(engine: str = ENGINE) -> list[tuple[int, str, str]]:
    """(number, name, SQL) of all files for `engine`, in order."""
    found = sorted(
        (entry.name, entry.read_text("utf-8"))
        for entry in schema_root().joinpath(engine).iterdir()
        if entry.name.endswith(".sql")
    )
    return [(int(name[:4]), name[5:-4], text) for name, text in found]


def statements(sql: str, table: str) -> Iterator[str]:
    """The statements without comments, for a silo with the db_table `table` in the place of `silo`."""
    bare = re.sub(r"--[^\n]*", "", sql)
    for statement in re.split(r";\s*\n", bare + "\n"):
        text = statement.strip().rstrip(";")
        if text:
            yield re.sub(r"\bsilo(?=\b|_)", table, text)


def prepare(database: peewee.SqliteDatabase, path: Path, table: str, create: bool) -> None:
    """Check that the database is a silo of this version. With `create`, create the tables in an empty database.

    Raises SchemaError and the errors of `translated`.
    """
    with translated(path):
        connection = raw(database)
        names = tables(connection)
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


def changed(connection: sqlite3.Connection, table: str) -> list[str]:
    """The names of applied files with another content than the shipped files of the same number."""
    known = applied(connection, table)
    return [
        f"{number:04d}_{name}"
        for number, name, sql in migrations()
        if number in known and known[number] != _digest(sql)
    ]


def upgrade(database: peewee.SqliteDatabase, path: Path, table: str) -> list[str]:
    """Apply the missing files in one transaction. Returns their names.

    The caller holds the daemon's lock. Raises SchemaError for a newer or foreign database.
    """
    with translated(path):
        connection = raw(database)
        connection.execute("BEGIN IMMEDIATE")
        try:
            names = tables(connection)
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


def _apply(connection: sqlite3.Connection, table: str, version: int) -> list[str]:
    """Apply the files with a higher number than `version`, in the caller's transaction. Returns their names."""
    done = []
    for number, name, sql in migrations():
        if number <= version:
            continue
        for statement in statements(sql, table):
            connection.execute(statement)
        note(connection, table, number, name, _digest(sql))
        done.append(f"{number:04d}_{name}")
    return done


def _digest(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()

"""The numbered SQL in schema/, and what a database has had of it.

Rules: a released file never changes (its hash is kept); the daemon creates an empty database's tables; an
older database is refused with the command that upgrades it, a newer or foreign one with what it is.
Statements end in `;` at a line's end: sqlite3's executescript would commit behind our back.
"""

import hashlib
import re
import time
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import peewee

from msilod.errors import SchemaError
from msilod.store.database import raw, translated

ENGINE: Final = "sqlite"


def schema_root() -> Traversable:
    """Where the SQL lies: inside the wheel, or beside us in a checkout."""
    shipped = files("msilod").joinpath("schema")
    return shipped if shipped.is_dir() else Path(__file__).parents[2] / "schema"


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
        names = {
            row[0] for row in raw(database).execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if f"{table}_schema_version" in names:
            _check_version(database, path, table)
        elif create and not names - {"sqlite_sequence"}:
            _apply_all(database, table)
        elif table in names:
            raise SchemaError(
                f"{path}: its table {table} is not msilod's (choose another db_url or db_table)"
            )
        else:
            raise SchemaError(f"{path} holds no silo (msilod start makes one in an empty database)")


def _check_version(database: peewee.SqliteDatabase, path: Path, table: str) -> None:
    cursor = raw(database).execute(f"SELECT max(version) FROM {table}_schema_version")  # noqa: S608 - our own name
    version, ours = cursor.fetchone()[0] or 0, migrations()[-1][0]
    if version < ours:
        raise SchemaError(f"{path} has schema {version}, this msilod wants {ours} (run: msilo db upgrade)")
    if version > ours:
        raise SchemaError(
            f"{path} has schema {version}, newer than this msilod's {ours} (use a newer msilod)"
        )


def _apply_all(database: peewee.SqliteDatabase, table: str) -> None:
    connection = raw(database)
    connection.execute("BEGIN IMMEDIATE")
    for number, name, sql in migrations():
        for statement in statements(sql, table):
            connection.execute(statement)
        applied: list[Any] = [number, name, hashlib.sha256(sql.encode()).hexdigest(), time.time()]
        connection.execute(f"INSERT INTO {table}_schema_version VALUES (?, ?, ?, ?)", applied)  # noqa: S608
    connection.execute("COMMIT")

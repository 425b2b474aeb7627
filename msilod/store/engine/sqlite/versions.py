"""Versions: the SQL of the table that keeps the applied files of schema/sqlite, and of the silo's own counts.

For `msilod start` and `msilo db`. Methods take the raw connection. Only `note` writes, in the caller's transaction.
"""

import sqlite3
import time

_COUNT = "SELECT count(*), coalesce(sum(size), 0) FROM"
_WRONG = (
    ("sizes that are not their body's", "size <> length(body)"),
    ("states that are none", "state NOT IN ('waiting', 'scheduled', 'held', 'rejected', 'handed')"),
    ("no due time though scheduled", "state = 'scheduled' AND due_at IS NULL"),
)


def tables(db: sqlite3.Connection) -> set[str]:
    """The names of all tables in the file."""
    return {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def version_of(db: sqlite3.Connection, table: str) -> int:
    """The number of the last applied file; 0 for none."""
    return int(db.execute(f"SELECT max(version) FROM {table}_schema_version").fetchone()[0] or 0)


def applied(db: sqlite3.Connection, table: str) -> dict[int, str]:
    """The SHA-256 (hex) of each applied file, by number."""
    return dict(db.execute(f"SELECT version, sha256 FROM {table}_schema_version"))


def note(db: sqlite3.Connection, table: str, number: int, name: str, digest: str) -> None:
    """Keep the number, name and SHA-256 of a file that was applied in this transaction."""
    values = (number, name, digest, time.time())
    db.execute(f"INSERT INTO {table}_schema_version VALUES (?, ?, ?, ?)", values)


def count(db: sqlite3.Connection, table: str) -> tuple[int, int]:
    """The number of messages and their bytes, counted row by row."""
    messages, size = db.execute(f"{_COUNT} {table}").fetchone()
    return int(messages), int(size)


def wrong_rows(db: sqlite3.Connection, table: str) -> list[str]:
    """One line for each kind of wrong row, with the number of these rows."""
    found = []
    for words, condition in _WRONG:
        rows = db.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchone()[0]
        if rows:
            found.append(f"{rows} messages with {words}")
    doubles = db.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {table} GROUP BY aor, hash HAVING count(*) > 1)"
    ).fetchone()[0]
    return found + ([f"{doubles} messages are there twice"] if doubles else [])

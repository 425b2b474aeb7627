"""A silo's file with as many rows as one likes, made in minutes: by the project's own schema, but not by its writer.

Rules: what is there at the end is what the writer would have left: indexes, totals and numbers of rows. While it is
filled there is no index, no trigger and no journal: ten million rows take two minutes instead of an hour.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msilod.store.engine.sqlite.connection import open_sqlite, raw
from msilod.store.engine.sqlite.statements import Statements
from msilod.store.schema.migrate import prepare
from tests.bench.load.wire import filler

TABLE: Final = "silo"
DAY: Final = 86_400.0
# A hash of as many bytes as ours, its key of the Call-ID first.
HASH_BYTES: Final = 16
# Every 97th row is rejected, every 101st scheduled, every 103rd held: one percent each, in no step with the recipients.
REJECTED, SCHEDULED, HELD = 97, 101, 103
# A prime: the rows of one recipient lie as far from each other as the time between two messages of his.
STRIDE: Final = 7919


@dataclass(frozen=True, slots=True)
class Filling:
    """`rows` of `body` bytes for `recipients` users u00000000 ... of `domain`; `wall` seconds since 1970."""

    rows: int
    recipients: int
    domain: str
    wall: float
    body: int = 200


def fill(path: Path, filling: Filling) -> None:
    """Make the silo at `path`, which must not exist yet."""
    database = open_sqlite(path, create=True)
    prepare(database, path, TABLE, create=True)
    db = raw(database)
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -500000")
    put_back = _take_off(db)
    db.execute("BEGIN")
    _insert(db, filling)
    for statement in put_back:
        db.execute(statement)
    Statements(TABLE).fold(db)
    db.execute("COMMIT")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA journal_mode = WAL")
    database.close()


def _take_off(db: sqlite3.Connection) -> list[str]:
    """Indexes and triggers of the rows; the statements that put them back."""
    found = db.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('index', 'trigger')",
        (TABLE,),
    ).fetchall()
    for kind, name, _ in found:
        db.execute(f"DROP {kind} {name}")
    return [sql for _, _, sql in found]


def _insert(db: sqlite3.Connection, filling: Filling) -> None:
    """Rows of the last day, ten a second for a million, that live for another two days."""
    user = f"printf('u%08d@{filling.domain}', n * {STRIDE} % {filling.recipients})"
    db.execute(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :rows) "
        f"INSERT INTO {TABLE} (id, aor, sender, state, received_at, due_at, expires_at, last_status, last_reason, "
        "request_uri, from_header, to_header, call_id, cseq, content_type, headers, size, hash, body) "
        f"SELECT n, {user}, 'load@{filling.domain}', "
        f"CASE WHEN n % {REJECTED} = 0 THEN 'rejected' WHEN n % {SCHEDULED} = 0 THEN 'scheduled' "
        f"WHEN n % {HELD} = 0 THEN 'held' ELSE 'waiting' END, "
        f":wall - {DAY} * (1 - n * 1.0 / :rows), "
        f"CASE WHEN n % {REJECTED} <> 0 AND n % {SCHEDULED} = 0 THEN :wall + {DAY} END, "
        f":wall + {DAY} * (1 + n * 1.0 / :rows), "
        f"CASE WHEN n % {REJECTED} = 0 THEN 486 END, CASE WHEN n % {REJECTED} = 0 THEN 'Busy Here' ELSE '' END, "
        f"CAST('sip:' || {user} AS BLOB), CAST('<sip:load@{filling.domain}>;tag=' || n AS BLOB), "
        f"CAST('<sip:' || {user} || '>' AS BLOB), CAST('filled-' || n || '@127.0.0.1' AS BLOB), 1, "
        f"CAST('text/plain;charset=UTF-8' AS BLOB), x'', :size, randomblob({HASH_BYTES}), :body FROM numbers",
        {"rows": filling.rows, "wall": filling.wall, "size": filling.body, "body": filler(filling.body)},
    )

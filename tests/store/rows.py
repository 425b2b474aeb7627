"""Rows, and calls of an in-line writer, for the store's tests."""

import sqlite3
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from msilod.silo.stored_message import CALL_KEY_BYTES, StoredMessage
from msilod.store.engine.choice import sqlite_url
from msilod.store.engine.sqlite.engine import SqliteEngine
from msilod.store.jobs import AddResult
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from msilod.store.writer.contract import InlineWriter

WALL = 1_800_000_000.0


def row(number: int, aor: str = "bob@example.test", **changes: Any) -> StoredMessage:
    """A message. Hash and Call-ID depend on the number only."""
    call_id = changes.get("call_id", b"call-%d" % number)
    rest = blake2b(b"%d" % number, digest_size=16 - CALL_KEY_BYTES).digest()
    values: dict[str, Any] = {
        "aor": aor, "sender": "alice@example.test",
        "hash": blake2b(call_id, digest_size=CALL_KEY_BYTES).digest() + rest,
        "request_uri": f"sip:{aor}".encode(), "from_header": b'"Alice" <sip:alice@example.test>;tag=1',
        "to_header": f"<sip:{aor}>".encode(), "call_id": call_id, "cseq": 1,
        "content_type": b"text/plain", "headers": b"Subject: x\r\n", "body": b"body %d" % number,
        "received_at": WALL, "expires_at": WALL + 1000,
    }  # fmt: skip
    values |= changes
    return StoredMessage(size=len(values["body"]), **values)


def open_silo(folder: Path, max_messages: int = 1000, max_bytes: int = 1_000_000) -> Silo:
    """A silo with the in-line writer, in an SQLite file."""
    silo = Silo(sqlite_url(folder / "silo.db"), "silo", Limits(max_messages, max_bytes))
    silo.start("test", None)
    return silo


def engine_of(silo: Silo) -> SqliteEngine:
    """The engine of the in-line writer."""
    writer = silo.writer
    assert isinstance(writer, InlineWriter)
    engine = writer.transactions.engine
    assert isinstance(engine, SqliteEngine)
    return engine


def add(silo: Silo, *messages: StoredMessage) -> list[AddResult]:
    """Add the rows in one batch; the results in order."""
    results: list[AddResult] = []
    for message in messages:
        silo.writer.add(message, results.append)
    silo.writer.flush()
    return results


def ask(silo: Silo, call: Callable[[Callable[[Any], None]], None]) -> Any:
    """The result of a job, as heard by `done`."""
    heard: list[Any] = []
    call(heard.append)
    silo.writer.flush()
    return heard[0]


def claim(
    silo: Silo, aor: str = "bob@example.test", limit: int = 64, wall: float = WALL
) -> list[StoredMessage]:
    found: list[StoredMessage] = ask(silo, lambda done: silo.writer.claim(aor, limit, 0, (), wall, done))
    return found


def query(folder: Path, sql: str) -> list[Any]:
    """The rows of a SELECT, on a connection past all code of the project."""
    connection = sqlite3.connect(folder / "silo.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()

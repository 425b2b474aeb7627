"""The counts of a recipient are the same after a read of the index and after a count row by row."""

import sqlite3
from pathlib import Path

import pytest

from msilod.silo.stored_message import CALL_KEY_BYTES
from msilod.store.engine.sqlite import holdings
from msilod.store.engine.sqlite.holdings import Holdings
from msilod.store.engine.sqlite.statements import Statements
from msilod.store.jobs import Added, Duplicate, OverQuota
from msilod.store.limits import Limits
from tests.store.rows import add, open_silo, row

pytestmark = pytest.mark.sqlite

BOB = "bob@example.test"
# Zeros, bytes that are not UTF-8, and ACROSS: a key found across two others.
KEYS = [bytes(4), b"\xff\xfe\x00\xc3", b"abcd", b"efgh", b"\x00\x00\x00\x01"]
ACROSS = b"cdef"


def hash_of(key: bytes) -> bytes:
    """A duplicate key with this key of the Call-ID."""
    return key + bytes(16 - CALL_KEY_BYTES)


def test_copies_are_known_by_any_key_after_a_restart(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    rows = [row(n, hash=hash_of(key), call_id=b"c%d" % n) for n, key in enumerate(KEYS)]
    assert add(silo, *rows) == [Added(n + 1) for n in range(len(KEYS))]
    silo.close()
    silo = open_silo(tmp_path)
    for number, key in enumerate(KEYS):
        assert add(silo, row(number, hash=hash_of(key))) == [Duplicate(number + 1, False)]
    silo.close()


def test_a_key_across_two_others_is_no_copy(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    add(silo, *(row(n, hash=hash_of(key)) for n, key in enumerate(KEYS)))
    assert add(silo, row(9, hash=hash_of(ACROSS))) == [
        Added(len(KEYS) + 1, hash_of(ACROSS).hex().encode() + b"@msilo")
    ]
    silo.close()


def test_quotas_hold_after_a_restart(tmp_path: Path) -> None:
    silo = open_silo(tmp_path, max_messages=3)
    add(silo, row(1), row(2), row(3, "carol@example.test"))
    silo.close()
    silo = open_silo(tmp_path, max_messages=3)
    assert [type(result) for result in add(silo, row(4), row(5))] == [Added, OverQuota]
    silo.close()


def test_a_recipient_takes_one_line_with_any_number_of_messages(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    add(silo, *(row(n) for n in range(200)), row(200, "carol@example.test"))
    silo.close()
    db = sqlite3.connect(tmp_path / "silo.db")
    lines = Statements("silo").holdings(db, [BOB, "carol@example.test", "dave@example.test"])
    db.close()
    assert [(aor, messages, len(calls)) for aor, messages, _, calls in lines] == [
        (BOB, 200, 200 * 2 * CALL_KEY_BYTES),
        ("carol@example.test", 1, 2 * CALL_KEY_BYTES),
    ]


@pytest.mark.interpreted
def test_the_memory_of_recipients_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silo = open_silo(tmp_path)
    add(silo, *(row(n, f"u{n % 10}@example.test") for n in range(100)))
    silo.close()
    db = sqlite3.connect(tmp_path / "silo.db")
    known = Holdings(Statements("silo"), Limits())
    monkeypatch.setattr(holdings, "MAX_CALL_IDS", 35)
    for number in range(10):
        known.learn(db, [f"u{number}@example.test"])
    db.close()
    assert list(known._known) == [f"u{number}@example.test" for number in (7, 8, 9)]

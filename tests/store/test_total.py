"""The total of the silo: one row and the tail. Right for every writer, at any moment, after any kill."""

import sqlite3
from pathlib import Path

import pytest

from msilod.silo.stored_message import StoredMessage
from msilod.store.engine.sqlite.engine import FOLD
from msilod.store.engine.sqlite.statements import Statements, total
from msilod.store.jobs import Limit, OverQuota
from msilod.store.limits import Limits
from msilod.store.schema.maintenance import Maintenance
from msilod.store.silo import Silo
from msilod.store.tables.queue import Queue
from msilod.store.tables.selection import Selection
from tests.store.rows import WALL, add, ask, open_silo, query, row
from tests.store.test_maintenance import make_version

pytestmark = pytest.mark.sqlite

BOB = "bob@example.test"


def totals(folder: Path) -> tuple[int, int]:
    """The total of a reader, compared with a count of all rows."""
    ((messages, size),) = query(folder, total("silo"))
    assert [(messages, size)] == query(folder, "SELECT count(*), coalesce(sum(size), 0) FROM silo")
    return int(messages), int(size)


def kept(folder: Path) -> tuple[int, int, int]:
    """Messages, bytes and the id of the last counted row."""
    (found,) = query(folder, "SELECT messages, bytes, counted FROM silo_total")
    messages, size, counted = found
    return int(messages), int(size), int(counted)


def end(silo: Silo, *ids: int) -> None:
    for id in ids:
        silo.writer.end(id, row(id).hash, BOB, "delivered", 200, WALL, None)
    silo.writer.flush()


def fold(folder: Path) -> None:
    """A fold by another writer."""
    with sqlite3.connect(folder / "silo.db") as db:
        Statements("silo").fold(db)
    db.close()


def rows_of_ten(first: int, count: int) -> list[StoredMessage]:
    return [row(n, f"u{n}@example.test", body=b"x" * 10) for n in range(first, first + count)]


def test_a_reader_counts_the_tail(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    assert totals(tmp_path) == (0, 0)
    add(silo, *(row(n, body=b"x" * n) for n in (1, 2, 3)))
    assert kept(tmp_path) == (0, 0, 0)
    assert totals(tmp_path) == (3, 6)
    assert silo.counts() == {"waiting": 3}
    end(silo, 2)
    assert kept(tmp_path) == (0, 0, 0), "what leaves the tail was never counted"
    assert totals(tmp_path) == (2, 4)
    silo.close()


def test_a_fold_counts_each_row_once(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    add(silo, *(row(n, body=b"x" * n) for n in (1, 2, 3)))
    fold(tmp_path)
    fold(tmp_path)
    assert kept(tmp_path) == (3, 6, 3)
    add(silo, row(4, body=b"x" * 4))
    end(silo, 1, 4)
    assert kept(tmp_path) == (2, 5, 3)
    assert totals(tmp_path) == (2, 5)
    end(silo, 2, 3)
    fold(tmp_path)
    assert kept(tmp_path) == (0, 0, 3)
    add(silo, row(5, body=b"x" * 5))
    assert totals(tmp_path) == (1, 5)
    silo.close()


def test_the_writer_keeps_the_tail_short(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    add(silo, *rows_of_ten(1, FOLD - 1))
    assert kept(tmp_path) == (0, 0, 0)
    add(silo, *rows_of_ten(FOLD, 10))
    assert kept(tmp_path) == (FOLD + 9, 10 * (FOLD + 9), FOLD + 9)
    add(silo, *rows_of_ten(FOLD + 10, FOLD - 1), row(1, "u1@example.test", body=b"x" * 10))
    assert kept(tmp_path)[2] == FOLD + 9, "a copy is no row"
    assert totals(tmp_path) == (2 * FOLD + 8, 10 * (2 * FOLD + 8))
    silo.close()
    again = open_silo(tmp_path)
    add(again, row(0))
    assert kept(tmp_path)[2] == 2 * FOLD + 9, "a start takes on the tail that it finds"
    assert totals(tmp_path)[0] == 2 * FOLD + 9
    again.close()


def test_the_next_rows_are_synced_after_a_fold(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    queue = Queue(tmp_path / "silo.db", "silo")
    said: list[str] = []
    queue._db.set_trace_callback(said.append)
    queue.insert(rows_of_ten(1, FOLD), Limits())
    assert "synchronous = NORMAL" in said[-2]
    said.clear()
    queue.insert(rows_of_ten(FOLD + 1, 1), Limits())
    (synced, *_) = (n for n, sql in enumerate(said) if "synchronous = FULL" in sql)
    (inserted,) = (n for n, sql in enumerate(said) if sql.startswith("INSERT INTO silo "))
    assert synced < inserted
    queue.close()
    silo.close()


def test_an_import_leaves_a_short_tail(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    queue = Queue(tmp_path / "silo.db", "silo")
    for first in range(1, 4 * FOLD, 200):
        queue.insert(rows_of_ten(first, 200), Limits())
        ((last,),) = query(tmp_path, "SELECT max(id) FROM silo")
        assert last - kept(tmp_path)[2] < FOLD
        totals(tmp_path)
    add(silo, row(0))
    totals(tmp_path)
    queue.close()
    silo.close()


def test_a_purge_by_hand_removes_rows_in_the_tail_and_below(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    add(silo, *(row(n, body=b"x" * n) for n in range(1, 6)))
    fold(tmp_path)
    add(silo, *(row(n, body=b"x" * n) for n in range(6, 11)))
    queue = Queue(tmp_path / "silo.db", "silo")
    list(queue.operator("root").purge(Selection(ids=(5, 6)), WALL))
    assert kept(tmp_path) == (4, 10, 5)
    assert totals(tmp_path) == (8, 44)
    list(queue.operator("root").purge(Selection(), WALL))
    assert totals(tmp_path) == (0, 0)
    queue.close()
    silo.close()


def test_rows_that_expire_in_the_tail_are_counted(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    add(silo, row(1))
    fold(tmp_path)
    add(silo, row(2), row(3, expires_at=WALL + 9999))
    ask(silo, lambda done: silo.writer.clean(WALL + 2000, 100, done))
    assert totals(tmp_path) == (1, 6)
    assert kept(tmp_path) == (0, 0, 1)
    silo.close()


def test_a_kill_before_the_fold_is_committed(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    add(silo, row(1), row(2))
    db = sqlite3.connect(tmp_path / "silo.db", isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    Statements("silo").fold(db)
    assert db.execute(total("silo")).fetchone() == (2, 12)
    db.close()
    assert kept(tmp_path) == (0, 0, 0)
    assert totals(tmp_path) == (2, 12)
    silo.close()


def test_a_fold_that_fails_fails_no_row(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    with sqlite3.connect(tmp_path / "silo.db") as db:
        db.execute("CREATE TRIGGER no BEFORE UPDATE ON silo_total BEGIN SELECT raise(ABORT, 'no'); END")
    results = add(silo, *rows_of_ten(1, FOLD))
    assert {type(result).__name__ for result in results} == {"Added"}
    assert kept(tmp_path) == (0, 0, 0)
    with db:
        db.execute("DROP TRIGGER no")
    db.close()
    add(silo, row(0))
    assert kept(tmp_path)[0] == FOLD + 1, "the next batch makes up for it"
    silo.close()


@pytest.mark.parametrize("version", [1, 6])
def test_an_upgrade_counts_the_present_rows(tmp_path: Path, version: int) -> None:
    make_version(tmp_path, version)
    with sqlite3.connect(tmp_path / "silo.db") as db:
        db.execute("DELETE FROM silo WHERE id = 1")
    db.close()
    Maintenance(tmp_path / "silo.db", "silo").upgrade()
    assert kept(tmp_path) == (1, 5, 2)
    silo = open_silo(tmp_path)
    add(silo, row(3))
    assert totals(tmp_path) == (2, 11)
    end(silo, 2)
    assert totals(tmp_path) == (1, 6)
    silo.close()
    assert Maintenance(tmp_path / "silo.db", "silo").check() == []


def test_a_backup_contains_the_tail(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    add(silo, row(1))
    fold(tmp_path)
    add(silo, row(2), row(3))
    end(silo, 3)
    copy = tmp_path / "copy"
    copy.mkdir()
    Maintenance(tmp_path / "silo.db", "silo").backup(copy / "silo.db")
    silo.close()
    assert totals(copy) == (2, 12)
    again = open_silo(copy)
    add(again, row(4))
    assert totals(copy) == (3, 18)
    assert query(copy, "SELECT max(id) FROM silo") == [(4,)], "no id is given twice"
    again.close()


def test_the_quota_counts_the_tail(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    silo.configure(Limits(max_total_bytes=10 * FOLD + 10), 1000.0)
    results = add(silo, *rows_of_ten(1, FOLD - 1)) + add(silo, *rows_of_ten(FOLD, 2))
    assert {type(result).__name__ for result in results} == {"Added"}
    (refused,) = add(silo, *rows_of_ten(FOLD + 2, 1))
    assert refused == OverQuota(0, 10 * FOLD + 10, Limit.TOTAL, 60)
    silo.close()

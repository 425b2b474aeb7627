"""Recipients to probe: in pages, by an index."""

import sqlite3

import pytest

from msilod.store.engine.sqlite.statements import Statements
from tests.store.databases import Database, SqliteDatabase
from tests.store.rows import add, ask, row


def test_pages_are_in_order_and_have_the_ids_with_a_hop(database: Database) -> None:
    silo = database.open()
    add(
        silo,
        row(1, "b@h"), row(2, "b@h", next_hop="sip:p"), row(3, "c@h"), row(4, "a@h", next_hop="sip:q"),
        row(5, "a@h", next_hop="sip:q"), row(6, "d@h", next_hop="sip:q", state="held"),
    )  # fmt: skip
    assert ask(silo, lambda done: silo.writer.unseen("", 2, True, done)) == [("a@h", []), ("b@h", [])]
    assert ask(silo, lambda done: silo.writer.unseen("b@h", 9, True, done)) == [("c@h", []), ("d@h", [])]
    assert ask(silo, lambda done: silo.writer.unseen("", 9, False, done)) == [
        ("a@h", [4, 5]), ("b@h", [2]), ("d@h", []),
    ]  # fmt: skip
    assert ask(silo, lambda done: silo.writer.unseen("d@h", 9, False, done)) == []
    assert ask(silo, lambda done: silo.writer.by_next_hop("b@h", done)) == [2]
    silo.close()


@pytest.mark.sqlite
@pytest.mark.parametrize("has_hop", [True, False])
def test_no_read_is_a_scan(database: SqliteDatabase, has_hop: bool) -> None:
    silo = database.open()
    add(silo, *(row(n, f"user{n}@h", next_hop="sip:p") for n in range(3)))
    silo.close()
    db = sqlite3.connect(database.path)
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    assert len(Statements("silo").unseen(db, "", 9, has_hop)) == 3
    db.set_trace_callback(None)
    for sql in set(asked):
        plan = " ".join(step[3] for step in db.execute(f"EXPLAIN QUERY PLAN {sql}"))
        assert "SEARCH" in plan, sql
        assert "SCAN silo" not in plan, (sql, plan)
        assert has_hop or "min(" not in sql or "silo_by_next_hop" in plan, (sql, plan)
    db.close()

"""Rows with a due time: found by an index, in pieces; waiting after the due time."""

import pytest

from msilod.store.silo import Silo
from tests.store.databases import Database
from tests.store.rows import WALL, add, ask, claim, row


def test_due_rows_become_waiting_the_earliest_first(database: Database) -> None:
    silo = database.open()
    add(
        silo,
        *(row(n, state="scheduled", due_at=WALL + 10 - n) for n in range(1, 6)),
        row(6, "carol@example.test"),
    )
    assert claim(silo) == []
    assert ask(silo, lambda done: silo.writer.due(WALL, WALL, 0.0, 10, done)) == []
    assert (
        ask(silo, lambda done: silo.writer.due(WALL + 9, WALL + 9, 0.0, 2, done)) == ["bob@example.test"] * 2
    )
    assert [message.id for message in claim(silo)] == [4, 5]
    assert database.query("SELECT id FROM silo WHERE state = 'scheduled' ORDER BY id") == [(1,), (2,), (3,)]
    silo.close()


@pytest.mark.sqlite
def test_due_rows_are_found_on_an_index(silo: Silo, database: Database) -> None:
    plan = database.query(
        "EXPLAIN QUERY PLAN SELECT id FROM silo WHERE state = 'scheduled' AND due_at <= 1 ORDER BY due_at",
    )
    assert any("silo_by_due" in line[3] for line in plan), plan


def test_recipients_in_back_off_are_read_in_pages(database: Database) -> None:
    silo = database.open()
    rows = [row(n, f"u{n % 3}@example.test", next_attempt_at=WALL + n) for n in range(6)]
    add(silo, *rows, row(9))
    assert silo.backing_off((WALL, "")) == [(WALL, "u0@example.test")] + [
        (WALL + n, f"u{n % 3}@example.test") for n in range(1, 6)
    ]
    assert silo.backing_off((WALL + 4, "u1@example.test")) == [(WALL + 5, "u2@example.test")]
    silo.close()


@pytest.mark.sqlite
def test_a_page_of_back_offs_is_read_from_an_index_alone(silo: Silo, database: Database) -> None:
    plan = database.query(
        "EXPLAIN QUERY PLAN SELECT DISTINCT next_attempt_at, aor FROM silo WHERE next_attempt_at IS NOT NULL "
        "AND (next_attempt_at, aor) > (1, '') ORDER BY next_attempt_at, aor LIMIT 5",
    )
    assert [line[3] for line in plan] == [
        "SEARCH silo USING COVERING INDEX silo_by_next_attempt (next_attempt_at>?)"
    ] or all("COVERING INDEX silo_by_next_attempt" in line[3] for line in plan), plan

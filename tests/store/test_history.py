"""History: one entry for a delivery, one per failed attempt, kept longer than the message."""

import pytest

from msilod.silo.history import HistoryEntry
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from tests.store.databases import Database
from tests.store.rows import WALL, add, ask, row

BOB = "bob@example.test"


def end(silo: Silo, number: int, wall: float = WALL, contact: str = "sip:bob@h") -> None:
    silo.writer.end(number, row(number).hash, BOB, "delivered", 200, wall, None, contact)
    silo.writer.flush()


def history(database: Database, id: int) -> list[HistoryEntry]:
    queue = database.queue()
    found = queue.history(id)
    queue.close()
    return found


def test_a_delivery_is_one_entry(silo: Silo, database: Database) -> None:
    add(silo, row(1))
    end(silo, 1)
    assert history(database, 1) == [HistoryEntry(1, BOB, WALL, "delivered", 200, "", "sip:bob@h")]


def test_a_message_has_one_end(silo: Silo, database: Database) -> None:
    """A late 2xx ends a row that has ended already."""
    add(silo, row(1), row(2))
    end(silo, 1)
    end(silo, 1, WALL + 1, "sip:late@h")
    silo.writer.end(1, row(1).hash, BOB, "delivered", 200, WALL + 2, None, "sip:later@h")
    silo.writer.end(2, row(2).hash, BOB, "delivered", 200, WALL + 2, None, "sip:bob@h")
    silo.writer.flush()
    for id, wall in ((1, WALL), (2, WALL + 2)):
        assert history(database, id) == [HistoryEntry(id, BOB, wall, "delivered", 200, "", "sip:bob@h")]


def test_failures_come_before_the_end(silo: Silo, database: Database) -> None:
    add(silo, row(1), row(2))
    entry = HistoryEntry(1, BOB, WALL, "failed", 486, "Busy Here", "sip:bob@h")
    silo.writer.note(entry)
    silo.writer.flush()
    end(silo, 1, WALL + 1)
    assert history(database, 1) == [entry, HistoryEntry(1, BOB, WALL + 1, "delivered", 200, "", "sip:bob@h")]
    assert history(database, 2) == []


def test_expiry_is_an_end(silo: Silo, database: Database) -> None:
    add(silo, row(1, expires_at=WALL + 5))
    ask(silo, lambda done: silo.writer.clean(WALL + 5, 10, done))
    assert [entry.event for entry in history(database, 1)] == ["expired"]


def test_old_entries_are_forgotten_in_pieces(database: Database) -> None:
    silo = database.open()
    silo.configure(Limits(1000, 1_000_000), 100)
    add(silo, *(row(n) for n in range(1, 21)))
    for number in range(1, 21):
        end(silo, number, WALL + number)
    done = ask(silo, lambda done: silo.writer.clean(WALL + 118.5, 1, done))
    assert done.has_more
    assert database.query("SELECT min(message), count(*) FROM silo_history") == [(2, 19)]
    while ask(silo, lambda done: silo.writer.clean(WALL + 118.5, 1, done)).has_more:
        pass
    assert database.query("SELECT message FROM silo_history") == [(19,), (20,)]
    silo.close()


@pytest.mark.sqlite
def test_forgetting_reads_an_index_only(silo: Silo, database: Database) -> None:
    plan = database.query(
        "EXPLAIN QUERY PLAN DELETE FROM silo_history WHERE at < 1 "
        "AND id IN (SELECT id FROM silo_history ORDER BY id LIMIT 10)",
    )
    assert any("USING INTEGER PRIMARY KEY" in line[3] for line in plan), plan


def test_without_a_history_nothing_is_written_and_ended_rows_are_still_reported(database: Database) -> None:
    silo = database.open()
    silo.configure(Limits(1000, 1_000_000), 0)
    add(silo, row(1))
    silo.writer.note(HistoryEntry(1, BOB, WALL, "failed", 486))
    end(silo, 1)
    assert database.query("SELECT count(*) FROM silo_history") == [(0,)]
    assert [entry.event for entry in history(database, 1)] == ["delivered"]
    silo.close()

"""No statement of the daemon, and no statement of the command line for one recipient, reads a whole table.

The plan of every executed statement is checked, so no statement can be left out.
"""

import sqlite3
from pathlib import Path

import pytest

from msilod.registrar.binding import Binding
from msilod.silo.history import Event, HistoryEntry
from msilod.silo.stored_message import Ending
from msilod.store.engine.sqlite.engine import FOLD
from msilod.store.jobs import BindingChanges
from msilod.store.limits import Limits
from msilod.store.tables.queue import Queue
from msilod.store.tables.selection import Selection
from msilod.store.tables.users import UserRow, UserTable
from tests.store.rows import WALL, add, ask, claim, open_silo, query, row

pytestmark = pytest.mark.sqlite

BOB = "bob@example.test"
QUESTIONS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
# Tables of one row, or of as many rows as an operator types. All bindings are read at a start. Rows of silo_ended live
# two minutes. `recipients` is a page found by an index.
SMALL = (
    "silo_total",
    "silo_paused",
    "silo_secret",
    "silo_schema_version",
    "sqlite_master",
    "silo_location",
    "silo_ended",
    "sqlite_sequence",
    "recipients",
)
# An index of the wanted rows only: rows under lease.
FEW = ("silo_by_owner",)
# Other sources for a SCAN: given values, pragmas, the result of a subquery.
GIVEN = ("(", "pragma_data_version", "steps")


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of all connections, with values, in order of execution."""
    open_silo(tmp_path).close()
    found: list[str] = []
    connect = sqlite3.connect

    def traced(*args: object, **named: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **named)  # type: ignore[call-overload]
        connection.set_trace_callback(found.append)
        return connection

    monkeypatch.setattr("peewee.sqlite3.connect", traced)
    return found


def walks(path: Path, said: list[str]) -> str:
    """The statements that read a whole table or sort, with the line of the plan, a line each."""
    connection = sqlite3.connect(path)
    found = []
    for sql in dict.fromkeys(said):
        if sql.startswith(QUESTIONS):
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}"):
                is_sort = step.startswith("USE TEMP B-TREE FOR ORDER BY") and "FROM silo " in sql.replace(
                    '"', ""
                )
                is_oldest = step == "SCAN silo_history" and "ORDER BY id LIMIT" in sql
                if (is_walk(step) and not is_oldest) or is_sort:
                    found.append(f"{step}: {sql[:300]}")
    connection.close()
    return "\n".join(found)


def is_walk(step: str) -> bool:
    """True for a line of a plan that reads a table from the first row to the last."""
    if not step.startswith("SCAN "):
        return False
    of = step.removeprefix("SCAN ")
    return not (of.startswith(GIVEN) or of.endswith(FEW) or "CONSTANT ROW" in of or of.split()[0] in SMALL)


def test_the_check_sees_a_walk() -> None:
    assert is_walk("SCAN silo")
    assert is_walk("SCAN silo USING COVERING INDEX silo_by_aor")
    assert not is_walk("SEARCH silo USING INDEX silo_by_aor (aor=?)")
    assert not is_walk("SCAN 3 CONSTANT ROWS")


def test_a_start_walks_over_nothing(tmp_path: Path, said: list[str]) -> None:
    silo = open_silo(tmp_path)
    silo.secret("digest")
    silo.paused()
    silo.users.last_change()
    list(silo.users.all())
    silo.load_bindings()
    silo.recipients("")
    silo.backing_off((WALL, ""))
    silo.close()
    assert said
    assert walks(tmp_path / "silo.db", said) == ""


def test_stores_and_deliveries_walk_over_nothing(tmp_path: Path, said: list[str]) -> None:
    silo = open_silo(tmp_path, max_messages=5)
    silo.configure(Limits(5, 1_000_000, 10_000_000, 1, 100), 1000.0)
    add(silo, *(row(n) for n in range(4)))
    add(silo, row(1), row(2), row(5), row(6), row(7), row(8))
    add(silo, *(row(n, f"u{n}@example.test", next_hop="sip:x") for n in range(40)))
    writer = silo.writer
    rows = claim(silo)
    assert len(rows) == 5
    writer.postpone([(rows[0].id, 1)], WALL + 60, 486, "Busy Here")
    writer.forget_back_off(BOB, (482, 483))
    writer.reject(rows[1].id, 606, "Not Acceptable", 1)
    writer.hand(rows[2].id, 202, "Accepted", None)
    writer.end(rows[3].id, rows[3].hash, BOB, Ending.DELIVERED, 200, WALL, None)
    writer.release([rows[4].id])
    writer.note(HistoryEntry(rows[0].id, BOB, WALL, Event.TAKEN, 486, "Busy Here"))
    ask(silo, lambda done: writer.claim(BOB, 64, 0, [rows[0].id], WALL, done))
    ask(silo, lambda done: writer.claim(BOB, 64, 0, (), WALL, done, False))
    ask(silo, lambda done: writer.has_waiting(BOB, done))
    silo.waiting(BOB)
    silo.waiting(BOB, True)
    silo.waiting_count(BOB)
    bob = binding()
    writer.bindings(BindingChanges(BOB, (bob,), (bob,)), None)
    writer.refresh([bob])
    writer.flush()
    silo.close()
    assert walks(tmp_path / "silo.db", said) == ""


def test_each_device_walks_over_nothing(tmp_path: Path, said: list[str]) -> None:
    silo = open_silo(tmp_path)
    silo.configure(Limits(), 1000.0, 1000.0)
    add(silo, row(1), row(2))
    silo.writer.bindings(BindingChanges(BOB, (binding(),), ()), None)
    (first, _) = ask(silo, lambda done: silo.writer.claim_for("<urn:1>", BOB, 64, 0, (), WALL, done))
    ask(silo, lambda done: silo.writer.claim_for("<urn:1>", BOB, 64, 0, (), WALL, done, False))
    silo.writer.serve(first.id, first.attempts, "<urn:1>", 200, "OK", "sip:bob@192.0.2.1", WALL, None)
    silo.writer.flush()
    silo.close()
    assert walks(tmp_path / "silo.db", said) == ""


def test_what_comes_by_the_clock_walks_over_nothing(tmp_path: Path, said: list[str]) -> None:
    silo = open_silo(tmp_path)
    add(silo, *(row(n, state="scheduled", due_at=WALL) for n in range(3)), row(4, state="held"), row(5))
    writer = silo.writer
    writer.renew([1, 2], WALL)
    writer.free_lapsed(WALL, lambda aors: None)
    ask(silo, lambda done: writer.due(WALL, WALL, 0.0, 500, done))
    ask(silo, lambda done: writer.unseen("", 100, True, done))
    ask(silo, lambda done: writer.unseen("", 100, False, done))
    ask(silo, lambda done: writer.by_next_hop(BOB, done))
    by_hand(tmp_path)
    ask(silo, writer.poll_foreign)
    silo.users.changed_since(1)
    silo.users.of(BOB)
    assert len(ask(silo, lambda done: writer.clean(WALL + 10_000, 500, done)).expired) > 0
    silo.close()
    assert walks(tmp_path / "silo.db", said) == ""


def by_hand(folder: Path) -> None:
    """Commands for one recipient, or for named rows."""
    queue = Queue(folder / "silo.db", "silo")
    bob = Selection(aors=(BOB,))
    (first, *_) = list(queue.messages(bob, WALL))
    list(queue.messages(Selection(aors=(BOB,), state="sending"), WALL))
    list(queue.messages(Selection(state="rejected"), WALL))
    list(queue.messages(Selection(expired_at=WALL), WALL))
    queue.message(first.id, WALL)
    queue.history(first.id)
    queue.devices(first, WALL)
    queue.missing([1, 2])
    queue.count(bob, WALL)
    operator = queue.operator("root")
    for change in (operator.hold, operator.release, operator.requeue):
        list(change(bob, WALL))
    list(operator.purge(Selection(ids=(first.id,)), WALL))
    queue.close()
    users = UserTable(folder / "silo.db", "silo")
    users.set(BOB, [UserRow(BOB, "MD5", "example.test", b"x" * 16)])
    users.close()


def binding() -> Binding:
    """A binding of Bob."""
    return Binding(
        aor=BOB, contact="sip:bob@192.0.2.1", params="", call_id="1", cseq=1, q=1.0, expires_at=WALL + 60,
        registered_at=WALL, path=(), instance="<urn:1>", reg_id=0, user_agent="", methods=None,
    )  # fmt: skip


def test_status_counts_what_does_not_wait_and_nothing_else(tmp_path: Path, said: list[str]) -> None:
    silo = open_silo(tmp_path)
    silo.counts()
    silo.close()
    assert walks(tmp_path / "silo.db", said).startswith("SCAN silo USING COVERING INDEX silo_by_state: ")


def test_the_total_reads_its_tail_and_nothing_else(tmp_path: Path, said: list[str]) -> None:
    silo = open_silo(tmp_path)
    silo.configure(Limits(max_total_bytes=10_000_000), 1000.0)
    add(silo, *(row(n, f"u{n}@example.test") for n in range(FOLD)))
    add(silo, row(FOLD))
    silo.close()
    asked = [sql for sql in said if "silo_total" in sql and "NOT INDEXED" in sql]
    assert {sql.split()[0] for sql in asked} == {"SELECT", "UPDATE"}
    for sql in asked:
        assert "SEARCH silo USING INTEGER PRIMARY KEY (rowid>?)" in plan_of(tmp_path, sql)
    assert walks(tmp_path / "silo.db", said) == ""


def test_the_sweep_does_not_meet_what_is_held(tmp_path: Path, said: list[str]) -> None:
    silo = open_silo(tmp_path)
    ask(silo, lambda done: silo.writer.clean(WALL, 500, done))
    silo.close()
    (sql,) = [sql for sql in said if sql.startswith("DELETE FROM silo WHERE")]
    assert "silo_by_expiry" in plan_of(tmp_path, sql)
    (index,) = query(tmp_path, "SELECT sql FROM sqlite_master WHERE name = 'silo_by_expiry'")
    assert "WHERE state <> 'held'" in index[0]


def test_few_of_a_state_are_found_by_it(tmp_path: Path, said: list[str]) -> None:
    queue = Queue(tmp_path / "silo.db", "silo")
    list(queue.messages(Selection(state="rejected"), WALL))
    queue.close()
    (sql,) = [sql for sql in said if "= 'rejected'" in sql]
    assert "silo_by_state (state=? AND rowid>?)" in plan_of(tmp_path, sql)


def plan_of(folder: Path, sql: str) -> str:
    """The whole plan in one line."""
    return " ".join(step for *_, step in query(folder, f"EXPLAIN QUERY PLAN {sql}"))

"""Changes of rows and domains by an operator: the change, the history, and the notice for the daemon."""

from collections.abc import Iterator
from typing import Any

import pytest

from msilod.store.jobs import Added, Foreign
from msilod.store.silo import Silo
from msilod.store.tables.operator import Changed
from msilod.store.tables.queue import Queue
from msilod.store.tables.selection import Selection
from tests.store.databases import Database
from tests.store.rows import WALL, add, ask, claim, row

BOB, CAROL = "bob@example.test", "carol@example.test"


def total(batches: Iterator[Changed]) -> Changed:
    found = Changed()
    for batch in batches:
        found.add(batch)
    return found


def states(queue: Queue) -> dict[int, str]:
    return {message.id: message.state for message in queue.messages(Selection(), WALL)}


def column(database: Database, name: str) -> list[Any]:
    return [value for (value,) in database.query(f"SELECT {name} FROM silo ORDER BY id")]


def test_a_held_row_is_not_claimed_and_does_not_expire(silo: Silo, queue: Queue, database: Database) -> None:
    add(silo, row(1), row(2))
    done = total(queue.operator("ann").hold(Selection(ids=(1,)), WALL + 10))
    assert (done.count, done.ids, done.claimed) == (1, {BOB: [1]}, {})
    assert states(queue) == {1: "held", 2: "waiting"}
    assert [message.id for message in claim(silo)] == [2]
    assert len(ask(silo, lambda done: silo.writer.clean(WALL + 10**5, 100, done)).expired) == 1
    assert states(queue) == {1: "held"}
    assert queue.history(1)[0].actor == "ann"
    assert queue.history(1)[0].event == "held"


def test_release_gives_back_the_life_that_the_hold_has_cost(
    silo: Silo, queue: Queue, database: Database
) -> None:
    add(silo, row(1, expires_at=WALL + 100))
    operator = queue.operator("ann")
    total(operator.hold(Selection(ids=(1,)), WALL + 60))
    total(operator.release(Selection(ids=(1,)), WALL + 1000))
    assert column(database, "expires_at") == [WALL + 100 + 940]
    assert column(database, "held_at") == [None]
    assert states(queue) == {1: "waiting"}
    assert total(operator.release(Selection(ids=(1,)), WALL)).count == 0


@pytest.mark.parametrize(
    ("released", "state", "added"), [(WALL + 100, "scheduled", 0), (WALL + 700, "waiting", 200)]
)
def test_a_scheduled_row_loses_life_only_after_its_due_time(
    silo: Silo, queue: Queue, database: Database, released: float, state: str, added: float
) -> None:
    add(silo, row(1, state="scheduled", due_at=WALL + 500, expires_at=WALL + 900))
    operator = queue.operator("ann")
    total(operator.hold(Selection(ids=(1,)), WALL + 50))
    total(operator.release(Selection(ids=(1,)), released))
    assert states(queue) == {1: state}
    assert column(database, "expires_at") == [WALL + 900 + added]


def test_requeue_makes_rejected_and_handed_rows_new(silo: Silo, queue: Queue, database: Database) -> None:
    add(silo, row(1, attempts=9), row(2), row(3))
    silo.writer.reject(1, 603, "Decline", 9)
    silo.writer.hand(2, 202, "Accepted", None)
    silo.writer.flush()
    done = total(queue.operator("ann").requeue(Selection(), WALL))
    assert done.ids == {BOB: [1, 2]}
    assert states(queue) == {1: "waiting", 2: "waiting", 3: "waiting"}
    assert column(database, "attempts") == [0, 0, 0]
    assert [message.id for message in claim(silo)] == [1, 2, 3]
    assert [entry.event for entry in queue.history(1)] == ["requeued"]


def test_hold_marks_what_is_claimed_and_purge_leaves_it(silo: Silo, queue: Queue) -> None:
    add(silo, row(1), row(2))
    claim(silo, limit=1)
    operator = queue.operator("ann")
    assert total(operator.purge(Selection(ids=(1,)), WALL)).claimed == {BOB: [1]}
    held = total(operator.hold(Selection(), WALL))
    assert (held.count, held.claimed) == (2, {BOB: [1]})
    silo.writer.release([1])
    silo.writer.flush()
    assert claim(silo) == []
    assert total(operator.purge(Selection(), WALL)).count == 2
    assert [entry.event for entry in queue.history(1)] == ["held", "purged"]
    silo.writer.flush()
    assert add(silo, row(3)) == [Added(3)]


def test_a_lease_that_has_ended_protects_nothing(silo: Silo, queue: Queue) -> None:
    add(silo, row(1))
    claim(silo)
    assert total(queue.operator("ann").purge(Selection(), WALL + 61)).count == 1


def test_large_changes_go_in_batches_and_stop_at_the_limit(silo: Silo, queue: Queue) -> None:
    add(silo, *(row(n) for n in range(450)))
    batches = list(queue.operator("ann").hold(Selection(limit=430), WALL))
    assert sum(batch.count for batch in batches) == 430
    assert max(batch.count for batch in batches) <= 200
    assert list(states(queue).values()).count("held") == 430


def test_a_batch_that_fails_changes_nothing(silo: Silo, queue: Queue, database: Database) -> None:
    add(silo, row(1))
    database.forbid("INSERT", "silo_history")
    with pytest.raises(Exception, match="no"):
        total(queue.operator("ann").hold(Selection(), WALL))
    assert states(queue) == {1: "waiting"}


def test_the_daemon_notices_without_being_told(silo: Silo, queue: Queue) -> None:
    add(silo, row(1), row(2, CAROL))
    ask(silo, silo.writer.poll_foreign)
    operator = queue.operator("ann")
    total(operator.hold(Selection(), WALL))
    assert ask(silo, silo.writer.poll_foreign) == Foreign([], frozenset())
    total(operator.release(Selection(ids=(2,)), WALL))
    operator.pause(["example.test"], WALL)
    assert ask(silo, silo.writer.poll_foreign) == Foreign([CAROL], frozenset({"example.test"}))
    operator.resume([])
    assert ask(silo, silo.writer.poll_foreign) == Foreign([], frozenset())
    assert ask(silo, silo.writer.poll_foreign) == Foreign([])


def test_pauses_are_sets_of_domains_and_outlive_a_restart(database: Database) -> None:
    silo = database.open()
    queue = database.queue()
    operator = queue.operator("ann")
    operator.pause(["a.test", "b.test"], WALL)
    operator.pause(["a.test"], WALL)
    operator.pause([], WALL)
    operator.resume(["b.test"])
    silo.close()
    again = database.open()
    assert again.paused() == queue.paused() == {"a.test", "*"}
    operator.resume([])
    assert again.paused() == set()
    queue.close()
    again.close()


@pytest.mark.parametrize(
    ("wire", "shown"),
    [
        (None, {1: "sending", 2: "waiting", 3: "waiting"}),
        ([2], {1: "waiting", 2: "sending", 3: "waiting"}),
        ([3], {1: "waiting", 2: "waiting", 3: "waiting"}),
    ],
)
def test_sending_is_what_is_on_the_wire_of_what_is_claimed(
    silo: Silo, database: Database, wire: list[int] | None, shown: dict[int, str]
) -> None:
    add(silo, row(1), row(2), row(3))
    claim(silo, limit=2)
    asked: list[int] = []

    def on_wire() -> list[int] | None:
        asked.append(1)
        return wire

    queue = database.queue(on_wire)
    assert states(queue) == shown
    for state in ("sending", "waiting"):
        found = [message.id for message in queue.messages(Selection(state=state), WALL)]
        assert found == [id for id, its in shown.items() if its == state]
    assert len(asked) == 1, "one question is enough"
    assert [m.id for m in queue.messages(Selection(state="waiting", limit=1), WALL)] == [
        id for id, its in shown.items() if its == "waiting"
    ][:1]
    queue.close()

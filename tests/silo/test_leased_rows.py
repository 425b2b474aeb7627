"""Claimed rows: the order, and how rows are given back."""

from collections.abc import Hashable

from msilod.registrar.binding import contact_key
from msilod.silo.policy import SiloPolicy
from msilod.silo.runs.leased_rows import Held, LeasedRows, in_order
from msilod.silo.runs.recipient_memory import RecipientMemory
from msilod.silo.runs.run_contacts import RunContact, Standing
from msilod.silo.runs.steps import Postpone, Reject, Release
from tests.silo.fake_daemon import START, binding, describe, row

CONTACT = RunContact(binding("a"), contact_key(binding("a")), Standing.READY)
KNOWN: set[Hashable] = {"a"}


def ids(rows: object) -> list[int]:
    return [r.id for r in rows]  # type: ignore[attr-defined]


def hand(*held: int) -> LeasedRows:
    made = LeasedRows(RecipientMemory())
    assert made.take([row(id) for id in held], START, 60.0) == []
    return made


def test_the_oldest_row_is_first() -> None:
    assert ids(in_order([row(1), row(2, attempts=9)])) == [1, 2]
    assert in_order([]) == []


def test_a_head_with_many_failures_steps_behind_a_row_without_failures() -> None:
    rows = [row(1, attempts=3), row(2, attempts=4), row(3), row(4)]
    assert ids(in_order(rows)) == [3, 1, 2, 4]


def test_rows_are_given_back_in_groups_of_one_status() -> None:
    made = hand(1, 2, 3)
    made.rows[1].note(486, "Busy Here")
    made.rows[1].was_answered = True
    steps, has_postponed = made.give_back(list(made.rows.values()), START + 60, 10, KNOWN, START)
    assert [describe(step) for step in steps] == ["postpone 1 +60 486", "postpone 2,3 +60 None"]
    assert has_postponed
    assert made.former[1].attempts == 1


def test_without_known_contacts_untried_rows_are_released() -> None:
    made = hand(1, 2)
    made.rows[1].was_answered = True
    steps, _ = made.give_back(list(made.rows.values()), START + 60, 10, set(), START)
    assert [type(step) for step in steps] == [Postpone, Release]


def test_the_last_attempt_rejects_with_the_status_of_the_attempt() -> None:
    made = hand(1)
    made.rows[1].note(480, "Temporarily Unavailable")
    made.rows[1].was_answered = True
    steps, has_postponed = made.give_back(list(made.rows.values()), START, 1, KNOWN, START)
    assert isinstance(steps[0], Reject)
    assert (steps[0].status, steps[0].reason) == (480, "Temporarily Unavailable")
    assert not has_postponed


def test_a_row_given_back_is_not_claimed_again_but_returned() -> None:
    made = hand(1)
    made.give_back(list(made.rows.values()), START + 60, 10, KNOWN, START)
    steps = made.take([row(1), row(2)], START, 60.0)
    assert [describe(step) for step in steps] == ["postpone 1 +60 None"]
    assert list(made.rows) == [2]


def test_a_row_delivered_meanwhile_is_released() -> None:
    made = hand(1)
    made.memory.delivered.update({1: False, 2: False})
    assert [describe(step) for step in made.take([row(2)], START, 60.0)] == ["release 2"]
    assert made.oldest_for(CONTACT, START, SiloPolicy()) is None
    steps, _ = made.give_back(list(made.rows.values()), START, 10, KNOWN, START)
    assert [describe(step) for step in steps] == ["release 1"]


def test_a_row_brought_forward_keeps_the_pause_after_a_loop() -> None:
    looped, busy = row(1), row(2)
    looped.last_status, looped.next_attempt_at = 482, START + 50
    busy.last_status, busy.next_attempt_at = 486, START + 50
    made = LeasedRows(RecipientMemory())
    made.take([looped, busy], START, 60.0)
    found = made.oldest_for(CONTACT, START, SiloPolicy())
    assert isinstance(found, Held)
    assert found.row is busy
    found = made.oldest_for(CONTACT, START + 50, SiloPolicy())
    assert found is not None
    assert found.row is looped

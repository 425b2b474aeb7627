"""The memory of a recipient between runs: refusals, their weight, and the bound."""

from msilod.silo.runs.recipient_memory import MAX_REFUSED, RecipientMemory


def test_a_row_is_refused_when_all_known_contacts_have_refused() -> None:
    memory = RecipientMemory()
    memory.refuse(1, "a", 415)
    assert memory.refused_with(1, {"a", "b"}) == 0
    memory.refuse(1, "b", 488)
    assert memory.refused_with(1, {"a", "b"}) == 415
    assert memory.refused_with(2, {"a"}) == 0


def test_without_known_contacts_only_a_final_refusal_refuses() -> None:
    memory = RecipientMemory()
    memory.refuse(1, "a", 415)
    assert memory.refused_with(1, set()) == 0
    memory.refuse(1, "a", 603)
    assert memory.refused_with(1) == 603


def test_refusals_and_counts_are_bounded_and_the_oldest_go_first() -> None:
    memory = RecipientMemory()
    for row_id in range(MAX_REFUSED + 5):
        memory.refuse(row_id, "a", 415)
        memory.is_spent(row_id)
    assert len(memory.refusals) == len(memory.spaced) == MAX_REFUSED
    assert 4 not in memory.refusals
    assert 5 in memory.spaced


def test_an_ended_row_is_forgotten() -> None:
    memory = RecipientMemory()
    memory.refuse(1, "a", 415)
    assert [memory.is_spent(1) for _ in range(3)] == [False, False, True]
    memory.forget_row(1)
    assert not memory.refusals
    assert not memory.spaced


def test_a_new_run_forgets_durable_ends_only() -> None:
    memory = RecipientMemory()
    memory.delivered.update({1: True, 2: False})
    memory.begin()
    assert memory.delivered == {2: False}

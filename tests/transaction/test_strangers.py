"""Transactions of strangers have their own bound, in number and bytes, and free the room at their end."""

from msilod.transaction.completed import Remembered
from msilod.transaction.strangers import LIVE, MAX_BYTES, MAX_NUMBER, REMEMBERED, SWEEP_EVERY, Strangers


def test_number_and_bytes_are_bounded_and_room_becomes_free_again() -> None:
    live: dict[bytes, int] = {}
    strangers = Strangers(live, Remembered())
    taken = 0
    while strangers.add(b"%d" % taken, 60_000, 1.0):
        live[b"%d" % taken] = 1
        taken += 1
    assert taken == MAX_BYTES // (60_000 + LIVE)
    assert strangers.bytes <= MAX_BYTES
    live.clear()
    assert not strangers.add(b"x", 60_000, 1.0 + SWEEP_EVERY / 2), "one look a second"
    assert strangers.add(b"x", 60_000, 1.0 + SWEEP_EVERY)
    assert len(strangers) == 1


def test_a_remembered_answer_still_takes_room() -> None:
    memory = Remembered()
    strangers = Strangers({}, memory)
    for number in range(MAX_NUMBER):
        key = b"%d" % number
        # The sweeps find ended transactions with answers in memory.
        assert strangers.add(key, 400, 1.0 + number / 1_000)
        memory.add(key, 1, 202, 1.0)
    assert not strangers.add(b"x", 400, 100.0)
    assert len(strangers) == MAX_NUMBER
    assert strangers.bytes <= MAX_NUMBER * REMEMBERED + MAX_BYTES

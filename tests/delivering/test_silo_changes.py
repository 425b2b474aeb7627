"""SiloChanges: rows and pauses changed by other processes."""

from msilod.errors import StoreError
from msilod.store.jobs import Foreign
from tests.delivering.room import BOB, CAROL, Room, binding


def both_in_a_back_off() -> Room:
    room = Room()
    for port, aor in ((5061, BOB), (5071, CAROL)):
        room.bind(binding(port, aor))
        room.state.schedule.back_off(aor, room.clock.wall() + 60)
    return room


def test_a_released_row_ends_a_back_off_and_a_new_row_does_not() -> None:
    room = both_in_a_back_off()
    room.changes.foreign(Foreign(aors=[BOB], stored=[CAROL]))
    assert list(room.deliverer.runs) == [BOB]
    assert room.retry_in(CAROL) == 60.0
    assert room.mail.may_have(BOB)
    assert room.mail.may_have(CAROL)


def test_a_pause_by_another_process_counts_before_the_rows_of_the_same_report() -> None:
    room = both_in_a_back_off()
    room.changes.foreign(Foreign(aors=[BOB], stored=[], paused=frozenset(("example.test",))))
    assert room.deliverer.runs == {}
    assert room.state.pauses.cover(BOB)


def test_a_report_without_pauses_leaves_the_pauses_as_they_are() -> None:
    room = Room()
    room.deliverer.pause(frozenset(("example.test",)))
    room.changes.foreign(Foreign([]))
    assert room.state.pauses.cover(BOB)


def test_a_report_that_could_not_be_read_changes_nothing() -> None:
    room = both_in_a_back_off()
    for told in (room.changes.foreign, room.changes.stored, room.changes.noticed):
        told(StoreError("disk I/O error"))
    assert room.deliverer.runs == {}

"""RowEnds: the jobs, counters and reports at the end of a row."""

import structlog

from msilod.errors import StoreError
from msilod.silo.policy import B2BUA, EACH_DEVICE, SiloPolicy
from msilod.silo.stored_message import State
from msilod.store.jobs import Cleaned
from tests.delivering.room import BOB, Room, binding, row

FULL = StoreError("database or disk is full")


def heard(room: Room) -> list[tuple[int, str, int | None]]:
    """The outcomes reported to a watcher of Bob: row, outcome, status."""
    outcomes: list[tuple[int, str, int | None]] = []
    room.state.watchers.watch(
        BOB, lambda row, outcome, status, at: outcomes.append((row.id if row else 0, outcome, status))
    )
    return outcomes


def test_the_next_message_leaves_after_the_end_of_the_row_before_is_committed() -> None:
    room = Room()
    room.started(row(1), row(2))
    room.answer(200)
    assert room.sent() == ["1>5061"]
    room.writer.answer("end")
    assert room.sent() == ["1>5061", "2>5061"]


def test_a_failed_commit_of_an_end_is_repeated_later_and_the_contact_waits() -> None:
    room = Room()
    room.started(row(1), row(2))
    room.answer(200)
    with structlog.testing.capture_logs() as lines:
        room.writer.answer("end", FULL)
    assert [line["event"] for line in lines] == ["a row's end could not be committed"]
    ((delay, again),) = room.tasks.actions
    assert (delay, room.writer.asked("end")) == (1.0, [])
    room.clock.pass_(delay)
    again(room.clock.now())
    assert room.sent() == ["1>5061"]
    room.writer.answer("end")
    assert room.sent() == ["1>5061", "2>5061"]


def test_an_expired_row_is_reported_to_the_sender_and_is_no_delivery() -> None:
    room = Room()
    outcomes = heard(room)
    room.started(row(1, expires_at=room.clock.wall()))
    assert room.sent() == []
    assert room.writer.asked("end") == [(1, "expired", None)]
    assert room.told == ["1 expired"]
    assert (room.counters.expired_messages, room.counters.dumped_messages) == (1, 0)
    assert outcomes == [(1, "expired", None)]


def test_a_delivery_is_counted_and_not_reported_to_the_sender() -> None:
    room = Room()
    outcomes = heard(room)
    room.started(row(1))
    room.answer(200)
    assert (room.counters.expired_messages, room.counters.dumped_messages) == (0, 1)
    assert room.told == []
    assert outcomes == [(1, "delivered", 200)]


async def test_a_2xx_of_a_b2bua_hands_the_row_over_and_keeps_the_row() -> None:
    room = Room(SiloPolicy(next_hop="sip:192.0.2.99", next_hop_kind=B2BUA))
    room.started(row(1))
    room.answer(202)
    assert room.writer.asked("hand") == [(1, 202, "Accepted")]
    assert room.writer.asked("end") == []
    assert [arguments[4] for arguments in room.writer.asked("note")] == [202]


def test_a_2xx_of_one_device_ends_the_row_for_this_device_only() -> None:
    room = Room(SiloPolicy(devices=EACH_DEVICE))
    room.register(binding())
    room.writer.answer("claim_for", [row(1)])
    room.answer(200)
    assert room.writer.asked("end") == []
    ((id, _, device, status, *_),) = room.writer.asked("serve")
    assert (id, device, status) == (1, "sip:bob@198.51.100.7:5061", 200)


def test_a_refusal_by_one_device_is_no_rejection_of_the_row() -> None:
    room = Room(SiloPolicy(devices=EACH_DEVICE))
    room.register(binding())
    room.writer.answer("claim_for", [row(1)])
    room.answer(603)
    assert [arguments[3] for arguments in room.writer.asked("serve")] == [603]
    assert room.writer.asked("reject") == []
    assert room.told == []


def test_a_rejected_row_is_reported_to_the_sender_and_stays_in_the_silo() -> None:
    room = Room()
    outcomes = heard(room)
    room.started(row(1))
    room.answer(603)
    assert room.writer.asked("reject") == [(1, 603, "Decline", 0)]
    assert room.told == ["1 603 Decline"]
    assert room.counters.rejected_messages == 1
    assert outcomes[0] == (1, "rejected", 603)


def test_a_postponed_row_counts_as_a_failure_only_after_an_attempt() -> None:
    room = Room()
    outcomes = heard(room)
    room.started(row(1), row(2))
    room.answer(486)
    assert room.counters.failed_messages == 1
    assert [outcome for outcome in outcomes if outcome[0]] == [(1, "retry", 486), (2, "retry", None)]


def test_a_released_row_is_reported_as_skipped() -> None:
    room = Room()
    outcomes = heard(room)
    room.started(row(1), row(2))
    room.intervention.give_up(BOB, 2, room.clock.now())
    assert outcomes == [(2, "skipped", None)]


def test_a_row_delivered_outside_a_run_is_written_again_until_the_commit_succeeds() -> None:
    room = Room()
    room.deliverer.ends.delivered_elsewhere(row(1), 200)
    with structlog.testing.capture_logs():
        room.writer.answer("end", FULL)
    room.deliverer.giving_back.tick(room.clock.pass_(1))
    assert room.writer.asked("end") == [(1, "delivered", 200)]


def test_senders_are_told_of_expired_rows_except_rows_with_an_earlier_report() -> None:
    room = Room()
    states = (State.WAITING, State.HELD, State.REJECTED, State.HANDED)
    rows = [row(id, state=state) for id, state in enumerate(states, 1)]
    room.changes.expired(Cleaned(rows, False))
    assert room.told == ["1 expired", "2 expired"]
    assert room.counters.expired_messages == 4

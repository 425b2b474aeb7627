"""OnlineAttempts: the results of a relayed MESSAGE count for the row and for later runs."""

from msilod.registrar.binding import contact_key
from msilod.silo.runs.decision_table import NO_ANSWER
from msilod.silo.runs.online_outcome import OnlineEnd
from tests.delivering.room import BOB, Room, binding, row


def test_the_first_failure_of_a_relay_is_the_first_step_of_the_back_off() -> None:
    room = Room()
    stored = row(1)
    room.online.mark_failed(stored, [OnlineEnd(486, None, binding())])
    assert (stored.next_attempt_at, stored.attempts, stored.last_status) == (room.clock.wall() + 60, 1, 486)


def test_earlier_stops_of_the_recipient_lengthen_the_back_off_of_the_row() -> None:
    room = Room()
    room.state.schedule.memory(BOB).stops = 2
    stored = row(1)
    room.online.mark_failed(stored, [OnlineEnd(486, None, binding())])
    assert stored.next_attempt_at == room.clock.wall() + 900


def test_only_contacts_not_tried_online_are_tried_after_the_row_is_stored() -> None:
    room = Room()
    tried, fresh = binding(5061), binding(5062)
    room.bind(tried, fresh)
    stored = row(1, next_attempt_at=room.clock.wall() + 60)
    room.online.stored_after_failure(stored, [OnlineEnd(486, None, tried)], set(), room.clock.now())
    room.writer.answer("claim", [stored])
    assert room.sent() == ["1>5062"]
    assert room.retry_in() is None, "the run has the row"


def test_without_another_contact_the_row_waits_for_the_end_of_the_back_off() -> None:
    room = Room()
    tried = binding(5061)
    room.bind(tried)
    stored = row(1, next_attempt_at=room.clock.wall() + 60)
    room.online.stored_after_failure(stored, [OnlineEnd(486, None, tried)], set(), room.clock.now())
    assert "claim" not in room.writer.names()
    assert room.retry_in() == 60.0
    assert room.mail.may_have(BOB)


def test_each_failed_branch_is_an_entry_of_the_history() -> None:
    room = Room()
    ends = [
        OnlineEnd(486, None, binding(5061)),
        OnlineEnd(NO_ANSWER, None, binding(5062), was_silent=True),
        OnlineEnd(404, None, None),
    ]
    room.online.stored_after_failure(row(1), ends, set(), room.clock.now())
    noted = [arguments[-4:-1] for arguments in room.writer.asked("note")]
    assert noted == [
        (486, "Busy Here", "sip:bob@198.51.100.7:5061"),
        (NO_ANSWER, "no answer", "sip:bob@198.51.100.7:5062"),
    ]


def test_a_405_without_a_stored_row_rules_the_contact_out_and_a_486_does_not() -> None:
    room = Room()
    refusing, busy = binding(5061), binding(5062)
    room.bind(refusing, busy)
    room.online.heard(BOB, [OnlineEnd(405, None, refusing), OnlineEnd(486, None, busy)])
    assert room.state.usable.of(BOB) == [busy]


def test_a_486_alone_leaves_no_memory_of_the_recipient() -> None:
    room = Room()
    room.online.heard(BOB, [OnlineEnd(486, None, binding())])
    assert room.state.schedule.known(BOB) is None


def test_a_late_2xx_ends_the_row_and_a_claim_in_progress_does_not_send_the_row_again() -> None:
    room = Room()
    room.register(binding())
    room.online.delivered_late(row(1), 200, room.clock.now())
    assert room.writer.asked("end") == [(1, "delivered", 200)]
    room.writer.answer("claim", [row(1), row(2)])
    assert room.sent() == ["2>5061"]
    assert room.counters.dumped_messages == 1


def test_a_late_6xx_rejects_the_row_and_tells_the_sender() -> None:
    room = Room()
    room.online.rejected_late(row(1), 603, room.clock.now())
    assert room.writer.asked("reject") == [(1, 603, "Decline", 0)]
    assert room.told == ["1 603 Decline"]


def test_a_contact_with_a_live_branch_gets_the_next_row_after_the_last_branch_was_answered() -> None:
    room = Room()
    contact = binding()
    key = contact_key(contact)
    room.bind(contact)
    for id in (1, 2):
        room.online.stored_after_failure(
            row(id), [OnlineEnd(408, None, contact, True)], {key}, room.clock.now()
        )
    room.register(contact)
    room.online.free(row(1), key, False, room.clock.now())
    assert "claim" not in room.writer.names()
    room.online.free(row(2), key, False, room.clock.now())
    room.writer.answer("claim", [row(3)])
    assert room.sent() == ["3>5061"]


def test_a_live_branch_without_an_answer_begins_a_back_off() -> None:
    room = Room()
    contact = binding()
    key = contact_key(contact)
    room.started(row(3), to=[contact])
    room.answer(200)
    room.online.stored_after_failure(row(1), [], {key}, room.clock.now())
    room.writer.forget()
    room.online.free(row(1), key, True, room.clock.now())
    run = room.deliverer.runs[BOB]
    room.deliverer.carry_out(run, run.settled(3, True, room.clock.wall()), room.clock.now())
    assert room.writer.names() == []
    assert BOB not in room.deliverer.runs
    assert room.retry_in() == 60.0


def test_the_end_of_an_unknown_branch_changes_nothing() -> None:
    room = Room()
    room.started(row(1), row(2))
    room.online.free(row(1), contact_key(binding()), True, room.clock.now())
    assert room.writer.names() == [], "the MESSAGE on the wire is awaited"

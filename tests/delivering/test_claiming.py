"""Claiming: when a run gets rows, and what an answer without rows says about the recipient."""

import structlog

from msilod.errors import StoreError
from msilod.registrar.binding import contact_key
from msilod.silo.policy import EACH_DEVICE, SiloPolicy
from msilod.silo.runs.schedule import SHARE
from tests.delivering.room import BOB, CAROL, Room, binding, row

FULL = StoreError("database or disk is full")


def failed(room: Room, name: str) -> None:
    with structlog.testing.capture_logs():
        room.writer.answer(name, FULL)


def test_a_run_with_its_share_claims_no_rows_while_another_recipient_waits() -> None:
    room = Room()
    room.state.schedule.limit = 1
    room.started(row(1), to=[binding(5061)])
    room.register(binding(5071, CAROL))
    for _ in range(SHARE):
        room.state.schedule.must_yield(BOB)
    room.writer.forget()
    room.register(binding(5061), binding(5062))
    assert room.writer.names() == []
    assert BOB in room.deliverer.in_line
    assert room.sent() == ["1>5061", "1>5062"]


def test_a_failed_claim_leaves_the_recipient_in_a_back_off_and_with_mail() -> None:
    room = Room()
    room.register(binding())
    failed(room, "claim")
    assert room.retry_in() == 60.0
    assert room.mail.may_have(BOB)
    assert BOB not in room.deliverer.runs


def test_a_claim_waits_for_the_rows_of_earlier_runs_and_fails_with_them() -> None:
    room = Room()
    room.started(row(1))
    room.answer(486)
    assert room.writer.names()[-1] == "postpone"
    room.register(binding(call_id="r2"))
    assert "claim" not in room.writer.names()
    failed(room, "postpone")
    assert "claim" not in room.writer.names()
    assert room.retry_in() == 60.0


def test_a_recipient_has_no_mail_after_a_claim_of_all_rows_found_none() -> None:
    room = Room()
    secure = binding()
    secure.contact = "sips:bob@198.51.100.7:5061"
    room.register(secure)
    room.writer.answer("claim", [])
    assert not room.mail.may_have(BOB)


def test_a_claim_without_rows_for_sips_asks_the_silo_whether_rows_are_left() -> None:
    for found in (True, False):
        room = Room()
        room.register(binding())
        room.writer.answer("claim", [])
        assert room.mail.may_have(BOB)
        room.writer.answer("has_waiting", found)
        assert room.mail.may_have(BOB) == found


def test_a_live_branch_of_a_relayed_message_keeps_the_mail_of_the_recipient() -> None:
    """The row of the branch is leased and would not be found by a claim."""
    room = Room()
    contact = binding()
    room.state.live.add(row(1), contact_key(contact))
    room.register(contact, binding(5062))
    room.writer.answer("claim", [])
    assert "has_waiting" not in room.writer.names()
    assert room.mail.may_have(BOB)


def test_a_claim_limited_to_some_rows_says_nothing_about_other_rows() -> None:
    room = Room()
    room.mailed()
    room.deliverer.offer(BOB, [binding()], room.clock.now(), only=frozenset((7,)))
    assert room.writer.answer("claim", [])[3] == [7]
    assert room.writer.names() == []
    assert room.mail.may_have(BOB)


def test_the_run_of_a_device_claims_rows_without_a_final_answer_of_this_device() -> None:
    room = Room(SiloPolicy(devices=EACH_DEVICE))
    room.register(binding(5061), binding(5062))
    assert [arguments[:2] for arguments in room.writer.asked("claim_for")] == [
        (BOB, "sip:bob@198.51.100.7:5061"),
        (BOB, "sip:bob@198.51.100.7:5062"),
    ]

"""Storing: the mailbox of a MESSAGE, and the response for each result of the writer."""

from collections.abc import Callable

import pytest
import structlog

from msilod.errors import RequestRefused
from msilod.keeping.storing import ANSWERED_BY, COMMIT_DEADLINE, answer_by
from msilod.proxy.forwarding import DELIVERY, branch_for
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.store.jobs import Added, AddResult, Duplicate, Failed, Limit, OverQuota
from msilod.transaction.timers import PATIENCE
from tests.delivering.room import BOB
from tests.keeping.room import KeepingRoom, wire

CAROL = b"sip:carol@example.test"


class Branches:
    """An Origin: a fork with a live branch or without one. `refuse` is the refusal that waits for the branch."""

    def __init__(self, arrived: float, is_live: bool) -> None:
        self.arrived = arrived
        self.is_live = is_live
        self.told: list[str] = []
        self.refuse: Callable[[float], None] | None = None

    def storing(self, row: StoredMessage) -> None:
        self.told.append("storing")

    def stored(self, row: StoredMessage, now: float) -> None:
        self.told.append("stored")

    def not_stored(self, refuse: Callable[[float], None]) -> bool:
        self.told.append("not stored")
        self.refuse = refuse
        return self.is_live


def stored_for(room: KeepingRoom) -> list[str]:
    return [row.aor for (row,) in room.writer.asked("add")]


# --- the mailbox -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "new_uri", "uri", "mailbox"),
    [
        (0, CAROL, b"sip:bob@example.test", "carol@example.test"),
        (0, b"", b"sip:bob@example.test", BOB),
        (1, CAROL, b"sip:bob@example.test", BOB),
        (2, CAROL, b"sip:bob@example.test", "dave@example.test"),
        (0, b"sip:bob@203.0.113.9", b"sip:203.0.113.8", "dave@example.test"),
    ],
)
def test_the_mode_decides_which_uri_names_the_mailbox(
    mode: int, new_uri: bytes, uri: bytes, mailbox: str
) -> None:
    """URIs without a user, and IP literals of other hosts, name no mailbox: To is used instead."""
    room = KeepingRoom()
    room.store(wire(uri=uri, to=b"<sip:dave@example.test>"), mode, new_uri=new_uri)
    assert stored_for(room) == [mailbox]


def test_a_foreign_uri_of_the_policy_names_no_mailbox_here() -> None:
    room = KeepingRoom()
    with pytest.raises(RequestRefused) as refused:
        room.store(wire(), new_uri=b"sip:bob@other.example")
    assert refused.value.status == 404


def test_a_name_without_a_user_has_no_mailbox() -> None:
    room = KeepingRoom(users=("carol@example.test",))
    with pytest.raises(RequestRefused) as refused:
        room.store(wire(uri=b"sip:sales@203.0.113.9"))
    assert refused.value.status == 404


def test_a_message_within_a_dialog_is_not_stored_for_the_mailbox_in_to() -> None:
    room = KeepingRoom()
    with pytest.raises(RequestRefused) as refused:
        room.store(wire(uri=b"sip:bob@203.0.113.9", to=b"<sip:bob@example.test>;tag=2"))
    assert refused.value.status == 481


def test_a_delivery_that_came_back_from_a_next_hop_is_not_stored_again() -> None:
    room = KeepingRoom()
    own = b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=" + branch_for(b"0123456789abcdef", DELIVERY)
    with pytest.raises(RequestRefused) as refused:
        room.store(wire(own))
    assert refused.value.status == 480
    room.store(wire(b"Via: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bKother", number=2))
    assert stored_for(room) == [BOB]


# --- the response ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "status", "retry_after"),
    [
        (Added(7), 202, None),
        (Duplicate(7, False), 202, None),
        (OverQuota(100, 0, Limit.RECIPIENT), 480, b"3600"),
        (OverQuota(100, 0, Limit.SHARE), 480, b"3600"),
        (OverQuota(100, 0, Limit.SENDER, 60), 480, b"60"),
        (OverQuota(0, 0, Limit.TOTAL, 60), 503, b"60"),
        (OverQuota(0, 0, Limit.DISK, 60), 503, b"60"),
        (Failed("disk I/O error"), 503, b"5"),
    ],
)
def test_each_result_of_the_writer_has_its_status(
    result: AddResult, status: int, retry_after: bytes | None
) -> None:
    room = KeepingRoom()
    room.store(wire())
    assert room.statuses() == [], "no answer before the commit"
    with structlog.testing.capture_logs():
        room.writer.answer("add", result)
    (response,) = room.responses()
    assert (response.status, response.headers.get(b"retry-after")) == (status, retry_after)


def test_the_warning_of_a_full_mailbox_says_which_limit_was_reached() -> None:
    room = KeepingRoom()
    room.store(wire())
    room.writer.answer("add", OverQuota(100, 0, Limit.RECIPIENT))
    assert b"mailbox full" in (room.responses()[0].headers.get(b"warning") or b"")


def test_results_are_counted_by_their_kind() -> None:
    room = KeepingRoom()
    for number, result in enumerate((Added(7), Duplicate(7, True), OverQuota(9, 0), Failed("x")), 1):
        room.store(wire(number=number))
        with structlog.testing.capture_logs():
            room.writer.answer("add", result)
    counted = room.counters
    assert (counted.stored_messages, counted.duplicate_messages) == (1, 1)
    assert (counted.refused_messages, counted.failed_stores) == (1, 1)


def test_a_row_not_taken_in_time_is_withdrawn_and_answered_503() -> None:
    room = KeepingRoom()
    room.store(wire())
    room.storing.withdraw_late(room.clock.pass_(COMMIT_DEADLINE - 1))
    assert (room.statuses(), room.storing.waiting_rows) == ([], 1)
    with structlog.testing.capture_logs():
        room.storing.withdraw_late(room.clock.pass_(1))
    assert room.statuses() == [503]
    assert room.writer.names() == []
    assert room.storing.waiting_rows == 0


def test_a_row_taken_by_the_writer_is_not_answered_before_its_commit() -> None:
    room = KeepingRoom()
    room.store(wire())
    (job,) = room.writer._collected
    room.writer.forget()
    room.storing.withdraw_late(room.clock.pass_(COMMIT_DEADLINE))
    assert room.statuses() == []
    assert job.done is not None
    job.done(Added(7))
    assert room.statuses() == [202]


def test_the_latest_answer_is_before_timer_f_of_the_sender() -> None:
    assert answer_by(0.0, 100.0) == 100.0 + ANSWERED_BY
    assert answer_by(10.0, 100.0) == 100.0 + ANSWERED_BY - 10.0
    assert answer_by(60.0, 100.0) == 100.0
    assert answer_by(-60.0, 100.0) == 100.0 + ANSWERED_BY, "the clock was set back"


# --- a MESSAGE that was relayed before ---------------------------------------------------------------


def test_a_refusal_waits_for_a_live_branch_until_the_latest_answer() -> None:
    room = KeepingRoom()
    origin = Branches(room.clock.wall() - 9.0, True)
    room.store(wire(), origin=origin)
    room.writer.answer("add", OverQuota(100, 0))
    assert (room.statuses(), origin.told) == ([], ["storing", "not stored"])
    room.storing.withdraw_late(room.clock.pass_(ANSWERED_BY - 9.0 - 1.0))
    assert room.statuses() == []
    room.storing.withdraw_late(room.clock.pass_(1.0))
    assert room.statuses() == [480]


def test_without_a_live_branch_a_refusal_is_answered_at_once() -> None:
    room = KeepingRoom()
    room.store(wire(), origin=Branches(room.clock.wall(), False))
    room.writer.answer("add", OverQuota(100, 0))
    assert room.statuses() == [480]


def test_a_copy_is_answered_at_once_also_with_a_live_branch() -> None:
    room = KeepingRoom()
    room.store(wire(), origin=Branches(room.clock.wall(), True))
    room.writer.answer("add", Duplicate(7, False))
    assert room.statuses() == [202]


def test_a_row_of_a_relayed_message_is_reported_to_the_fork_and_not_to_the_deliverer() -> None:
    room = KeepingRoom()
    origin = Branches(room.clock.wall(), True)
    room.store(wire(), origin=origin)
    room.writer.answer("add", Added(7))
    assert (origin.told, room.reported) == (["storing", "stored"], [])
    room.store(wire(number=2))
    room.writer.answer("add", Added(8))
    assert room.reported == [0], "the job of the test sets no id"


def test_the_life_of_a_relayed_message_begins_with_the_arrival_of_the_request() -> None:
    room = KeepingRoom(SiloPolicy(expire_time=100))
    room.store(wire(), origin=Branches(room.clock.wall() - 20.0, False))
    ((row,),) = room.writer.asked("add")
    assert row.expires_at == room.clock.wall() + 80.0


# --- reports ---------------------------------------------------------------------------------------


def test_a_scheduled_message_is_not_reported_before_it_is_due() -> None:
    room = KeepingRoom(SiloPolicy(due_header="X-Due"))
    seen: list[str] = []
    room.storing.observe(lambda transaction, row, now: seen.append(row.aor), True)
    room.store(wire(b"X-Due: 2024-01-01T00:00:00Z"))
    room.writer.answer("add", Added(7))
    assert (room.statuses(), room.reported, seen) == ([202], [], [])
    room.store(wire(number=2))
    room.writer.answer("add", Added(8))
    assert (len(room.reported), seen) == (1, [BOB])


def test_only_rows_of_a_type_other_than_text_are_looked_at_for_a_receipt() -> None:
    room = KeepingRoom()
    wrapped: list[bytes] = []
    room.storing.on_wrapped = lambda row: wrapped.append(row.content_type)
    for number, kind in enumerate((b"text/plain", b"message/cpim"), 1):
        room.store(wire(number=number, content_type=kind))
        room.writer.answer("add", Added(number))
    assert wrapped == [b"message/cpim"]


def test_an_observer_is_called_once_per_row_and_not_after_it_was_removed() -> None:
    room = KeepingRoom()
    seen: list[str] = []

    def observer(transaction: object, row: StoredMessage, now: float) -> None:
        seen.append(row.aor)

    room.storing.observe(observer, True)
    room.storing.observe(observer, True)
    room.store(wire())
    room.writer.answer("add", Added(1))
    assert seen == [BOB]
    room.storing.observe(observer, False)
    room.storing.observe(observer, False)
    room.store(wire(number=2))
    room.writer.answer("add", Added(2))
    assert seen == [BOB]


# --- copies of messages of an earlier process --------------------------------------------------------


def test_a_copy_of_a_message_of_the_earlier_process_is_known_until_its_sender_gives_up() -> None:
    room = KeepingRoom()
    request = room.store(wire()).message
    ((row,),) = room.writer.asked("add")
    later = KeepingRoom()
    assert not later.storing.is_former(request, BOB, row.sender)
    later.storing.remember_former(frozenset((row.hash,)), later.clock.now())
    assert later.storing.is_former(request, BOB, row.sender)
    assert not later.storing.is_former(request, "carol@example.test", row.sender)
    later.storing.forget_former(later.clock.pass_(PATIENCE - 1))
    assert later.storing.is_former(request, BOB, row.sender)
    later.storing.forget_former(later.clock.pass_(1))
    assert not later.storing.is_former(request, BOB, row.sender)

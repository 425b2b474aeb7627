"""Deliverer: when a run begins, which contacts the run gets, and when a new message has to wait behind other rows."""

from msilod.registrar.binding import contact_key
from msilod.silo.policy import EACH_DEVICE, SiloPolicy
from msilod.silo.runs.decision_table import SPACED
from msilod.silo.runs.device_runs import run_name
from tests.delivering.room import BOB, CAROL, Room, binding, row

EACH = SiloPolicy(devices=EACH_DEVICE)


# --- a new message behind other rows (law 7) ---------------------------------------------------------


def test_a_new_message_waits_behind_a_run_a_register_and_a_place_in_line() -> None:
    room = Room()
    deliverer = room.deliverer
    assert not deliverer.is_running(BOB)
    deliverer.expect(BOB)
    assert deliverer.is_running(BOB)
    deliverer.expected(BOB)
    assert not deliverer.is_running(BOB)
    room.state.schedule.limit = 1
    room.register(binding(5071, CAROL))
    room.register(binding())
    assert deliverer.is_running(CAROL)
    assert deliverer.is_running(BOB), "in line"


def test_until_the_silo_is_read_a_new_message_waits_where_there_may_be_rows() -> None:
    room = Room()
    room.mailed(BOB)
    room.deliverer.is_recalled = False
    assert room.deliverer.is_running(BOB)
    assert not room.deliverer.is_running(CAROL)
    room.deliverer.recalled()
    assert not room.deliverer.is_running(BOB)


def test_a_new_message_waits_while_the_domain_is_paused() -> None:
    room = Room()
    assert not room.deliverer.asks_more
    room.deliverer.pause(frozenset(("example.test",)))
    assert room.deliverer.is_running(BOB)
    assert not room.deliverer.is_running("bob@other.test")
    assert room.deliverer.asks_more
    room.deliverer.pause(frozenset())
    assert not room.deliverer.asks_more


def test_a_row_stored_during_a_register_is_delivered_after_the_last_register_in_progress() -> None:
    room = Room()
    room.bind(binding())
    room.deliverer.expect(BOB)
    room.deliverer.expect(BOB)
    room.deliverer.stored(row(1), room.clock.now())
    room.deliverer.expected(BOB)
    assert room.writer.names() == []
    room.deliverer.expected(BOB)
    assert room.writer.names() == ["claim"]


def test_a_row_for_a_recipient_without_a_contact_begins_no_run() -> None:
    room = Room()
    room.deliverer.stored(row(1), room.clock.now())
    assert room.writer.names() == []
    assert room.mail.may_have(BOB)


# --- a run begins ----------------------------------------------------------------------------------


def test_a_register_of_a_user_without_mail_asks_the_writer_for_nothing() -> None:
    room = Room()
    room.bind(binding())
    room.deliverer.registered(BOB, [binding()], room.clock.now())
    assert room.writer.names() == []


def test_a_register_ends_a_back_off_in_the_database_as_well() -> None:
    room = Room()
    room.register(binding())
    assert room.writer.names() == ["claim"], "no back-off"
    room = Room()
    room.state.schedule.back_off(BOB, room.clock.wall() + 300)
    room.register(binding())
    assert room.writer.asked("forget_back_off") == [(BOB, SPACED)]
    assert room.retry_in() is None


def test_new_mail_begins_no_run_to_a_contact_in_a_back_off() -> None:
    room = Room()
    room.bind(binding())
    room.state.schedule.back_off(BOB, room.clock.wall() + 300)
    room.deliverer.stored(row(1), room.clock.now())
    assert room.writer.names() == []
    assert room.retry_in() == 300.0
    assert room.deliverer.wake(BOB, room.clock.now()), "the end of the back-off begins the run"
    assert room.writer.names() == ["claim"]


def test_new_mail_lets_a_run_in_progress_claim_again() -> None:
    room = Room()
    room.started(row(1))
    room.answer(200)
    # A MESSAGE that failed online begins a back-off during the run.
    room.state.schedule.back_off(BOB, room.clock.wall() + 60)
    room.deliverer.stored(row(2), room.clock.now())
    room.writer.forget()
    run = room.deliverer.runs[BOB]
    room.deliverer.carry_out(run, run.settled(1, True, room.clock.wall()), room.clock.now())
    assert room.writer.names() == ["claim"]


def test_a_recipient_without_a_contact_is_reported_at_the_end_of_the_back_off() -> None:
    room = Room()
    unseen: list[str] = []
    room.deliverer.on_unseen = lambda aor, now: unseen.append(aor)
    room.bind(binding(5071, CAROL))
    for aor in (BOB, CAROL):
        room.state.schedule.back_off(aor, room.clock.wall() + 60)
    room.clock.pass_(60)
    room.deliverer.wake_due(room.clock.now())
    assert unseen == [BOB]
    assert list(room.deliverer.runs) == [CAROL]


def test_a_run_for_some_rows_is_followed_by_a_run_for_all_rows() -> None:
    room = Room()
    room.bind(binding())
    room.deliverer.offer(BOB, [binding()], room.clock.now(), only=frozenset((1,)))
    room.register(binding())
    assert room.writer.answer("claim", [])[3] == [1]
    assert room.writer.answer("claim", [])[3] == [1], "a claim follows each offer"
    assert [arguments[3] for arguments in room.writer.asked("claim")] == [[]]


def test_no_run_begins_while_the_domain_is_paused() -> None:
    room = Room()
    room.deliverer.pause(frozenset(("example.test",)))
    room.register(binding())
    assert room.deliverer.runs == {}
    assert room.writer.names() == []


def test_no_run_begins_and_nothing_is_sent_after_stop() -> None:
    room = Room()
    room.register(binding())
    room.deliverer.stop(room.clock.now())
    room.writer.answer("claim", [row(1)])
    room.register(binding(5071, CAROL))
    assert room.sent() == []
    assert room.writer.asked("release") == [([1],)]
    assert room.deliverer.runs == {}


def test_the_other_contacts_of_the_recipient_are_asked_before_a_row_is_rejected() -> None:
    """A REGISTER of one contact begins a run to this contact. The other contact may accept the row later."""
    room = Room()
    first, other = binding(5061), binding(5062)
    room.bind(first, other)
    room.mailed()
    room.deliverer.registered(BOB, [first], room.clock.now())
    room.writer.answer("claim", [row(1)])
    room.answer(415)
    assert "reject" not in room.writer.names()
    assert "postpone" in room.writer.names()


# --- a run ends ------------------------------------------------------------------------------------


def test_the_back_off_is_forgotten_with_the_last_binding_only() -> None:
    room = Room()
    first, second = binding(5061), binding(5062)
    room.bind(second)
    room.state.schedule.back_off(BOB, room.clock.wall() + 60)
    room.deliverer.gone(first, room.clock.now())
    assert room.retry_in() == 60.0
    room.location.remove([second])
    room.deliverer.gone(second, room.clock.now())
    assert room.retry_in() is None


def test_a_contact_that_is_away_gets_nothing_more_from_the_run_in_progress() -> None:
    room = Room()
    room.started(row(1), row(2), to=[binding(5061)])
    room.deliverer.away(binding(5061), room.clock.now())
    room.answer(200)
    room.writer.answer("end")
    assert room.sent() == ["1>5061"]
    assert room.writer.asked("release") == [([2],)]


def test_the_place_of_a_finished_run_goes_to_the_next_recipient_in_line() -> None:
    room = Room()
    room.state.schedule.limit = 1
    room.register(binding(5071, CAROL))
    room.register(binding())
    assert list(room.deliverer.runs) == [CAROL]
    room.writer.answer("claim", [])
    assert list(room.deliverer.runs) == [BOB]


def test_watchers_hear_of_the_end_of_the_last_device() -> None:
    room = Room(EACH)
    heard: list[str] = []
    room.state.watchers.watch(BOB, lambda row, outcome, status, at: heard.append(outcome))
    room.register(binding(5061), binding(5062))
    room.writer.answer("claim_for", [])
    assert heard == []
    room.writer.answer("claim_for", [])
    assert heard == ["finished"]


# --- every device gets every message -----------------------------------------------------------------


def test_each_device_has_a_run_and_a_row_in_two_hands_is_listed_once() -> None:
    room = Room(EACH)
    room.register(binding(5061), binding(5062))
    room.writer.answer("claim_for", [row(2), row(1)])
    room.writer.answer("claim_for", [row(2)])
    assert len(room.deliverer.runs_of(BOB)) == 2
    assert room.deliverer.runs_of(CAROL) == []
    assert room.deliverer.in_hand() == [1, 2]


def test_the_back_off_of_one_device_delays_no_other_device() -> None:
    room = Room(EACH)
    slow, fast = binding(5061), binding(5062)
    room.bind(slow, fast)
    room.state.schedule.back_off(run_name(slow), room.clock.wall() + 60)
    room.deliverer.stored(row(1), room.clock.now())
    assert list(room.deliverer.runs) == [run_name(fast)]


def test_rows_given_back_by_a_later_try_begin_a_run() -> None:
    room = Room()
    room.bind(binding())
    room.mail.discard(BOB)
    room.deliverer._freed(BOB)
    assert room.mail.may_have(BOB)
    assert room.writer.names() == ["claim"]


def test_a_run_begins_with_the_contacts_of_live_branches_occupied() -> None:
    room = Room()
    contact = binding(5061)
    room.state.live.add(row(9), contact_key(contact))
    room.register(contact)
    assert room.writer.names() == []
    assert BOB in room.deliverer.runs

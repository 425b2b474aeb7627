"""Intervention: the effect of an operator's command on the runs."""

from msilod.registrar.binding import contact_key
from msilod.silo.policy import EACH_DEVICE, SiloPolicy
from msilod.silo.runs.device_runs import run_name
from tests.delivering.room import BOB, CAROL, Room, binding, row


def test_rows_of_live_branches_are_on_the_wire_as_well() -> None:
    room = Room()
    room.started(row(1), row(2))
    room.state.live.add(row(7, CAROL), contact_key(binding(5071, CAROL)))
    assert room.intervention.on_wire() == [1, 7]


def test_a_row_on_the_wire_is_not_given_up_at_once() -> None:
    room = Room()
    room.started(row(1), row(2))
    assert not room.intervention.give_up(BOB, 1, room.clock.now())
    assert room.writer.asked("release") == []
    assert room.intervention.give_up(BOB, 2, room.clock.now())
    assert room.writer.asked("release") == [([2],)]


def test_a_row_without_a_run_is_given_up() -> None:
    assert Room().intervention.give_up(BOB, 1, 0.0)


def test_refusals_are_forgotten_for_all_devices_and_for_these_rows_only() -> None:
    room = Room(SiloPolicy(devices=EACH_DEVICE))
    contact = binding()
    room.bind(contact)
    memories = [room.state.schedule.memory(name) for name in (BOB, run_name(contact))]
    for memory in memories:
        memory.refuse(1, "phone", 415)
        memory.refuse(2, "phone", 415)
    room.intervention.forget_refusals(BOB, [1])
    assert [list(memory.refusals) for memory in memories] == [[2], [2]]


def test_a_pause_stops_the_runs_of_the_domain_and_no_other_run() -> None:
    room = Room()
    other = "bob@other.test"
    for port, aor in ((5061, BOB), (5071, other)):
        room.register(binding(port, aor))
        room.writer.answer("claim", [row(port, aor), row(port + 1, aor)])
    room.intervention.set_paused(frozenset(("example.test",)), room.clock.now())
    assert room.writer.asked("release") == [], "a MESSAGE on the wire is awaited"
    for id in (5061, 5071):
        room.answer(200, id)
        room.writer.answer("end")
    assert room.sent() == ["5061>5061", "5071>5071", "5072>5071"]
    assert room.writer.asked("release") == [([5062],)]


def test_a_resume_wakes_recipients_of_the_domain_with_mail_and_without_a_back_off() -> None:
    room = Room()
    waiting, backs_off, empty, other = BOB, "dave@example.test", CAROL, "bob@other.test"
    for port, aor in enumerate((waiting, backs_off, empty, other), 5061):
        room.bind(binding(port, aor))
    room.mailed(waiting, backs_off, other)
    room.state.schedule.back_off(backs_off, room.clock.wall() + 60)
    room.intervention.set_paused(frozenset(("example.test", "third.test")), room.clock.now())
    room.intervention.set_paused(frozenset(("third.test",)), room.clock.now())
    assert list(room.deliverer.runs) == [waiting]

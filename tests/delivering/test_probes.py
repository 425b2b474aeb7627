"""Probes: when a page of recipients is read, and which recipients are probed."""

import structlog

from msilod.delivering.probes import EVERY, FIRST, MAX_RUNS, PAGE
from msilod.errors import StoreError
from msilod.registrar.binding import contact_key
from msilod.silo.policy import SiloPolicy
from tests.delivering.room import BOB, CAROL, Room, binding, row
from tests.without_io import NOW

HOP = "sip:192.0.2.99"
BY_HOP = SiloPolicy(next_hop=HOP)


def pages(room: Room) -> list[object]:
    """The AORs after which a page was asked for."""
    return [arguments[0] for arguments in room.writer.asked("unseen")]


def test_the_first_round_begins_after_the_phones_have_reconnected() -> None:
    room = Room(BY_HOP)
    room.probes.tick(NOW + FIRST - 1)
    assert pages(room) == []
    room.probes.tick(NOW + FIRST)
    assert room.writer.asked("unseen") == [("", PAGE, True)]


def test_a_round_reads_page_after_page_and_ends_with_an_empty_page() -> None:
    room = Room(BY_HOP)
    room.probes.tick(NOW + FIRST)
    room.probes.tick(NOW + FIRST + 1)
    assert pages(room) == [""], "one page at a time"
    room.writer.answer("unseen", [(BOB, []), (CAROL, [])])
    room.probes.tick(NOW + FIRST + 2)
    assert pages(room) == [CAROL]
    room.writer.answer("unseen", [])
    room.probes.tick(NOW + FIRST + EVERY - 1)
    assert pages(room) == []
    room.probes.tick(NOW + FIRST + EVERY)
    assert pages(room) == [""]


def test_a_page_that_could_not_be_read_is_read_again() -> None:
    room = Room(BY_HOP)
    room.probes.tick(NOW + FIRST)
    room.writer.answer("unseen", [(BOB, [])])
    room.probes.tick(NOW + FIRST + 1)
    with structlog.testing.capture_logs() as lines:
        room.writer.answer("unseen", StoreError("disk I/O error"))
    assert [line["event"] for line in lines] == ["the recipients to probe could not be read"]
    room.probes.tick(NOW + FIRST + 2)
    assert pages(room) == [BOB]


def test_no_page_is_read_while_half_of_the_places_are_taken() -> None:
    room = Room(BY_HOP)
    for number in range(MAX_RUNS):
        room.state.schedule.begin(f"{number}")
    room.probes.tick(NOW + FIRST)
    assert pages(room) == []
    room.state.schedule.finished("0", None)
    room.probes.tick(NOW + FIRST + 1)
    assert pages(room) == [""]


def test_a_recipient_in_a_back_off_or_with_a_binding_is_not_probed() -> None:
    room = Room(BY_HOP)
    dave = "dave@example.test"
    room.bind(binding(5071, CAROL))
    room.state.schedule.back_off(BOB, room.clock.wall() + 1)
    room.probes.tick(NOW + FIRST)
    room.writer.answer("unseen", [(aor, []) for aor in (BOB, CAROL, dave)])
    assert list(room.deliverer.runs) == [dave]
    assert dave in room.deliverer.unseen


def test_without_a_configured_hop_only_rows_with_a_hop_are_claimed() -> None:
    room = Room()
    room.probes.tick(NOW + FIRST)
    assert room.writer.asked("unseen")[0][2] is False
    room.writer.answer("unseen", [(BOB, [3, 5])])
    (claim,) = room.writer.asked("claim")
    assert sorted(claim[3]) == [3, 5]


async def test_the_failed_attempts_of_a_probe_are_not_counted_and_the_next_probe_follows_in_an_hour() -> None:
    room = Room(SiloPolicy(next_hop=HOP, attempts=1))
    room.probes.offer(BOB, ())
    room.writer.answer("claim", [row(1)])
    room.answer(480)
    assert room.writer.asked("reject") == []
    ((tries, until, *_),) = room.writer.asked("postpone")
    assert (list(tries), until) == ([(1, 0)], room.clock.wall() + EVERY)
    assert room.retry_in() == EVERY


async def test_a_register_during_a_probe_takes_the_run_from_the_hop_to_the_contact() -> None:
    room = Room(BY_HOP)
    room.probes.offer(BOB, ())
    room.writer.answer("claim", [row(1), row(2)])
    probe = room.deliverer.unseen[BOB]
    room.register(binding())
    assert room.deliverer.unseen == {}
    run = room.deliverer.runs[BOB]
    assert run.policy is BY_HOP
    assert [key for key in run.memory.contacts.known if key != probe] == [contact_key(binding())]


def test_the_contact_of_a_probe_is_sips_unless_the_hop_is_known_to_be_without_tls() -> None:
    probes = Room(BY_HOP).probes
    assert probes.contact(BOB).contact == f"sip:{BOB}"
    assert probes.contact(BOB, "sips:proxy.test").contact == f"sips:{BOB}"
    assert Room().probes.contact(BOB).contact == f"sips:{BOB}", "a row may have any hop"


async def test_a_dump_by_a_hop_goes_to_all_contacts_by_this_hop() -> None:
    room = Room()
    room.bind(binding(5061), binding(5062))
    room.probes.dump(BOB, "sip:192.0.2.98:5098", room.clock.now())
    room.writer.answer("claim", [row(1)])
    assert room.sent() == ["1>5098", "1>5098"]


def test_a_dump_without_a_hop_and_without_a_contact_asks_for_rows_with_a_hop() -> None:
    room = Room()
    room.probes.dump(BOB, "", room.clock.now())
    assert room.writer.answer("by_next_hop", []) == (BOB,)
    assert room.deliverer.runs == {}
    room.probes.due(BOB, room.clock.now())
    room.writer.answer("by_next_hop", [4])
    assert room.writer.asked("claim")[0][3] == [4]


async def test_a_dump_by_a_hop_without_a_contact_goes_to_the_aor() -> None:
    room = Room()
    room.probes.dump(BOB, "sip:192.0.2.98:5098", room.clock.now())
    room.writer.answer("claim", [row(1)])
    assert room.sent() == ["1>5098"]
    assert [request.uri for request in room.transports.requests()] == [b"sip:" + BOB.encode()]

"""Sending, Attempt and Outgoing: one MESSAGE to one contact, and the results for the row."""

import structlog

from msilod.delivering.outgoing import HEAD_SIZE, request_for, size_of, target_of
from msilod.delivering.sending import UNSENDABLE
from msilod.proxy.target_set import ANYWHERE
from msilod.silo.policy import B2BUA, EACH_DEVICE, SiloPolicy
from msilod.silo.stored_message import Ending, StoredMessage
from msilod.sip.message import response_bytes
from tests.delivering.room import BOB, Room, at, binding, row
from tests.transaction.station import answer, received, response


def test_a_row_that_cannot_be_sent_is_rejected_and_later_rows_are_sent() -> None:
    room = Room()
    with structlog.testing.capture_logs() as lines:
        room.started(row(1, content_type=b"text/plain\r\nX: y"), row(2))
    assert [line["event"] for line in lines] == ["a message cannot be sent"]
    assert [arguments[:2] for arguments in room.writer.asked("reject")] == [(1, UNSENDABLE)]
    assert room.sent() == ["2>5061"]


def test_a_contact_that_cannot_be_written_into_a_request_keeps_the_row() -> None:
    room = Room()
    bad = binding()
    bad.path = ("<sip:proxy.test",)
    bad.way = at(5061)
    room.started(row(1), to=[bad])
    assert room.sent() == []
    assert room.writer.asked("reject") == []
    assert [arguments[2] for arguments in room.writer.asked("postpone")] == [503]


def test_retry_after_sets_the_end_of_the_back_off() -> None:
    room = Room()
    room.started(row(1))
    room.answer(486, more=(b"Retry-After: 120",))
    assert room.retry_in() == 120.0


def test_a_message_on_the_stream_of_a_register_waits_for_the_200_of_the_register() -> None:
    room = Room()
    room.transports.open.add(7)
    room.started(row(1), to=[binding(connection=7)])
    assert room.sent() == []
    room.state.apart.handle_timeout(room.clock.pass_(0.2))
    assert room.sent() == ["1>5061"]


def test_a_row_that_ended_while_waiting_for_the_200_is_not_sent() -> None:
    room = Room()
    room.transports.open.add(7)
    room.started(row(1), row(2), to=[binding(connection=7)])
    room.online.delivered_late(row(1), 200, room.clock.now())
    room.state.apart.handle_timeout(room.clock.pass_(0.2))
    assert room.sent() == ["2>5061"]


def test_a_closed_connection_is_a_failed_transport_in_the_history() -> None:
    room = Room()
    behind_nat = binding(connection=7)
    behind_nat.contact = "sip:bob@10.0.0.9:5061"
    room.started(row(1), to=[behind_nat])
    room.state.apart.handle_timeout(room.clock.pass_(0.2))
    ((*_, status, text, _, _),) = room.writer.asked("note")
    assert (status, text) == (503, "not reachable")
    assert room.retry_in() == 60.0


def late(room: Room) -> list[tuple[int, int]]:
    """The rows and statuses of a 2xx long after Timer F."""
    found: list[tuple[int, int]] = []
    room.state.overdue.ended = lambda row, status, now: found.append((row.id, status))
    room.pass_(40.0)
    data, flow = room.transports.sent[0]
    room.layer.hear_strays(lambda response, flow, now: room.state.overdue.heard(response, now))
    room.layer.receive_response(response(answer(data, 200)), flow, room.clock.now())
    return found


def test_a_2xx_after_timer_f_still_ends_the_row() -> None:
    room = Room()
    room.started(row(1))
    assert late(room) == [(1, 200)]
    assert room.retry_in() is not None


async def test_a_late_2xx_of_a_b2bua_or_of_one_device_of_several_ends_no_row() -> None:
    room = Room(SiloPolicy(next_hop="sip:192.0.2.99", next_hop_kind=B2BUA))
    room.started(row(1))
    assert late(room) == []
    room = Room(SiloPolicy(devices=EACH_DEVICE))
    room.register(binding())
    room.writer.answer("claim_for", [row(1)])
    assert late(room) == []


def test_a_provisional_answer_is_no_end_of_the_attempt() -> None:
    room = Room()
    room.started(row(1), row(2))
    room.answer(180)
    assert room.writer.names() == []
    assert room.intervention.on_wire() == [1]


def test_a_2xx_by_a_next_hop_hands_over_only_if_the_hop_is_a_b2bua() -> None:
    def ending(hop: str, kind: str) -> Ending:
        return request_for(row(1), binding(), SiloPolicy(next_hop=hop, next_hop_kind=kind), 0.0)[1]

    assert ending("sip:192.0.2.99", B2BUA) is Ending.HANDED
    assert ending("sip:192.0.2.99", "proxy") is Ending.DELIVERED
    assert ending("", B2BUA) is Ending.DELIVERED


def test_a_next_hop_of_the_operator_may_be_anywhere_and_a_contact_may_not() -> None:
    hop = target_of(row(1, next_hop="sip:192.0.2.99"), binding(), SiloPolicy())
    assert (hop.path, hop.reach, hop.flow) == (("sip:192.0.2.99",), ANYWHERE, None)
    contact = target_of(row(1), binding(), SiloPolicy())
    assert (contact.path, contact.reach, contact.flow) == ((), "", at(5061))


def test_the_size_of_a_delivery_includes_the_kept_header_lines() -> None:
    stored: StoredMessage = row(1, headers=b"Subject: x\r\n", size=900)
    assert size_of(stored) == 900 + 12 + HEAD_SIZE


def test_the_run_of_one_contact_ends_when_the_binding_is_gone() -> None:
    room = Room()
    room.started(row(1))
    room.location.remove(room.location.bindings(BOB, room.clock.wall()))
    room.deliverer.gone(binding(), room.clock.now())
    assert room.intervention.on_wire() == [1], "the MESSAGE on the wire is awaited"
    room.answer(486)
    assert room.retry_in() is None, "a timer helps no recipient without a contact"


def test_a_482_of_this_server_is_a_failed_transport_and_no_answer_of_the_phone() -> None:
    room = Room()
    room.started(row(1))
    data, flow = room.transports.sent[0]
    own = response_bytes(received(data), 482, room.layer.stateless_tag(room.transports.requests()[0]), [])
    room.layer.receive_response(response(own), flow, room.clock.now())
    ((_, until, status, *_),) = room.writer.asked("postpone")
    assert (until, status) == (room.clock.wall() + 60, 503)

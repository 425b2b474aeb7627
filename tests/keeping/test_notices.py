"""Notices: where a notice is sent, and when no notice is sent."""

from msilod.silo.policy import SiloPolicy
from tests.delivering.room import binding, row
from tests.keeping.room import ALICE, SOURCE, KeepingRoom, wire

ON = SiloPolicy(registrar="sip:silo@example.test")
CONTACT = b"Contact: <sip:alice@203.0.113.9:5099>"


def notified(policy: SiloPolicy, *lines: bytes) -> KeepingRoom:
    """A room with Alice registered at port 5081, after a MESSAGE of Alice was stored."""
    room = KeepingRoom(policy)
    room.bind(binding(5081, ALICE))
    transaction = room.incoming(wire(*lines)).transaction
    room.notices.stored(transaction, row(1), room.clock.now())
    return room


def notices(room: KeepingRoom) -> list[tuple[bytes, int]]:
    """The Request-URI and the port of each notice."""
    flows = (flow for _, flow in room.transports.sent)
    return [(request.uri, flow.port) for request, flow in zip(room.transports.requests(), flows, strict=True)]


def test_without_a_registrar_no_notice_is_sent() -> None:
    assert notices(notified(SiloPolicy())) == []


def test_a_notice_goes_to_the_contacts_of_the_sender() -> None:
    room = notified(ON, CONTACT)
    assert notices(room) == [(b"sip:alice@198.51.100.7:5081", 5081)]
    assert room.counters.notices == 1


def test_a_notice_goes_to_no_contact_registered_without_message() -> None:
    room = KeepingRoom(SiloPolicy(registrar="sip:silo@example.test", failure_notice="lost: {reason}"))
    room.bind(binding(5081, ALICE, methods=frozenset(("INVITE",))), binding(5082, ALICE))
    room.notices.failed(row(1), "expired", room.clock.now())
    assert notices(room) == [(b"sip:alice@198.51.100.7:5082", 5082)]


def test_with_use_contact_a_notice_goes_to_the_contact_by_the_flow_of_the_message() -> None:
    policy = SiloPolicy(registrar="sip:silo@example.test", use_contact=True)
    assert notices(notified(policy, CONTACT)) == [(b"sip:alice@203.0.113.9:5099", SOURCE.port)]
    assert notices(notified(policy)) == [(b"sip:alice@198.51.100.7:5081", 5081)], "no Contact in the message"


async def test_with_a_next_hop_a_notice_goes_to_the_aor_of_the_sender_by_this_hop() -> None:
    policy = SiloPolicy(registrar="sip:silo@example.test", next_hop="sip:192.0.2.99:5098")
    assert notices(notified(policy)) == [(b"sip:" + ALICE.encode(), 5098)]


def test_a_second_message_in_the_period_causes_no_second_notice() -> None:
    room = notified(SiloPolicy(registrar="sip:silo@example.test", notice_period=600))
    transaction = room.incoming(wire(number=2)).transaction
    room.notices.stored(transaction, row(2), room.clock.now())
    assert room.counters.notices == 1
    room.clock.pass_(600.0)
    room.notices.stored(transaction, row(3), room.clock.now())
    assert room.counters.notices == 2


def test_a_notice_of_a_failure_needs_a_text_of_the_operator_and_names_the_reason() -> None:
    room = KeepingRoom(ON)
    room.bind(binding(5081, ALICE))
    room.notices.failed(row(1), "603 Decline", room.clock.now())
    assert notices(room) == []
    room.notices.configure(SiloPolicy(registrar="sip:silo@example.test", failure_notice="lost: {reason}"))
    room.notices.failed(row(1), "603 Decline", room.clock.now())
    assert [request.body for request in room.transports.requests()] == [b"lost: 603 Decline"]


def test_a_contact_that_cannot_be_read_costs_one_dropped_notice_and_no_error() -> None:
    policy = SiloPolicy(registrar="sip:silo@example.test", use_contact=True)
    room = notified(policy, b"Contact: <sip:alice")
    assert (notices(room), room.counters.dropped) == ([], 1)

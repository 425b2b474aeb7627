"""Sender: the limits of a branch, the party charged for a target, and the identities that may pass."""

from msilod.proxy.target_set import Target, target_set
from msilod.relaying.sender import HOP_LIMIT
from msilod.sip.hop import Hop
from msilod.transaction.client_transaction import ClientTransaction
from tests.delivering.room import binding
from tests.keeping.room import SOURCE, wire
from tests.relaying.room import POLICY, RelayingRoom, invite
from tests.transaction.station import received
from tests.without_io import phone_flow


def sent(room: RelayingRoom, data: bytes, hops: int = 1) -> ClientTransaction:
    """The client transaction of one branch to a target with this number of hops."""
    transaction = room.incoming(data).transaction
    (target,) = target_set([binding()])
    target.hops = [Hop("udp", "198.51.100.7", 5061)] * hops
    assert target.flow is not None
    fork = room.forwarder.relay(transaction, [target], "", None)
    return room.sender.send(fork, transaction, target, target.flow, room.clock.now(), 60)


def test_fr_timer_limits_messages_and_invites_and_no_other_request() -> None:
    room = RelayingRoom()
    now = room.clock.now()
    assert sent(room, wire()).limit_at == now + POLICY.fr_timer
    assert sent(room, invite()).limit_at == now + POLICY.fr_timer
    assert sent(room, wire(number=2).replace(b"MESSAGE", b"OPTIONS")).limit_at == 0.0


def test_a_hop_with_a_successor_has_four_seconds_in_any_request() -> None:
    room = RelayingRoom()
    now = room.clock.now()
    assert sent(room, wire(), hops=2).limit_at == now + HOP_LIMIT
    assert sent(room, wire(number=2).replace(b"MESSAGE", b"OPTIONS"), hops=2).limit_at == now + HOP_LIMIT


def test_after_the_limit_of_a_hop_the_branch_has_the_rest_of_fr_timer() -> None:
    room = RelayingRoom()
    now = room.clock.now()
    branch = sent(room, wire(), hops=2)
    assert room.sender.has_time(branch, now + HOP_LIMIT)
    assert branch.limit_at == now + POLICY.fr_timer
    assert not room.sender.has_time(branch, now + POLICY.fr_timer)


def test_a_request_without_fr_timer_always_has_time_after_the_limit_of_a_hop() -> None:
    room = RelayingRoom()
    branch = sent(room, wire().replace(b"MESSAGE", b"OPTIONS"), hops=2)
    assert room.sender.has_time(branch, room.clock.now() + 100.0)


def test_only_requests_that_form_a_dialog_get_a_record_route() -> None:
    room = RelayingRoom()
    sent(room, invite())
    sent(room, wire())
    has_route = {
        request.method: b"record-route" in request.received for request in room.transports.requests()
    }
    assert has_route == {b"INVITE": True, b"MESSAGE": False}


def test_a_target_is_charged_to_the_user_else_to_the_source_and_never_to_a_trusted_network() -> None:
    room = RelayingRoom()
    request = room.incoming(wire()).message

    def charged(user: str | None, booked_on: str = "") -> str:
        target = Target("sip:bob@other.example")
        target.booked_on = booked_on
        room.booking.book(target, user, request, SOURCE)
        return target.booked_on

    assert charged("alice@example.test") == "alice@example.test"
    assert charged(None) == SOURCE.host
    assert charged(None, "carol@example.test") == "carol@example.test", "the party that named the place"
    room.trust.configure(["198.51.100.0/24"])
    assert charged(None) == ""


def test_an_identity_asserted_by_a_callee_is_removed_unless_the_network_of_the_callee_is_trusted() -> None:
    for networks, is_kept in ([], False), (["198.51.100.0/24"], True):
        room = RelayingRoom()
        room.trust.configure(networks)
        room.call(binding())
        room.reply(5061, 200, (b"P-Asserted-Identity: <sip:boss@example.test>",))
        (found,) = [answer for answer in room.responses() if answer.status == 200]
        assert (found.headers.get(b"p-asserted-identity") is not None) == is_kept


def test_an_ack_that_cannot_be_sent_is_dropped_and_counted() -> None:
    room = RelayingRoom()
    request = received(wire().replace(b"MESSAGE", b"ACK"))
    target = Target("sip:bob@10.0.0.9:5061", phone_flow(5061, 7))
    room.ack_forwarder.forward(request, target, SOURCE, room.clock.now())
    assert (room.ports(b"ACK"), room.counters.dropped) == ([], 1)
    room.transports.open.add(7)
    room.ack_forwarder.forward(request, target, SOURCE, room.clock.now())
    assert room.ports(b"ACK") == [5061]

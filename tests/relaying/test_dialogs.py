"""Dialogs: the token in our Record-Route proves the dialog, and tells the places of the two peers."""

import pytest

from msilod.errors import RequestRefused
from msilod.proxy.dialog_token import place_of
from msilod.proxy.record_route import TOKEN
from msilod.proxy.target_set import target_set
from msilod.registrar.binding import Binding
from msilod.relaying.dialogs import LIFE_OF_CALL, LIFE_OF_SUBSCRIPTION, Dialog
from msilod.routing.myself import Named
from msilod.sip.address import NameAddr
from msilod.sip.flow import Flow
from msilod.sip.uri import SipUri
from tests.delivering.room import BOB, binding
from tests.keeping.room import ALICE, SOURCE
from tests.relaying.room import RelayingRoom, invite
from tests.transaction.station import received
from tests.without_io import phone_flow

PHONE = phone_flow(5061)
EDGE = phone_flow(5060, host="203.0.113.5")


class Call:
    """A call of Alice to a contact of Bob, with the token of the INVITE."""

    def __init__(
        self, room: RelayingRoom, method: bytes = b"INVITE", contact: Binding | None = None, came: Flow = SOURCE,
        more: bytes = b"",
    ) -> None:  # fmt: skip
        self.room = room
        request = received(invite().replace(b"INVITE", method).replace(b"Contact", more + b"Contact"), came)
        (target,) = target_set([contact or binding()])
        assert target.flow is not None
        value, *_ = room.dialogs.record(request, came, target, target.flow)
        self.route = SipUri.parse(NameAddr.parse(b"<%b>" % value).uri)

    def request(
        self, flow: Flow, by_callee: bool = False, method: bytes = b"BYE", uri: bytes = b"", more: bytes = b""
    ) -> Dialog | None:
        """The dialog of a later request of Alice, or of Bob, on `flow`."""
        alice, bob = b"<sip:alice@example.test>;tag=1", b"<sip:bob@example.test>;tag=2"
        from_, to = (bob, alice) if by_callee else (alice, bob)
        uri = uri or b"sip:peer@198.51.100.7"
        data = (
            b"%b %b SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:5071;branch=z9hG4bKb\r\n%bFrom: %b\r\nTo: %b\r\n"
            b"Call-ID: i1\r\nCSeq: 2 %b\r\nContent-Length: 0\r\n\r\n" % (method, uri, more, from_, to, method)
        )
        named: Named = self.room.myself.identify(uri)
        return self.room.dialogs.of(received(data, flow), [self.route], flow, named)


def test_a_request_of_the_caller_leads_to_the_place_of_the_callee_and_the_other_way_round() -> None:
    room = RelayingRoom()
    call = Call(room)
    by_caller, by_callee = call.request(SOURCE), call.request(PHONE, by_callee=True)
    assert by_caller is not None
    assert by_callee is not None
    assert (by_caller.receiver.port, by_caller.receiver_aor) == (5061, BOB)
    assert (by_callee.receiver.port, by_callee.receiver_aor) == (SOURCE.port, ALICE)
    assert by_caller.is_from_place
    assert by_callee.is_from_place


def test_a_request_without_a_token_or_with_a_token_of_another_dialog_has_no_dialog() -> None:
    room = RelayingRoom()
    call = Call(room)
    call.route = SipUri.parse("sip:192.0.2.1:5060;lr")
    assert call.request(SOURCE) is None
    call = Call(room)
    text = call.route.params[TOKEN]
    assert text is not None
    flipped = ("A" if text[0] != "A" else "B") + text[1:]
    call.route = SipUri.parse(f"sip:192.0.2.1:5060;lr;{TOKEN}={flipped}")
    assert call.request(SOURCE) is None


def test_a_token_copied_by_a_stranger_does_not_make_the_stranger_a_peer_s_place() -> None:
    call = Call(RelayingRoom())
    found = call.request(phone_flow(6666))
    assert found is not None
    assert not found.is_from_place


@pytest.mark.parametrize(
    ("method", "life"), [(b"INVITE", LIFE_OF_CALL), (b"SUBSCRIBE", LIFE_OF_SUBSCRIPTION)]
)
def test_a_token_lives_as_long_as_its_kind_of_dialog(method: bytes, life: int) -> None:
    call = Call(RelayingRoom(), method)
    call.room.clock.pass_(life - 1)
    assert call.request(SOURCE) is not None
    call.room.clock.pass_(1)
    with pytest.raises(RequestRefused) as refused:
        call.request(SOURCE)
    assert refused.value.status == 481


def test_an_aor_of_this_server_in_the_request_uri_must_be_the_receiver_s() -> None:
    call = Call(RelayingRoom())
    assert call.request(SOURCE, uri=b"sip:carol@example.test") is None
    assert call.request(SOURCE, uri=b"sip:bob@example.test") is not None


def test_a_caller_behind_a_nat_or_on_a_stream_is_reached_by_its_flow() -> None:
    by_nat = phone_flow(5071, host="198.51.100.77")
    for came, is_hidden in ((SOURCE, False), (by_nat, True), (phone_flow(5071, 7), True)):
        found = Call(RelayingRoom(), came=came).request(PHONE, by_callee=True)
        assert found is not None
        assert found.is_by_flow == is_hidden


def test_only_a_caller_that_was_registered_there_or_showed_a_password_acts_as_the_user() -> None:
    """Without a proof at the start, the place of the caller may be the place of a stranger."""
    users = (ALICE, BOB)
    stranger = Call(RelayingRoom(users=users)).request(SOURCE)
    assert stranger is not None
    assert not stranger.is_users
    room = RelayingRoom(users=users)
    bound = binding(SOURCE.port, ALICE)
    room.bind(bound)
    registered = Call(room).request(SOURCE)
    assert registered is not None
    assert registered.is_users
    asserted = Call(
        RelayingRoom(users=users), more=b"P-Asserted-Identity: <sip:alice@example.test>\r\n"
    ).request(SOURCE)
    assert asserted is not None
    assert asserted.is_users


def test_a_peer_that_became_a_user_since_the_start_has_no_place() -> None:
    room = RelayingRoom()
    call = Call(room)
    room.members.users.existed = True
    room.members.users.put(ALICE, [(b"MD5", bytes(16))])
    room.members.users.put(BOB, [(b"MD5", bytes(16))])
    room.members.refresh()
    by_caller, by_callee = call.request(SOURCE), call.request(PHONE, by_callee=True)
    assert by_caller is not None
    assert by_callee is not None
    assert not by_caller.is_from_place
    assert not by_callee.is_from_place


def test_the_dialog_ends_when_a_peer_is_no_user_any_more() -> None:
    room = RelayingRoom(users=(ALICE, BOB))
    call = Call(room)
    assert call.request(SOURCE) is not None
    room.members.users.remove(BOB)
    room.members.refresh()
    assert call.request(SOURCE) is None


def test_the_user_of_the_contact_and_not_the_user_in_to_answers_a_diverted_call() -> None:
    """The routing policy sent Bob's call to a contact of Carol. Carol does not act as Bob."""
    room = RelayingRoom(users=(ALICE, BOB, "carol@example.test"))
    call = Call(room, contact=binding(5061, "carol@example.test"))
    by_callee = call.request(PHONE, by_callee=True)
    assert by_callee is not None
    assert (by_callee.sender_aor, by_callee.is_users) == ("", False)
    by_caller = call.request(SOURCE)
    assert by_caller is not None
    assert by_caller.receiver_aor == "carol@example.test"


def test_behind_an_edge_a_client_is_told_from_other_clients_of_the_edge() -> None:
    def via(client: bytes) -> bytes:
        return b"Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKe;received=%b;rport=5060\r\n" % client

    room = RelayingRoom(edges=["203.0.113.5"])
    call = Call(room, came=EDGE, more=via(b"10.0.0.1"))
    same, other = call.request(EDGE, more=via(b"10.0.0.1")), call.request(EDGE, more=via(b"10.0.0.2"))
    assert same is not None
    assert other is not None
    assert same.is_from_place
    assert not other.is_from_place


def test_a_dialog_knows_host_and_port_of_the_receiver_and_the_address_announced_by_the_caller() -> None:
    found = Dialog("", True, False, place_of(PHONE), BOB, False)
    assert found.is_at(SipUri.parse("sip:x@198.51.100.7:5061"))
    assert not found.is_at(SipUri.parse("sip:x@198.51.100.7"))
    assert found.is_routed_to(SipUri.parse("sip:198.51.100.7")), "the callee's proxy may have any port"
    assert not found.is_routed_to(SipUri.parse("sip:198.51.100.8:5061"))
    to_caller = Call(RelayingRoom()).request(PHONE, by_callee=True)
    assert to_caller is not None
    assert to_caller.is_at(SipUri.parse("sip:alice@198.51.100.7:5071"))
    assert not to_caller.is_routed_to(SipUri.parse("sip:198.51.100.7:9"))
    by_proxy = Call(RelayingRoom(), more=b"Record-Route: <sip:proxy.test:5099;lr>\r\n").request(PHONE, True)
    assert by_proxy is not None
    assert by_proxy.is_routed_to(SipUri.parse("sip:proxy.test:5099"))
    assert not by_proxy.is_routed_to(SipUri.parse("sip:proxy.test:5098"))

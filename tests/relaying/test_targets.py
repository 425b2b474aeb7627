"""Targets: the targets of a request, and the senders that may relay."""

from dataclasses import replace

import pytest

from msilod.errors import RequestRefused
from msilod.proxy.dialog_token import NOWHERE, Place, place_of, short_hash
from msilod.proxy.route import preprocess_route
from msilod.proxy.target_set import BY_FLOW, Target
from msilod.registrar.binding import Binding
from msilod.relaying.dialogs import Dialog
from msilod.sip.uri import SipUri
from tests.delivering.room import BOB, binding
from tests.keeping.room import SOURCE, wire
from tests.relaying.room import POLICY, RelayingRoom
from tests.without_io import phone_flow

ELSEWHERE = SipUri.parse("sip:dave@203.0.113.9")
PEER = phone_flow(5061)


def dialog(
    receiver: Place | None = None, aor: str = BOB, is_by_flow: bool = False, is_users: bool = False,
    side: bytes = b"", instance: bytes = b"",
) -> Dialog:  # fmt: skip
    """A dialog with Bob at port 5061 as the receiver."""
    place = place_of(PEER) if receiver is None else receiver
    return Dialog("alice@example.test", True, is_users, place, aor, is_by_flow, side, instance)


def uris(targets: list[Target]) -> list[str]:
    return [target.uri for target in targets]


def refused(room: RelayingRoom, uri: SipUri, **keywords: object) -> int:
    with pytest.raises(RequestRefused) as error:
        room.targets.of(room.incoming(wire()).message, uri, [], **keywords)  # type: ignore[arg-type]
    return error.value.status


# --- who may relay ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("relay", "user", "is_users", "trusted", "expected"),
    [
        ("users", None, False, False, False),
        ("users", "alice@example.test", False, False, True),
        ("users", None, True, False, True),
        ("users", None, False, True, True),
        ("anybody", None, False, False, True),
        ("nobody", "alice@example.test", True, True, False),
    ],
)
def test_the_policy_decides_which_senders_may_relay(
    relay: str, user: str | None, is_users: bool, trusted: bool, expected: bool
) -> None:
    room = RelayingRoom(replace(POLICY, relay=relay))
    room.trust.configure(["198.51.100.0/24"] if trusted else [])
    assert room.targets.lets_out(user, dialog(is_users=is_users), SOURCE) == expected


def test_a_foreign_uri_is_403_for_a_sender_that_may_not_relay() -> None:
    room = RelayingRoom()
    assert refused(room, ELSEWHERE) == 403
    assert uris(room.targets.of(room.incoming(wire()).message, ELSEWHERE, [], None, True)) == [str(ELSEWHERE)]


def test_an_aor_of_this_server_may_be_called_by_every_sender() -> None:
    room = RelayingRoom()
    room.bind(binding())
    found = room.targets.of(room.incoming(wire()).message, SipUri.parse("sip:bob@example.test"), [])
    assert uris(found) == [binding().contact]


# --- Route -----------------------------------------------------------------------------------------


def test_a_route_needs_a_sender_that_may_relay_or_a_dialog_that_leads_there() -> None:
    room = RelayingRoom()
    routed = room.incoming(wire(b"Route: <sip:198.51.100.7:5061;lr>")).message
    with pytest.raises(RequestRefused) as error:
        room.targets.of(routed, ELSEWHERE, [])
    assert error.value.status == 403
    for found in (
        room.targets.of(routed, ELSEWHERE, [], None, True),
        room.targets.of(routed, ELSEWHERE, [], dialog()),
    ):
        assert [(target.uri, target.route) for target in found] == [
            (str(ELSEWHERE), "sip:198.51.100.7:5061;lr")
        ]


def test_a_route_of_a_dialog_may_lead_only_to_the_address_of_the_receiver() -> None:
    room = RelayingRoom()
    routed = room.incoming(wire(b"Route: <sip:198.51.100.7:5061;lr>")).message
    assert [target.reach for target in room.targets.of(routed, ELSEWHERE, [], dialog())] == [PEER.host]
    assert [target.reach for target in room.targets.of(routed, ELSEWHERE, [], None, True)] == [""]


def test_with_a_route_the_contacts_are_not_the_simple_answer() -> None:
    room = RelayingRoom()
    uri = SipUri.parse("sip:bob@example.test")
    routed = room.incoming(wire(b"Route: <sip:198.51.100.7:5061;lr>")).message
    plain = room.incoming(wire(number=2)).message
    assert room.targets.contacts(routed, uri, [binding()]) == []
    assert len(room.targets.contacts(plain, uri, [binding()])) == 1
    assert room.targets.contacts(plain, uri, []) == []


# --- within a dialog ---------------------------------------------------------------------------------


def test_a_request_in_a_dialog_goes_to_the_current_flow_of_the_receiver() -> None:
    """The peer has registered again from another port. The URI stays the remote target."""
    room = RelayingRoom()
    moved = binding(5061)
    moved.flow = phone_flow(5099)
    room.bind(moved)
    uri = SipUri.parse(moved.contact + ";x=1")
    (target,) = room.targets.of(room.incoming(wire()).message, uri, [], dialog())
    assert (target.uri, target.flow) == (str(uri), phone_flow(5099))


def test_a_uri_on_another_host_in_a_dialog_is_403_for_a_stranger() -> None:
    assert refused(RelayingRoom(), ELSEWHERE, dialog=dialog()) == 403


def test_a_hidden_receiver_is_reached_by_its_flow_whatever_the_uri() -> None:
    room = RelayingRoom()
    private = SipUri.parse("sip:bob@10.0.0.9:5070")
    (target,) = room.targets.of(room.incoming(wire()).message, private, [], dialog(is_by_flow=True))
    assert (target.flow, target.reach) == (PEER, BY_FLOW)


def test_a_hidden_receiver_whose_connection_is_gone_is_430() -> None:
    gone = place_of(phone_flow(5061, 7))
    assert refused(RelayingRoom(), ELSEWHERE, dialog=dialog(gone, "", is_by_flow=True)) == 430
    assert refused(RelayingRoom(), ELSEWHERE, dialog=dialog(NOWHERE, "", is_by_flow=True)) == 430


def test_a_uri_at_the_place_of_the_receiver_may_lead_only_to_this_address() -> None:
    room = RelayingRoom()
    uri = SipUri.parse("sip:bob@198.51.100.7:5061")
    (target,) = room.targets.of(room.incoming(wire()).message, uri, [], dialog(aor=""))
    assert (target.uri, target.reach) == (str(uri), PEER.host)


def test_another_port_of_the_receiver_s_host_is_reached_by_the_flow_of_the_dialog() -> None:
    room = RelayingRoom()
    uri = SipUri.parse("sip:bob@198.51.100.7:5999")
    (target,) = room.targets.of(room.incoming(wire()).message, uri, [], dialog(aor=""))
    assert (target.flow, target.reach) == (PEER, BY_FLOW)


def test_of_several_devices_the_device_of_the_dialog_gets_the_request() -> None:
    room = RelayingRoom()
    one, other = binding(5061), binding(5062)
    one.instance, other.instance = "urn:uuid:1", "urn:uuid:2"
    room.bind(one, other)
    request = room.incoming(wire(b"Route: <sip:192.0.2.1:5060;lr>")).message
    preprocess_route(request, room.myself.owns)

    def found(instance: str) -> list[str]:
        of_device = dialog(instance=short_hash(instance))
        return uris(room.targets.of(request, SipUri.parse("sip:bob@example.test"), [one, other], of_device))

    assert found("urn:uuid:2") == [other.contact]
    assert found("urn:uuid:3") == [one.contact, other.contact], "the device is not registered any more"


def test_after_a_lost_connection_the_only_contact_from_the_same_address_is_the_receiver() -> None:
    def found(*bindings: Binding) -> list[str]:
        room = RelayingRoom()
        room.bind(*bindings)
        lost = dialog(place_of(phone_flow(5061, 7)), is_by_flow=True)
        return [str(t.flow) for t in room.targets.of(room.incoming(wire()).message, ELSEWHERE, [], lost)]

    assert found(binding(5081)) == [str(phone_flow(5081))]
    with pytest.raises(RequestRefused):
        found(binding(5081), binding(5082))


# --- redirections ----------------------------------------------------------------------------------


def test_a_redirection_may_name_a_contact_of_the_same_aor_and_no_other_host() -> None:
    room = RelayingRoom()
    room.bind(binding(5061))
    room.bind(binding(5071, "carol@example.test"))
    reach = room.targets.reach
    assert uris(list(reach(SipUri.parse(binding(5061).contact), BOB))) == [binding(5061).contact]
    assert reach(SipUri.parse(binding(5071, "carol@example.test").contact), BOB) == []
    assert uris(list(reach(SipUri.parse("sip:carol@example.test"), BOB))) == [
        binding(5071, "carol@example.test").contact
    ]
    assert reach(ELSEWHERE, BOB) == []
    room.targets.configure(replace(POLICY, relay="anybody"))
    assert uris(list(reach(ELSEWHERE, BOB))) == [str(ELSEWHERE)]


def test_a_request_for_sips_reaches_no_contact_without_sips() -> None:
    room = RelayingRoom()
    uri = SipUri.parse("sips:bob@example.test")
    with pytest.raises(RequestRefused) as error:
        room.targets.contacts(room.incoming(wire()).message, uri, [binding()])
    assert error.value.status == 480

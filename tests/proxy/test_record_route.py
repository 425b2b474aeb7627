"""Record-Route and the token of a dialog (rows P5, P14, P17)."""

from dataclasses import dataclass, field
from urllib.parse import quote

import pytest

from msilod.proxy.dialog_token import (
    CALLEE_IS_BOUND,
    CALLER_IS_HIDDEN,
    DialogToken,
    Place,
    peer,
    place_of,
    short_hash,
)
from msilod.proxy.record_route import DIALOG_FORMING, RecordRoute
from msilod.sip.flow import TCP, TLS, UDP, WS, WSS, Endpoint, Flow
from msilod.sip.headers import Headers
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

OURS = RecordRoute(b"k" * 32)
UDP_FLOW = Flow(Endpoint(UDP, "127.0.0.1", 5060, b"SIP/2.0/UDP 127.0.0.1:5060"), "192.0.2.9", 5062)
TCP_FLOW = Flow(Endpoint(TCP, "127.0.0.1", 5070, b"SIP/2.0/TCP 127.0.0.1:5070"), "192.0.2.8", 40000, 3)
IPV6_FLOW = Flow(Endpoint(UDP, "::1", 5060, b"SIP/2.0/UDP [2001:db8::1]:5060"), "2001:db8::9:8:7", 65535)
ALICE, BOB = "<sip:alice@example.test>", "<sip:bob@example.test>"


@dataclass
class Said:
    """The dialog fields of a request."""

    method: bytes = b"INVITE"
    from_: str = f"{ALICE};tag=a1"
    to: str = f"{BOB};tag=b1"
    call_id: bytes = b"call"
    more: list[tuple[bytes, bytes]] = field(default_factory=list)

    def request(self) -> Request:
        headers = Headers()
        for name, value in ((b"From", self.from_.encode()), (b"To", self.to.encode()), *self.more):
            headers.add(name, value)
        return Request(self.method, b"sip:bob@example.test", headers, cseq=1, call_id=self.call_id)


def token(caller: Flow = UDP_FLOW, callee: Flow = UDP_FLOW, flags: int = 0, aor: str = "") -> DialogToken:
    return DialogToken(flags, 1_800_000_000, short_hash("side"), place_of(caller), place_of(callee), b"", aor)


def recorded(came: Flow = UDP_FLOW, leaves: Flow = UDP_FLOW, said: Said | None = None) -> list[SipUri]:
    request = (said or Said(to=BOB)).request()
    return [SipUri.parse(value) for value in OURS.values(request, token(came, leaves), came, leaves)]


def is_read(routes: list[SipUri], said: Said | None = None, by: RecordRoute = OURS) -> bool:
    return bool(by.read((said or Said()).request(), routes)[0])


@pytest.mark.parametrize("method", [b"MESSAGE", b"REGISTER", b"OPTIONS", b"BYE", b"ACK", b"PUBLISH", b"INFO"])
def test_p5_no_record_route_outside_dialog_forming_requests(method: bytes) -> None:
    assert method not in DIALOG_FORMING


@pytest.mark.parametrize("method", [b"INVITE", b"SUBSCRIBE", b"REFER"])
def test_p5_one_value_for_one_listener(method: bytes) -> None:
    assert method in DIALOG_FORMING
    (uri,) = recorded(said=Said(method, to=BOB))
    assert (uri.host, uri.port, uri.params["lr"], uri.transport) == ("127.0.0.1", 5060, None, None)


def test_p5_two_values_where_the_transport_changes_the_outer_first() -> None:
    outer, inner = recorded(leaves=TCP_FLOW)
    assert (outer.port, outer.params.get("transport")) == (5070, "tcp")
    assert (inner.port, inner.params.get("transport")) == (5060, None)


@pytest.mark.parametrize(
    ("transport", "parameter"), [(TCP, "tcp"), (TLS, "tls"), (WS, "ws"), (WSS, "ws"), (UDP, None)]
)
def test_p5_the_uri_says_its_transport(transport: str, parameter: str | None) -> None:
    via = f"SIP/2.0/{transport.upper()} 127.0.0.1:5070".encode()
    flow = Flow(Endpoint(transport, "127.0.0.1", 5070, via), "192.0.2.8", 40000, 3)
    (uri,) = recorded(came=flow, leaves=flow)
    assert (uri.port, uri.params.get("transport")) == (5070, parameter)


def test_p17_the_token_of_the_call_id_proves_a_dialog() -> None:
    routes = recorded(leaves=TCP_FLOW)
    assert is_read(routes)
    assert is_read(routes[1:])
    assert not is_read(routes, Said(call_id=b"another call"))
    assert not is_read([])
    assert not is_read(routes, by=RecordRoute(b"x" * 32))


@pytest.mark.parametrize("text", ["", "00", "\u00e9", "x" * 24, "A" * 90, "A" * 2000, "=", "-_-_"])
def test_p17_a_forged_token_is_refused(text: str) -> None:
    assert not is_read([SipUri("sip", None, "127.0.0.1", 5060, {"lr": None, "dlg": text})])


@pytest.mark.parametrize(
    ("came", "leaves"), [(UDP_FLOW, TCP_FLOW), (TCP_FLOW, UDP_FLOW), (IPV6_FLOW, IPV6_FLOW)]
)
def test_p14_the_token_names_the_flow_of_each_peer(came: Flow, leaves: Flow) -> None:
    (found,), from_caller = OURS.read(Said().request(), recorded(came, leaves))
    assert from_caller
    assert found.caller.name([came.endpoint]) == repr(came)
    assert found.callee.name([leaves.endpoint]) == repr(leaves)
    assert found.callee.name([]) == "", "that listener is no more"
    assert (found.caller.is_source_of(came), found.callee.is_source_of(leaves)) == (True, True)
    assert (found.ends_at, found.side, found.callee_aor) == (1_800_000_000, short_hash("side"), "")


def test_p14_another_connection_from_the_same_port_is_another_flow() -> None:
    place = place_of(TCP_FLOW)
    assert not place.is_source_of(Flow(TCP_FLOW.endpoint, TCP_FLOW.host, TCP_FLOW.port, 4))
    assert not Place("", b"", "", 0, 0).is_source_of(UDP_FLOW)


def test_p14_a_scoped_address_cannot_be_in_a_token() -> None:
    flow = Flow(IPV6_FLOW.endpoint, "fe80::1%eth0", 5060)
    (found,), _ = OURS.read(Said().request(), recorded(flow))
    assert found.caller.name([flow.endpoint]) == ""
    assert not found.caller.is_source_of(flow)


def test_p14_flags_instance_and_aor_are_read_back() -> None:
    flags, device = CALLER_IS_HIDDEN | CALLEE_IS_BOUND, short_hash("urn:uuid:1")
    said = DialogToken(flags, 5, short_hash("s"), place_of(TCP_FLOW), place_of(UDP_FLOW), device, "c@x")
    request = Said(to=BOB).request()
    routes = [SipUri.parse(value) for value in OURS.values(request, said, UDP_FLOW, UDP_FLOW)]
    (found,), _ = OURS.read(Said().request(), routes)
    assert found.flags & (CALLER_IS_HIDDEN | CALLEE_IS_BOUND) == CALLER_IS_HIDDEN | CALLEE_IS_BOUND
    assert (found.instance, found.callee_aor, found.ends_at) == (short_hash("urn:uuid:1"), "c@x", 5)


def test_p14_a_token_with_a_flipped_byte_is_refused() -> None:
    (uri,) = recorded(came=TCP_FLOW, leaves=TCP_FLOW)
    value = uri.params["dlg"]
    assert value is not None
    for at in range(len(value) - 1):
        uri.params["dlg"] = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
        assert not is_read([uri]), at


@pytest.mark.parametrize(
    "said",
    [
        Said(to=BOB),
        Said(from_=f"{ALICE};tag=other"),
        Said(from_="<sip:carol@example.test>;tag=a1"),
        Said(to="<sip:carol@example.test>;tag=b1"),
        Said(from_=f"{BOB};tag=a1", to=f"{ALICE};tag=b1"),
        Said(from_=f"{BOB};tag=b1", to=f"{ALICE};tag=x"),
        Said(b"REGISTER"),
        Said(b"PUBLISH"),
    ],
)
def test_p17_only_a_request_of_the_dialog_may_use_the_token(said: Said) -> None:
    """Refused: without a To tag, without the tag of the caller, with another peer, or with a method without dialogs."""
    assert not is_read(recorded(), said)


def test_p17_both_peers_may_use_the_token() -> None:
    routes = recorded()
    assert OURS.read(Said(b"BYE").request(), routes)[1]
    found, from_caller = OURS.read(Said(b"BYE", f"{BOB};tag=b1", f"{ALICE};tag=a1").request(), routes)
    assert (len(found), from_caller) == (1, False)


def test_p17_a_callee_with_the_tag_of_the_caller_is_the_callee() -> None:
    found, from_caller = OURS.read(Said(b"BYE", f"{BOB};tag=a1", f"{ALICE};tag=a1").request(), recorded())
    assert (len(found), from_caller) == (1, False)


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        (b"sip:alice@Example.TEST", b"sips:%61lice@example.test:5061;user=phone", True),
        (b"tel:+420-777", b"TEL:+420777;phone-context=x", True),
        (b"im:alice@x", b"IM:alice@x", True),
        (b"sip:Alice@x", b"sip:alice@x", False),
        (b"sip:alice@x", b"sip:x", False),
    ],
)
def test_p17_all_spellings_of_a_peer_are_accepted(one: bytes, other: bytes, are_same: bool) -> None:
    assert (peer(one) == peer(other)) is are_same


def test_p5_a_value_stays_short() -> None:
    """Phones keep the route set in fixed buffers: some 255 bytes for one URI."""
    for flow in (UDP_FLOW, TCP_FLOW, IPV6_FLOW):
        for text in OURS.values(Said(to=BOB).request(), token(flow, flow), flow, flow):
            assert len(text) < 200
            assert quote(text, safe=";:@=[]-_.") == text.decode()

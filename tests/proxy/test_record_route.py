"""Record-Route and the token of a dialog (rows P5, P17)."""

import pytest

from msilod.proxy.record_route import RecordRoute
from msilod.sip.flow import TCP, TLS, UDP, WS, WSS, Endpoint, Flow
from msilod.sip.uri import SipUri

OURS = RecordRoute(b"k" * 32)
UDP_FLOW = Flow(Endpoint(UDP, "127.0.0.1", 5060, b"SIP/2.0/UDP 127.0.0.1:5060"), "192.0.2.9", 5062)
TCP_FLOW = Flow(Endpoint(TCP, "127.0.0.1", 5070, b"SIP/2.0/TCP 127.0.0.1:5070"), "192.0.2.8", 40000, 3)


def recorded(
    method: bytes = b"INVITE", came: Flow = UDP_FLOW, leaves: Flow = UDP_FLOW, sent_by: bytes = b"192.0.2.9"
) -> list[SipUri]:
    return [SipUri.parse(value) for value in OURS.values(method, b"call", came, leaves, sent_by)]


@pytest.mark.parametrize("method", [b"MESSAGE", b"REGISTER", b"OPTIONS", b"BYE", b"ACK", b"PUBLISH", b"INFO"])
def test_p5_no_record_route_outside_dialog_forming_requests(method: bytes) -> None:
    assert recorded(method) == []


@pytest.mark.parametrize("method", [b"INVITE", b"SUBSCRIBE", b"REFER"])
def test_p5_one_value_for_one_listener(method: bytes) -> None:
    (uri,) = recorded(method)
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


def test_p17_a_dialog_proves_itself_by_the_token_of_its_call_id() -> None:
    routes = recorded(leaves=TCP_FLOW)
    assert OURS.is_in_dialog(routes, b"call")
    assert OURS.is_in_dialog(routes[1:], b"call")
    assert not OURS.is_in_dialog(routes, b"another call")
    assert not OURS.is_in_dialog((), b"call")
    assert not RecordRoute(b"x" * 32).is_in_dialog(routes, b"call")


@pytest.mark.parametrize("token", ["", "00", "\u00e9", "x" * 24])
def test_p17_a_forged_token_is_none(token: str) -> None:
    uri = SipUri("sip", None, "127.0.0.1", 5060, {"lr": None, "dlg": token})
    assert not OURS.is_in_dialog([uri], b"call")


@pytest.mark.parametrize(
    ("came", "sent_by", "is_hidden"),
    [(UDP_FLOW, b"192.0.2.9", False), (UDP_FLOW, b"10.0.0.1", True), (TCP_FLOW, b"192.0.2.8", True)],
)
def test_p14_a_hidden_callers_flow_is_named(came: Flow, sent_by: bytes, is_hidden: bool) -> None:
    routes = recorded(came=came, sent_by=sent_by)
    assert OURS.flow_of(routes, b"call") == (repr(came) if is_hidden else "")
    assert OURS.is_in_dialog(routes, b"call")


@pytest.mark.parametrize("name", ["dlg", "flow"])
def test_p14_a_flipped_byte_is_no_token(name: str) -> None:
    (uri,) = recorded(came=TCP_FLOW, leaves=TCP_FLOW)
    value = uri.params[name]
    assert value is not None
    uri.params[name] = ("0" if value[0] != "0" else "1") + value[1:]
    assert not OURS.is_in_dialog([uri], b"call")
    assert OURS.flow_of([uri], b"call") == ""


def test_p14_a_flow_of_another_call_is_none() -> None:
    routes = recorded(came=TCP_FLOW)
    assert OURS.flow_of(routes, b"another") == ""
    del routes[0].params["flow"]
    assert not OURS.is_in_dialog(routes[:1], b"call"), "the token covers it"

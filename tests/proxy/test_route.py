"""Route information preprocessing, RFC 3261 §16.4 (row P2)."""

import pytest

from msilod.errors import MalformedMessage
from msilod.proxy.route import preprocess_route
from msilod.sip.message import Request
from tests.proxy.wire import is_myself, request


def preprocessed(**kind: str) -> Request:
    made = request(**kind)
    preprocess_route(made, is_myself)
    return made


def test_p2_a_preloaded_route_with_our_address_is_removed() -> None:
    made = preprocessed(extra="Route: <sip:127.0.0.1:5060;transport=udp;lr>\r\n")
    assert b"route" not in made.headers
    assert made.uri == b"sip:bob@example.test"


@pytest.mark.parametrize(
    "lines",
    [
        "Route: <sip:127.0.0.1;lr>, <sip:edge.test;lr>,<sip:next.test;lr>\r\n",
        "Route: <sip:127.0.0.1;lr>\r\nRoute: <sip:edge.test;lr>,<sip:next.test;lr>\r\n",
        "Route: <sip:127.0.0.1;transport=tcp;lr>, <sip:127.0.0.1;lr>\r\nRoute: <sip:edge.test;lr>,"
        "<sip:next.test;lr>\r\n",
    ],
)
def test_p2_other_routes_stay_in_order(lines: str) -> None:
    assert preprocessed(extra=lines).headers.split(b"route") == [b"<sip:edge.test;lr>", b"<sip:next.test;lr>"]


@pytest.mark.parametrize("route", ["<sip:edge.test;lr>", "<sip:127.0.0.1:6000;lr>", "<tel:110>"])
def test_p2_a_foreign_route_is_not_changed_by_a_byte(route: str) -> None:
    made = request(extra=f"rOUTE:   {route} \r\nSubject: s\r\n")
    before = list(made.headers.fields)
    preprocess_route(made, is_myself)
    assert made.headers.fields == before


def test_p2_a_route_of_ours_behind_a_foreign_one_stays() -> None:
    made = preprocessed(extra="Route: <sip:edge.test;lr>, <sip:127.0.0.1;lr>\r\n")
    assert made.headers.split(b"route") == [b"<sip:edge.test;lr>", b"<sip:127.0.0.1;lr>"]


def test_p2_an_unreadable_first_route_is_400() -> None:
    with pytest.raises(MalformedMessage) as caught:
        preprocessed(extra="Route: <sip:edge\r\n")
    assert caught.value.status == 400


def test_p2_the_rewriting_of_a_strict_router_is_undone() -> None:
    made = preprocessed(uri="sip:127.0.0.1;lr", extra="Route: <sip:edge.test>, <sip:bob@192.0.2.9>\r\n")
    assert made.uri == b"sip:bob@192.0.2.9"
    assert made.headers.split(b"route") == [b"<sip:edge.test>"]


def test_p2_the_rewriting_of_a_strict_router_before_a_route_of_ours_is_undone() -> None:
    made = preprocessed(uri="sip:127.0.0.1;lr", extra="Route: <sip:127.0.0.1;lr>, <sip:bob@192.0.2.9>\r\n")
    assert made.uri == b"sip:bob@192.0.2.9"
    assert b"route" not in made.headers


@pytest.mark.parametrize("uri", ["sip:example.test", "sip:bob@example.test;lr", "sip:edge.test;lr"])
def test_p2_a_request_uri_not_recorded_by_us_stays(uri: str) -> None:
    assert preprocessed(uri=uri, extra="Route: <sip:edge.test;lr>\r\n").uri == uri.encode()


@pytest.mark.parametrize(
    ("uri", "left"),
    [
        ("sip:bob@far.test;maddr=127.0.0.1", b"sip:bob@far.test"),
        ("sip:bob@far.test:5060;transport=tcp;ob;MADDR=127.0.0.1", b"sip:bob@far.test;ob"),
        ("sip:bob@far.test:6000;maddr=127.0.0.1", b"sip:bob@far.test:6000;maddr=127.0.0.1"),
        ("sip:bob@far.test;maddr=192.0.2.77", b"sip:bob@far.test;maddr=192.0.2.77"),
        ("sip:maddr@far.test;x=maddr", b"sip:maddr@far.test;x=maddr"),
    ],
)
def test_p2_a_maddr_with_our_address_is_removed_with_port_and_transport(uri: str, left: bytes) -> None:
    assert preprocessed(uri=uri).uri == left

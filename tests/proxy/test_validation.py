"""Request validation in the order of RFC 3261 §16.3 (row P1; P6 and P16.3(4) with test_forwarding.py)."""

import pytest

from msilod.errors import SipError
from msilod.proxy.forwarding import branch_for, loop_hash
from msilod.proxy.route import preprocess_route
from msilod.proxy.validation import validate
from msilod.sip.message import Request, build_response
from msilod.sip.uri import SipUri
from tests.proxy.wire import OWN_SENT_BY, is_myself, is_own_via, parsed, request

RANDOM = b"0123456789abcdef"


def refusal(made: Request) -> SipError:
    with pytest.raises(SipError) as caught:
        validate(made, is_myself, is_own_via)
    return caught.value


def came_back(sent: Request, **changes: str) -> Request:
    """`sent`, forwarded by us straight to ourselves, with `changes` on the way."""
    behind = sent.copy()
    preprocess_route(behind, is_myself)
    branch = branch_for(RANDOM, loop_hash(behind))
    again = request(**changes)
    again.headers.fields.insert(0, (b"via", b"Via: SIP/2.0/UDP %b;branch=%b" % (OWN_SENT_BY, branch)))
    return parsed(again.to_bytes())


@pytest.mark.parametrize(
    "from_",
    [
        "<sip:a@example.test>;tag=a",
        '"Alice, Liddell" <sip:a@example.test>;tag=a',
        '"A \\"quoted\\" one" <sip:a@example.test>;tag=a',
        '""<sip:a@example.test>;tag=a',
        "Alice <sip:a@example.test>;tag=a",
        "sip:a@example.test;tag=a",
        "<tel:+358-555-1234567>;tag=a",
    ],
)
def test_p1_requests_of_real_phones_pass(from_: str) -> None:
    validate(request(from_=from_), is_myself, is_own_via)


@pytest.mark.parametrize(
    "address",
    ["<sip:a", '"A" <sip:a', '"A <sip:a@b>', '"A" x <sip:a@b>', "a@b", "", '"A" <sip:a b@c>', "<sip:a@b> x"],
)
def test_p1_an_unreadable_from_or_to_is_400(address: str) -> None:
    for field in (b"from", b"to"):
        made = request()
        line = b"%b: %b" % (field.title(), address.encode())
        made.headers.fields = [(n, line if n == field else text) for n, text in made.headers.fields]
        assert refusal(parsed(made.to_bytes())).status == 400


def test_p1_unknown_scheme_is_416() -> None:
    assert refusal(request(uri="nobodyknows:x")).status == 416


def test_p1_max_forwards_0_is_483_but_an_options_for_us_may_be_answered() -> None:
    assert refusal(request(hops="0")).status == 483
    assert refusal(request("OPTIONS", "sip:x@elsewhere.test", hops="0")).status == 483
    assert refusal(request("OPTIONS", "sip:x@example.test", hops="0")).status == 483
    validate(request("OPTIONS", "sip:example.test", hops="0"), is_myself)
    validate(request(hops="1"), is_myself)
    validate(request(hops=""), is_myself)


@pytest.mark.parametrize("hops", ["256", "x", "-1", "+1", "1_0", "7 0", "9" * 5000])
def test_p1_a_bad_max_forwards_is_400(hops: str) -> None:
    made = request()
    line = b"Max-Forwards: " + hops.encode()
    made.headers.fields = [(n, line if n == b"max-forwards" else text) for n, text in made.headers.fields]
    assert refusal(parsed(made.to_bytes())).status == 400


def test_p1_proxy_require_is_420_with_the_unsupported_tags() -> None:
    caught = refusal(request(extra="Proxy-Require: a, b\r\nProxy-Require: c\r\n"))
    assert caught.status == 420
    assert caught.headers == ((b"Unsupported", b"a, b, c"),)
    validate(request(extra="Proxy-Require:\r\n"), is_myself)


def test_p1_the_unsupported_tags_in_a_420_are_bounded_and_can_be_sent() -> None:
    many = ", ".join(f"tag{number}" for number in range(500))
    ((_, value),) = refusal(request(extra=f"Proxy-Require: {many}\r\n")).headers
    assert value.count(b",") == 15
    nul = request(extra="Proxy-Require: a\0b\r\n")
    caught = refusal(nul)
    assert caught.status == 400
    assert build_response(nul, caught.status, headers=caught.headers).status == 400


@pytest.mark.parametrize(
    ("made", "status"),
    [
        (dict(uri="nobodyknows:x", from_="<sip:a"), 400),
        (dict(uri="nobodyknows:x", hops="0"), 416),
        (dict(hops="0", extra="Proxy-Require: a\r\n"), 483),
    ],
)
def test_p1_the_first_fault_in_the_order_of_the_rfc_is_reported(made: dict[str, str], status: int) -> None:
    assert refusal(request(**made)).status == status


def test_p1_p6_a_loop_is_checked_before_proxy_require() -> None:
    again = came_back(request(), extra="Proxy-Require: a\r\n")
    assert refusal(again).status == 482


def test_p1_an_already_parsed_uri_is_used() -> None:
    validate(request(uri="nobodyknows:x"), is_myself, is_own_via, SipUri.parse("sip:bob@example.test"))


def test_p6_the_same_request_again_is_482() -> None:
    assert refusal(came_back(request())).status == 482


def test_p6_a_loop_under_another_method_is_a_loop() -> None:
    assert refusal(came_back(request("MESSAGE"), method="INFO")).status == 482


def test_p6_a_loop_through_a_route_with_our_address_is_found() -> None:
    route = "Route: <sip:127.0.0.1;lr>\r\n"
    assert refusal(came_back(request(extra=route), extra=route)).status == 482


@pytest.mark.parametrize(
    "changes",
    [
        dict(uri="sip:carol@example.test"),
        dict(extra="Route: <sip:edge.test;lr>\r\n"),
        dict(from_="<sip:a@example.test>;tag=b"),
        dict(to="<sip:bob@example.test>;tag=b"),
    ],
)
def test_p6_a_spiral_goes_on(changes: dict[str, str]) -> None:
    validate(came_back(request(), **changes), is_myself, is_own_via)


def test_p6_hops_and_headers_added_on_the_way_make_no_spiral() -> None:
    assert (
        refusal(came_back(request(), hops="3", extra="X-Seen: 1\r\nRecord-Route: <sip:p;lr>\r\n")).status
        == 482
    )


def test_p6_a_stranger_with_our_hash_is_no_loop() -> None:
    validate(came_back(request()), is_myself, lambda sent_by: False)


@pytest.mark.parametrize(
    "via", ["SIP/2.0/SCTP x.test;branch=z9hG4bK1", "garbage", "SIP/2.0/UDP ;;", "HTTP/1.1"]
)
def test_p6_a_foreign_via_form_is_accepted(via: str) -> None:
    made = request(extra=f"Via: {via}\r\n")
    validate(made, is_myself, is_own_via)
    looped = came_back(request(), extra=f"Via: {via}\r\n")
    assert refusal(looped).status == 482

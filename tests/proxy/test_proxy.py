"""Where a request goes: rows P1 to P9 of the checklist, as far as the pure room decides them."""

import pytest

from msilod.errors import SipError
from msilod.proxy.forwarding import branch_for, forward_request, is_loop, loop_hash, target_uri
from msilod.proxy.response_context import best_response
from msilod.proxy.route import preprocess_route
from msilod.proxy.target_set import Target, target_set
from msilod.proxy.validation import validate
from msilod.registrar.binding import Binding
from msilod.sip.flow import UDP, Endpoint, Flow
from msilod.sip.message import Request, Response, build_response
from msilod.sip.parser import parse
from msilod.sip.uri import SipUri

FLOW = Flow(Endpoint(UDP, "127.0.0.1", 5060, b"SIP/2.0/UDP 127.0.0.1:5060"), "192.0.2.9", 5062)


def is_myself(uri: SipUri) -> bool:
    return uri.host in ("example.test", "127.0.0.1")


def request(
    method: str = "MESSAGE", uri: str = "sip:bob@example.test", extra: str = "", hops: str = "70"
) -> Request:
    forwards = f"Max-Forwards: {hops}\r\n" if hops else ""
    data = (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKtop\r\n{forwards}"
        "From: <sip:a@example.test>;tag=a\r\nTo: <sip:bob@example.test>\r\n"
        f"Call-ID: c\r\nCSeq: 1 {method}\r\n{extra}Content-Length: 0\r\n\r\n"
    )
    made = parse(data.encode())
    assert isinstance(made, Request)
    return made


def refusal(made: Request) -> SipError:
    with pytest.raises(SipError) as caught:
        validate(made, is_myself, lambda sent_by: sent_by == b"127.0.0.1:5060")
    return caught.value


def test_p1_max_forwards_0_is_483() -> None:
    assert refusal(request(hops="0")).status == 483
    validate(request("OPTIONS", hops="0"), is_myself)


def test_p1_unknown_scheme_is_416() -> None:
    assert refusal(request(uri="nobodyknows:x")).status == 416


def test_p1_proxy_require_is_420_and_says_what() -> None:
    caught = refusal(request(extra="Proxy-Require: a, b\r\n"))
    assert caught.status == 420
    assert caught.headers == ((b"Unsupported", b"a, b"),)


@pytest.mark.parametrize("hops", ["256", "x", "-1"])
def test_p1_a_bad_max_forwards_is_400(hops: str) -> None:
    assert refusal(request(hops=hops)).status == 400


def test_p1_an_unreadable_from_is_400() -> None:
    made = request()
    made.headers.fields = [
        (name, b"From: <sip:a" if name == b"from" else line) for name, line in made.headers.fields
    ]
    assert refusal(made).status == 400


def test_p2_a_first_route_that_names_us_goes_and_others_stay() -> None:
    made = request(extra="Route: <sip:127.0.0.1;lr>, <sip:edge.test;lr>\r\n")
    preprocess_route(made, is_myself)
    assert made.headers.split(b"route") == [b"<sip:edge.test;lr>"]
    other = request(extra="Route: <sip:edge.test;lr>\r\n")
    preprocess_route(other, is_myself)
    assert other.headers.split(b"route") == [b"<sip:edge.test;lr>"]


def test_p2_what_a_strict_router_did_is_undone() -> None:
    made = request(uri="sip:127.0.0.1;lr", extra="Route: <sip:edge.test>, <sip:bob@192.0.2.9>\r\n")
    preprocess_route(made, is_myself)
    assert made.uri == b"sip:bob@192.0.2.9"
    assert made.headers.split(b"route") == [b"<sip:edge.test>"]


def test_p3_never_the_same_target_twice() -> None:
    bindings = [
        Binding("bob@example.test", contact, "c", 1, 9e9, 0.0, flow=FLOW)
        for contact in ("sip:x@y", "sip:x@y", "sip:z@y")
    ]
    assert [target.uri for target in target_set(bindings)] == ["sip:x@y", "sip:z@y"]


def test_p4_only_uri_hops_and_route_change() -> None:
    made = request(extra="Subject: s\r\nX-Odd:  kept  \r\nContact: <sip:foreign@x>\r\n")
    before = list(made.headers.fields)
    out = forward_request(made, Target("sip:bob@192.0.2.9;ob?Subject=x", path=("<sip:p1;lr>", "<sip:p2;lr>")))
    assert out.uri == b"sip:bob@192.0.2.9;ob"
    assert out.headers.get(b"max-forwards") == b"69"
    assert out.headers.split(b"route") == [b"<sip:p1;lr>", b"<sip:p2;lr>"]
    changed = (b"max-forwards", b"route")
    assert [f for f in out.headers.fields if f[0] not in changed] == [
        f for f in before if f[0] not in changed
    ]
    assert made.headers.fields == before, "the original is not touched"


def test_p4_max_forwards_is_added_when_absent() -> None:
    assert forward_request(request(hops=""), Target("sip:x@y"), 70).headers.get(b"max-forwards") == b"70"


@pytest.mark.parametrize(
    ("contact", "uri"),
    [("sip:a@b;method=INVITE", b"sip:a@b"), ("sip:a@b?x=y", b"sip:a@b"), ("sip:a@b;ob", b"sip:a@b;ob")],
)
def test_p4_a_contact_as_request_uri(contact: str, uri: bytes) -> None:
    assert target_uri(contact) == uri


def test_p5_record_route_never_on_a_message() -> None:
    assert b"record-route" not in forward_request(request(), Target("sip:x@y"), 70, b"sip:me;lr").headers
    invite = forward_request(request("INVITE"), Target("sip:x@y"), 70, b"sip:me;lr")
    assert invite.headers.get(b"record-route") == b"<sip:me;lr>"


def test_p6_the_same_request_again_is_a_loop_and_another_uri_a_spiral() -> None:
    made = request()
    branch = branch_for(b"0123456789abcdef", loop_hash(made))
    own = f"SIP/2.0/UDP 127.0.0.1:5060;branch={branch.decode()}"
    again = request(extra=f"Via: {own}\r\n")
    assert is_loop(again, lambda sent_by: sent_by == b"127.0.0.1:5060")
    assert refusal(again).status == 482
    assert not is_loop(request(uri="sip:carol@example.test", extra=f"Via: {own}\r\n"), lambda sent_by: True)
    assert not is_loop(again, lambda sent_by: False), "a stranger's Via says nothing"


def finals(*statuses: int) -> list[Response]:
    return [build_response(request(), status) for status in statuses]


@pytest.mark.parametrize(
    ("statuses", "best"),
    [((404, 603), {603}), ((486, 404), {404, 486}), ((500, 404), {404}), ((404, 407), {407}),
     ((480, 415), {415}), ((503,), {500}), ((503, 504), {504}), ((302, 404), {302})],
)  # fmt: skip
def test_p8_the_best_response(statuses: tuple[int, ...], best: set[int]) -> None:
    assert best_response(finals(*statuses)).status in best


def test_p8_p9_challenges_are_merged_in_their_order() -> None:
    first, second = finals(401, 407)
    first.headers.add(b"WWW-Authenticate", b"Digest one")
    second.headers.add(b"Proxy-Authenticate", b"Digest two")
    second.headers.add(b"Proxy-Authenticate", b"Digest three")
    best = best_response([first, second])
    assert best.headers.get_all(b"www-authenticate") == [b"Digest one"]
    assert best.headers.get_all(b"proxy-authenticate") == [b"Digest two", b"Digest three"]

"""Request forwarding, RFC 3261 §16.6 (rows P4, P5, R11) and the parts of a branch (P6)."""

import pytest

from msilod.errors import MalformedMessage, SipError
from msilod.proxy.forwarding import (
    DELIVERY,
    branch_for,
    forward_request,
    is_delivery,
    loop_hash,
    next_hop,
    share_of_breadth,
)
from msilod.proxy.target_set import Target
from msilod.sip.uri import request_uri
from tests.proxy.wire import is_own_via, request


def test_p4_only_uri_hops_and_route_change() -> None:
    made = request(extra="Subject: s\r\nX-Odd:  kept  \r\nContact: <sip:foreign@x>\r\nv: SIP/2.0/UDP q\r\n")
    before = list(made.headers.fields)
    out = forward_request(made, Target("sip:bob@192.0.2.9;ob?Subject=x", path=("<sip:p1;lr>", "<sip:p2;lr>")))
    assert out.uri == b"sip:bob@192.0.2.9;ob"
    assert out.headers.get(b"max-forwards") == b"69"
    assert out.headers.split(b"route") == [b"<sip:p1;lr>", b"<sip:p2;lr>"]
    changed = (b"max-forwards", b"route", b"max-breadth")
    assert [f for f in out.headers.fields if f[0] not in changed] == [
        f for f in before if f[0] not in changed
    ]
    assert made.headers.fields == before, "the original is not touched"
    assert made.uri == b"sip:bob@example.test"


@pytest.mark.parametrize(
    ("hops", "out"), [("70", b"69"), ("1", b"0"), ("255", b"254"), ("", b"33"), ("007", b"6")]
)
def test_p4_max_forwards_is_decremented_or_added(hops: str, out: bytes) -> None:
    assert forward_request(request(hops=hops), Target("sip:x@y"), 33).headers.get_all(b"max-forwards") == [
        out
    ]


@pytest.mark.parametrize(
    ("contact", "uri"),
    [
        ("sip:a@b;method=INVITE", b"sip:a@b"),
        ("sip:a@b;%6dethod=INVITE;ob", b"sip:a@b;ob"),
        ("sip:a@b;METHOD=INVITE;x=1", b"sip:a@b;x=1"),
        ("sip:a@b?x=y", b"sip:a@b"),
        ("sip:a@b;transport=tcp?Route=%3Csip:evil%3E", b"sip:a@b;transport=tcp"),
        ("sip:a@b;ob", b"sip:a@b;ob"),
        ("sip:method@B.test;x=%41", b"sip:method@B.test;x=%41"),
        ("sip:a?b@c", b"sip:a?b@c"),
        ("sip:a@[2001:db8::9]:5070;transport=ws", b"sip:a@[2001:db8::9]:5070;transport=ws"),
    ],
)
def test_p4_a_contact_as_request_uri(contact: str, uri: bytes) -> None:
    assert request_uri(contact) == uri


def test_p4_r11_the_path_is_before_the_routes_of_the_request() -> None:
    made = request(extra="Route: <sip:far.test;lr>\r\n")
    out = forward_request(made, Target("sip:x@y", path=("<sip:p1;lr>", "<sip:p2;lr>")))
    assert out.headers.split(b"route") == [b"<sip:p1;lr>", b"<sip:p2;lr>", b"<sip:far.test;lr>"]


@pytest.mark.parametrize(
    "first", ["<sip:p1;lr>", "<sip:p1;lr;x>", "<sip:p1;lr=on>", "<sip:p1;%6C%72>", "<tel:1>"]
)
def test_p4_a_loose_router_keeps_its_route(first: str) -> None:
    out = forward_request(request(), Target("sip:x@y", path=(first,)))
    assert (out.uri, out.headers.split(b"route")) == (b"sip:x@y", [first.encode()])


@pytest.mark.parametrize(
    "strict", ["<sip:p1>", "<sip:lr@p1>", "<sip:p1;lrx>", '"x;lr" <sip:p1;transport=tcp>']
)
def test_p4_a_strict_router_gets_the_request_uri(strict: str) -> None:
    out = forward_request(request(), Target("sip:x@y?a=b", path=(strict, "<sip:p2;lr>")))
    assert b"<%b>" % out.uri == strict.encode()[strict.index("<") :]
    assert out.headers.split(b"route") == [b"<sip:p2;lr>", b"<sip:x@y>"]


def test_p4_the_next_hop_is_path_then_route_then_the_target() -> None:
    plain, routed = request(), request(extra="Route: <sip:far.test;lr>, <sip:further.test;lr>\r\n")
    assert str(next_hop(plain, Target("sip:x@y:5070;transport=tcp"))) == "sip:x@y:5070;transport=tcp"
    assert str(next_hop(routed, Target("sip:x@y"))) == "sip:far.test;lr"
    assert str(next_hop(routed, Target("sip:x@y", path=('"P" <sip:p1:5080;lr>;x=1',)))) == "sip:p1:5080;lr"
    with pytest.raises(MalformedMessage):
        next_hop(plain, Target("sip:x@y", path=("garbage",)))


def test_p5_our_record_route_is_before_those_of_others() -> None:
    made = request("INVITE", extra="Record-Route: <sip:before.test;lr>\r\n")
    out = forward_request(made, Target("sip:x@y"), 70, (b"sip:out;lr", b"sip:in;lr"))
    assert out.headers.split(b"record-route") == [b"<sip:out;lr>", b"<sip:in;lr>", b"<sip:before.test;lr>"]
    assert b"record-route" not in forward_request(request("INVITE"), Target("sip:x@y")).headers


@pytest.mark.parametrize(
    ("asked", "branches", "share"),
    [(None, 1, 60), (None, 7, 8), ("60", 2, 30), ("4", 3, 1), ("1", 1, 1), ("9999", 2, 30), ("0", 0, 0)],
)
def test_p7_parallel_branches_share_the_breadth(asked: str | None, branches: int, share: int) -> None:
    made = request(extra="" if asked is None else f"Max-Breadth: {asked}\r\n")
    assert share_of_breadth(made, branches) == share
    out = forward_request(made, Target("sip:x@y"), breadth=share)
    assert out.headers.get_all(b"max-breadth") == [b"%d" % share]


@pytest.mark.parametrize(
    ("asked", "branches", "status"), [("1", 2, 440), ("0", 1, 440), ("x", 1, 400), ("-1", 1, 400)]
)
def test_p7_too_little_breadth_is_440(asked: str, branches: int, status: int) -> None:
    with pytest.raises(SipError) as caught:
        share_of_breadth(request(extra=f"Max-Breadth: {asked}\r\n"), branches)
    assert caught.value.status == status


def test_p5_no_contact_is_added_and_a_foreign_contact_is_kept() -> None:
    assert b"contact" not in forward_request(request(), Target("sip:x@y")).headers
    out = forward_request(request(extra="Contact: <sip:a@b>\r\n"), Target("sip:x@y"))
    assert out.headers.get_all(b"contact") == [b"<sip:a@b>"]


def test_p6_a_branch_has_the_cookie_the_random_and_the_loop_part() -> None:
    assert branch_for(b"aa55", b"00ff") == b"z9hG4bKaa55.00ff"
    assert branch_for(b"aa55", b"") == b"z9hG4bKaa55"


def test_p6_the_loop_hash_depends_on_routing_and_on_the_identity_of_the_request() -> None:
    same = loop_hash(request())
    assert len(same) == 16
    assert loop_hash(request("INFO", hops="3", extra="Subject: x\r\n")) == same, "not on method or hops"
    other_call, other_cseq = request(), request()
    other_call.call_id, other_cseq.cseq = b"d", 2
    others = [
        request(uri="sip:carol@example.test"),
        request(extra="Route: <sip:p;lr>\r\n"),
        request(extra="Route: <sip:q;lr>\r\n"),
        request(from_="<sip:a@example.test>;tag=b"),
        request(to="<sip:bob@example.test>;tag=b"),
        other_call,
        other_cseq,
    ]
    assert len({same, *map(loop_hash, others)}) == 1 + len(others)


def test_p6_the_loop_hash_depends_on_the_topmost_route_only() -> None:
    one_line = loop_hash(request(extra="Route: <sip:p;lr>, <sip:q;lr>\r\n"))
    assert loop_hash(request(extra="Route: <sip:p;lr>\r\nRoute: <sip:q;lr>\r\n")) == one_line
    assert loop_hash(request(extra="Route: <sip:p;lr>\r\n")) == one_line


def via(sent_by: bytes, loop: bytes) -> str:
    return (b"Via: SIP/2.0/UDP %b;branch=%b\r\n" % (sent_by, branch_for(b"0123456789abcdef", loop))).decode()


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (via(b"127.0.0.1:5060", DELIVERY), True),
        (via(b"192.0.2.5", b"").rstrip() + ", " + via(b"127.0.0.1:5060", DELIVERY)[5:], True),
        (via(b"127.0.0.1:5060", b"0123456789abcdef"), False),
        (via(b"127.0.0.1:5060", b""), False),
        (via(b"192.0.2.1:5060", DELIVERY), False),
        ("Via: nonsense\r\n", False),
        ("", False),
    ],
)
def test_w7_our_own_delivery_is_recognized_when_it_comes_back(extra: str, expected: bool) -> None:
    assert is_delivery(request(extra=extra), is_own_via) is expected

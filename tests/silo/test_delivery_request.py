"""The request of a delivery: the parts copied from the row, and the new parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msilod.errors import MalformedMessage
from msilod.registrar.binding import Binding
from msilod.silo.compose.delivery_request import build_delivery, next_hop_of, outbound_route
from msilod.silo.intake.acceptance import accept
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.sip.message import Request
from msilod.sip.parser import parse
from tests.silo.fake_daemon import AOR
from tests.silo.wire import SENDER, VIA, message

WALL = 1_700_000_000.0
POLICY = SiloPolicy()
CONTACT = "sip:bob@198.51.100.7:5062"


def stored(*lines: bytes, **parts: bytes) -> StoredMessage:
    return accept(message(*lines, **parts), AOR, SENDER, POLICY, WALL)


def delivered(row: StoredMessage, uri: str = CONTACT, policy: SiloPolicy = POLICY) -> Request:
    return build_delivery(row, uri, (), policy, 0.0, next_hop=next_hop_of(row, contact_of(), policy))


def contact_of(path: tuple[str, ...] = (), next_hop: str = "") -> Binding:
    return Binding(AOR, CONTACT, "c", 1, WALL + 600, WALL, path=path, next_hop=next_hop)


def reparsed(request: Request) -> Request:
    """The request as a phone reads it, with the Via of the transaction layer."""
    twin = request.copy()
    twin.headers.prepend(b"Via", VIA[5:])
    read = parse(twin.to_bytes())
    assert isinstance(read, Request)
    return read


def test_a_delivery_has_the_headers_and_body_of_the_sender() -> None:
    row = stored(b"Subject: Hi", b"Date: Sat, 13 Nov 2010 23:29:00 GMT", b"X-A: 1", b"Expires: 99999")
    assert delivered(row).to_bytes() == (
        b"MESSAGE sip:bob@198.51.100.7:5062 SIP/2.0\r\n"
        b"Max-Forwards: 70\r\n"
        b'From: "Alice" <sip:alice@example.test>;tag=1928\r\n'
        b"To: <sip:bob@example.test>\r\n"
        b"Call-ID: c1@pc\r\n"
        b"CSeq: 7 MESSAGE\r\n"
        b"Subject: Hi\r\n"
        b"Date: Sat, 13 Nov 2010 23:29:00 GMT\r\n"
        b"X-A: 1\r\n"
        b"Expires: 99999\r\n"
        b"Content-Type: text/plain;charset=UTF-8\r\n"
        b"Content-Length: 5\r\n\r\nHello"
    )


def test_a_message_without_date_gets_the_time_of_receipt() -> None:
    assert delivered(stored()).headers.get_all(b"date") == [b"Tue, 14 Nov 2023 22:13:20 GMT"]


def test_an_unreadable_date_of_the_sender_is_kept() -> None:
    assert delivered(stored(b"Date: yesterday")).headers.get_all(b"date") == [b"yesterday"]


def test_g1_a_delivery_has_no_contact_via_or_record_route() -> None:
    request = delivered(stored(b"Contact: <sip:alice@h>", b"Record-Route: <sip:r;lr>"))
    assert all(name not in request.headers for name in (b"contact", b"via", b"record-route", b"route"))


def test_to_loses_only_its_tag() -> None:
    row = stored(to=b'To: "Tag" <sip:bob@example.test;x=tag>;a=1;Tag=99;b')
    assert delivered(row).headers.get(b"to") == b'"Tag" <sip:bob@example.test;x=tag>;a=1;b'
    row = stored(to=b"To: sip:tagger@example.test")
    assert delivered(row).headers.get(b"to") == b"sip:tagger@example.test"


def test_an_empty_content_type_adds_no_header() -> None:
    request = delivered(stored(content_type=b"X-None: 1"))
    assert b"content-type" not in request.headers
    assert request.body == b"Hello"


# --- Call-ID --------------------------------------------------------------------------------------


def test_the_call_id_is_kept() -> None:
    request = build_delivery(stored(), CONTACT, (), POLICY, 0.0, call_id=b"fresh")
    assert (request.call_id, request.headers.get(b"call-id")) == (b"c1@pc", b"c1@pc")
    assert request.cseq == 7


def test_law9_a_different_message_under_a_used_call_id_has_a_new_call_id() -> None:
    row = stored()
    row.delivery_call_id = b"own"
    assert delivered(row).call_id == b"own"


def test_with_a_new_call_id_by_policy_the_given_call_id_is_used() -> None:
    policy = SiloPolicy(call_id="new")
    assert build_delivery(stored(), CONTACT, (), policy, 0.0, call_id=b"fresh").call_id == b"fresh"
    assert delivered(stored(), policy=policy).call_id == b"c1@pc"


# --- destination ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "uri"),
    [
        ("sip:bob@198.51.100.7:5062;ob", b"sip:bob@198.51.100.7:5062;ob"),
        ("sip:x@r.invalid;transport=ws;x=%41", b"sip:x@r.invalid;transport=ws;x=%41"),
        ("sip:bob@h;method=INVITE;a;b=c?Route=%3Csip:x%3E", b"sip:bob@h;a;b=c"),
        ("sip:bob@h?Subject=x", b"sip:bob@h"),
        ("sip:Bob%40x:pw@H.test;METHOD=x", b"sip:Bob%40x:pw@h.test"),
    ],
)
def test_p4_the_request_uri_is_the_contact_without_headers_and_method(contact: str, uri: bytes) -> None:
    assert delivered(stored(), contact).uri == uri


@pytest.mark.parametrize("scheme", [b"sip", b"sips"])
def test_t17_the_scheme_is_the_scheme_of_the_sender(scheme: bytes) -> None:
    row = stored()
    row.request_uri = scheme + b":bob@example.test"
    assert delivered(row, "sips:bob@[2001:db8::1]:5061").uri == scheme + b":bob@[2001:db8::1]:5061"


def test_path_becomes_route_in_order() -> None:
    path = ("<sip:p1.test;lr>", "sip:p2.test;lr")
    policy = SiloPolicy(next_hop="sip:hop.test")
    hop = next_hop_of(stored(), contact_of(path), policy)
    request = build_delivery(stored(), CONTACT, path, policy, WALL, next_hop=hop)
    assert request.headers.get_all(b"route") == [b"<sip:p1.test;lr>", b"<sip:p2.test;lr>"]


def test_the_next_hop_of_the_message_precedes_that_of_the_dump_and_the_configured_one() -> None:
    policy, row = SiloPolicy(next_hop="sip:config.test"), stored()
    assert next_hop_of(row, contact_of(), SiloPolicy()) == ""
    assert next_hop_of(row, contact_of(), policy) == "sip:config.test"
    assert next_hop_of(row, contact_of(next_hop="sip:dump.test"), policy) == "sip:dump.test"
    row.next_hop = "sip:message.test"
    assert next_hop_of(row, contact_of(next_hop="sip:dump.test"), policy) == "sip:message.test"
    assert next_hop_of(row, contact_of(("<sip:edge.test;lr>",)), policy) == "", "RFC 3327 §5.3"


def test_a_next_hop_is_a_loose_router_with_or_without_lr() -> None:
    policy, row = SiloPolicy(next_hop="sip:127.0.0.1:5060"), stored()
    assert delivered(row, policy=policy).headers.get_all(b"route") == [b"<sip:127.0.0.1:5060;lr>"]
    row.next_hop = "sip:edge.test;transport=tcp;lr"
    request = delivered(row, policy=policy)
    assert request.headers.get_all(b"route") == [b"<sip:edge.test;transport=tcp;lr>"]


@pytest.mark.parametrize("contact", ["tel:+4930", "sip:b b@h", "sip:bob@h\r\nEvil: 1", "", "sip:bob@h>x"])
def test_a_contact_without_a_sip_uri_is_refused(contact: str) -> None:
    with pytest.raises(MalformedMessage):
        delivered(stored(), contact)


@pytest.mark.parametrize("hop", ["sip:p\r\nEvil: 1", "<sip:p>\r\nEvil: 1", "nonsense"])
def test_a_path_without_a_uri_is_refused(hop: str) -> None:
    with pytest.raises(MalformedMessage):
        build_delivery(stored(), CONTACT, (hop,), POLICY, 0.0)


def test_an_outbound_route_has_lr_once() -> None:
    assert outbound_route("sip:h;lr") == b"<sip:h;lr>"


# --- imported rows --------------------------------------------------------------------------------


def test_imported_headers_cannot_add_forbidden_headers() -> None:
    row = stored()
    row.headers = (
        b"Contact: <sip:x>\r\nContent-Length: 0\r\nv: SIP/2.0/UDP h\r\nAuthorization: x\r\nFrom: eve\r\n"
        b"no colon\r\n folded: 1\r\nbad name: 1\r\n: 1\r\nX-Kept: 1\r\n"
    )
    names = [name for name, _ in delivered(row).headers.fields]
    assert names == [
        b"max-forwards", b"from", b"to", b"call-id", b"cseq", b"x-kept", b"date", b"content-type",
    ]  # fmt: skip


@pytest.mark.parametrize("stray", [b"\r", b"\n", b"\x00", b"\n\r", b"\n\n"])
def test_f13_stray_line_ends_in_imported_headers_make_no_new_line(stray: bytes) -> None:
    row = stored()
    row.headers = b"X: 1\r\nY: 2" + stray + b"Evil: 1\r\nZ: 3\r\n"
    text = delivered(row).to_bytes()
    assert b"Evil" not in text
    assert b"\r\nX: 1\r\nZ: 3\r\n" in text


@given(st.binary(max_size=300), st.lists(st.sampled_from([b"X-A: 1", b"Subject: \xff\x01", b"e: deflate"])))
def test_law5_body_and_headers_are_delivered_unchanged(body: bytes, lines: list[bytes]) -> None:
    request = message(*lines, body=body)
    read = reparsed(delivered(accept(request, AOR, SENDER, POLICY, WALL)))
    assert read.body == body
    assert [text for _, text in read.headers.fields if text in lines] == lines
    assert read.headers.get(b"content-type") == b"text/plain;charset=UTF-8"
    assert (read.call_id, read.cseq, read.from_.tag) == (b"c1@pc", 7, b"1928")


@given(st.binary(max_size=200))
def test_any_stored_header_bytes_make_a_readable_message(headers: bytes) -> None:
    row = stored()
    row.headers = headers
    text = delivered(row).to_bytes()
    head, _, body = text.partition(b"\r\n\r\n")
    assert body == b"Hello"
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert b"\x00" not in head


@pytest.mark.parametrize(
    ("privacy", "is_sent"),
    [(b"Privacy: id", False), (b"PRIVACY : header; ID", False), (b"Privacy: none", True), (b"X: id", True)],
)
def test_i2_the_identity_of_an_anonymous_sender_stays_hidden(privacy: bytes, is_sent: bool) -> None:
    row = stored(b"Subject: s", privacy)
    row.headers += b"P-Asserted-Identity: <sip:alice@example.test>\r\n"
    request = delivered(row)
    assert (b"p-asserted-identity" in request.headers) is is_sent
    assert request.headers.get(b"subject") == b"s"

"""m_store: the mailbox, the kept columns, the life of a message, and the refused messages."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msilod.errors import MalformedMessage, RequestRefused
from msilod.silo.intake.acceptance import Absorbed, SiloPolicy, accept, duplicate_hash, guard_registrar
from msilod.silo.stored_message import State
from msilod.sip.dates import format_date
from msilod.sip.message import Request
from msilod.sip.parser import parse
from tests.silo.fake_daemon import AOR
from tests.silo.wire import SENDER, message

WALL = 1_700_000_000.0
POLICY = SiloPolicy()
DAY = 86_400.0


def kept(request: Request, policy: SiloPolicy = POLICY) -> bytes:
    return accept(request, AOR, SENDER, policy, WALL).headers


def refusal(request: Request, policy: SiloPolicy = POLICY, aor: str = AOR) -> int:
    with pytest.raises(RequestRefused) as caught:
        accept(request, aor, SENDER, policy, WALL)
    return caught.value.status


# --- kept columns ---------------------------------------------------------------------------------


def test_columns_hold_the_values_as_received() -> None:
    row = accept(message(body=b"\x00\xff\r\n"), AOR, SENDER, POLICY, WALL)
    assert row.aor == AOR
    assert row.sender == "alice@example.test"
    assert row.request_uri == b"sip:bob@example.test"
    assert row.from_header == b'"Alice" <sip:alice@example.test>;tag=1928'
    assert row.to_header == b"<sip:bob@example.test>"
    assert (row.call_id, row.cseq) == (b"c1@pc", 7)
    assert row.content_type == b"text/plain;charset=UTF-8"
    assert (row.body, row.size) == (b"\x00\xff\r\n", 4)
    assert (row.received_at, row.state, row.attempts) == (WALL, State.WAITING, 0)


def test_end_to_end_headers_are_kept_as_lines_in_order() -> None:
    lines = [
        b"s: Hi  there", b"Date: Sat, 13 Nov 2010 23:29:00 GMT", b"X-Unknown:a", b"Privacy: none",
        b"Identity: abc", b"Content-Disposition: render", b"e: gzip", b"Supported: a", b"X-Unknown: b",
        b"Expires: 100000", b"User-Agent: \xc3\xa9",
    ]  # fmt: skip
    assert kept(message(*lines)) == b"\r\n".join([*lines, b""])


@pytest.mark.parametrize(
    "line",
    [
        b"Via: SIP/2.0/UDP h;branch=z9hG4bK2", b"Route: <sip:r;lr>", b"Record-Route: <sip:r;lr>",
        b"Path: <sip:p;lr>", b"Max-Forwards: 9", b"Max-Breadth: 5", b"Timestamp: 5", b"m: <sip:alice@h>",
        b"Contact: <sip:alice@h>", b"Authorization: Digest x", b"Proxy-Authorization: Digest x",
        b"Proxy-Require: x", b"Security-Client: x", b"Security-Server: x", b"Security-Verify: x",
        b"P-Asserted-Identity: <sip:eve@h>", b"P-Preferred-Identity: <sip:eve@h>",
        b"History-Info: <sip:x@h>;index=1", b"P-Charging-Vector: x", b"P-Charging-Function-Addresses: x",
    ],
)  # fmt: skip
def test_hop_by_hop_secret_and_asserted_headers_are_not_kept(line: bytes) -> None:
    assert kept(message(line, b"Subject: s")) == b"Subject: s\r\n"


def test_i1_an_asserted_identity_is_kept_from_a_trusted_peer_only() -> None:
    row = accept(message(b"P-Asserted-Identity: <sip:alice@h>"), AOR, SENDER, POLICY, WALL, is_trusted=True)
    assert row.headers == b"P-Asserted-Identity: <sip:alice@h>\r\n"


def test_a_message_without_further_headers_keeps_none() -> None:
    assert kept(message()) == b""


def test_a_body_without_content_type_is_kept_unchanged() -> None:
    row = accept(message(content_type=None), AOR, SENDER, POLICY, WALL)
    assert row.content_type == b""
    assert row.body == b"Hello"


def test_a_sender_without_a_sip_uri_is_stored_by_its_own_uri() -> None:
    assert accept(message(), AOR, "tel:+4930", POLICY, WALL).sender == "tel:+4930"


def test_g5_the_body_mpart01_is_kept_byte_for_byte() -> None:
    vectors = next(
        (
            p / "shared/vectors/rfc4475"
            for p in Path(__file__).parents
            if (p / "shared/vectors/rfc4475").is_dir()
        ),
        None,
    )
    if vectors is None:
        pytest.skip("the RFC 4475 messages are not here")
    data = (vectors / "mpart01.dat").read_bytes()
    request = parse(data)
    assert isinstance(request, Request)
    row = accept(request, AOR, SENDER, POLICY, WALL)
    assert data.endswith(b"\r\n\r\n" + row.body)
    assert row.size == 553
    assert row.content_type.startswith(b"multipart/mixed;")


# --- life -----------------------------------------------------------------------------------------


def life(*lines: bytes, policy: SiloPolicy = POLICY) -> float:
    return accept(message(*lines), AOR, SENDER, policy, WALL).expires_at - WALL


def date(seconds: float) -> bytes:
    return b"Date: " + format_date(WALL + seconds)


def test_without_expires_the_life_is_the_expire_time() -> None:
    assert life() == 259_200
    assert life(date(-3600), policy=SiloPolicy(expire_time=60)) == 60


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([b"Expires: 60"], 60),
        ([b"Expires:\t60 "], 60),
        ([b"Expires: 4294967295"], 259_200),
        ([b"Expires: 600", date(-100)], 500),
        ([b"Expires: 600", date(100)], 700),
        ([b"Expires: 90000", date(-DAY)], 90_000 - DAY),
        ([b"Expires: 600", date(-DAY - 1)], 600),
        ([b"Expires: 600", date(300)], 900),
        ([b"Expires: 600", date(301)], 600),
        ([b"Expires: 600", b"Date: yesterday"], 600),
        ([b"Expires: 600", b"Date: Sat, 13 Nov 2010 23:29:00 EST"], 600),
    ],
)
def test_g6_a_sane_date_starts_the_life(lines: list[bytes], seconds: float) -> None:
    assert life(*lines) == seconds


@pytest.mark.parametrize("value", [b"", b"soon", b"-1", b"+60", b"6_0", b"60;x", b"4294967296", b"9" * 5000])
def test_an_unreadable_expires_is_ignored(value: bytes) -> None:
    assert life(b"Expires: " + value) == 259_200


def test_expires_0_is_never_stored() -> None:
    assert refusal(message(b"Expires: 0")) == 480


def test_an_expired_message_is_never_stored() -> None:
    assert refusal(message(b"Expires: 60", date(-60))) == 480


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/im-iscomposing+xml",
        b"Application/IM-isComposing+XML ; charset=utf-8",
        b"application/im-iscomposing+xml;x",
    ],
)
def test_g10_is_composing_is_never_stored(content_type: bytes) -> None:
    assert refusal(message(content_type=b"Content-Type: " + content_type)) == 480


def test_a_type_with_is_composing_as_a_prefix_is_stored() -> None:
    request = message(content_type=b"Content-Type: application/im-iscomposing+xml2")
    assert accept(request, AOR, SENDER, POLICY, WALL).content_type == b"application/im-iscomposing+xml2"


def test_a_body_over_the_limit_is_413() -> None:
    policy = SiloPolicy(max_body=5)
    assert accept(message(), AOR, SENDER, policy, WALL).size == 5
    assert refusal(message(body=b"Hello!"), policy) == 413


def test_kept_headers_over_the_limit_are_513() -> None:
    request = message()
    for number in range(3):
        request.headers.add(b"X-%d" % number, b"x" * 6000)
    assert refusal(request) == 513


def test_g13_require_is_420_with_the_unsupported_tags() -> None:
    with pytest.raises(RequestRefused) as caught:
        accept(message(b"Require: recipient-list-message"), AOR, SENDER, POLICY, WALL)
    assert caught.value.status == 420
    assert caught.value.headers == ((b"Unsupported", b"recipient-list-message"),)


def test_all_fields_of_require_are_named() -> None:
    with pytest.raises(RequestRefused) as caught:
        accept(message(b"Require: a, b", b"Require:", b"Require: c"), AOR, SENDER, POLICY, WALL)
    assert caught.value.headers == ((b"Unsupported", b"a, b, c"),)


def test_a_require_without_a_tag_is_ignored() -> None:
    """REGISTER, OPTIONS and Proxy-Require have the same rule. An empty Unsupported is a syntax error."""
    assert kept(message(b"Require:")) == b""
    assert kept(message(b"Require: ,", b"Subject: Hi", b"Require:")) == b"Subject: Hi\r\n"


def test_a_require_that_cannot_be_copied_into_unsupported_is_400() -> None:
    with pytest.raises(MalformedMessage):
        accept(message(b"Require: a b"), AOR, SENDER, POLICY, WALL)


def test_an_unreadable_from_is_400() -> None:
    with pytest.raises(MalformedMessage):
        accept(message(from_=b"From: <<>;tag=1"), AOR, SENDER, POLICY, WALL)


REGISTRAR = "registrar@example.test"


def test_a_message_to_the_registrar_is_absorbed_with_200() -> None:
    with pytest.raises(Absorbed) as caught:
        guard_registrar(REGISTRAR, REGISTRAR, SENDER, AOR)
    assert caught.value.status == 200


def test_w8_a_message_whose_to_is_the_registrar_is_absorbed() -> None:
    with pytest.raises(Absorbed):
        guard_registrar(REGISTRAR, AOR, SENDER, REGISTRAR)


def test_the_guard_passes_other_messages() -> None:
    guard_registrar(REGISTRAR, AOR, SENDER, AOR)


def test_a_message_from_the_address_of_the_registrar_is_403() -> None:
    with pytest.raises(RequestRefused) as caught:
        guard_registrar(REGISTRAR, AOR, REGISTRAR, AOR)
    assert caught.value.status == 403


# --- the duplicate key ----------------------------------------------------------------------------


def test_law9_a_copy_has_the_same_key_after_changes_on_the_way() -> None:
    first = accept(message(b"Max-Forwards: 70"), AOR, SENDER, POLICY, WALL)
    copy = accept(message(b"Max-Forwards: 68", b"Subject: x"), AOR, SENDER, POLICY, WALL + 5)
    assert first.hash == copy.hash
    assert len(first.hash) == 16


PARTS = (b"c1", 7, b"tag", "alice@example.test", AOR, b"text/plain", b"body")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, b"c2"),
        (1, 8),
        (2, b"gat"),
        (3, "bob@example.test"),
        (4, "eve@example.test"),
        (5, b"text/html"),
        (6, b"bodY"),
    ],
)
def test_law9_a_message_with_one_other_part_has_another_key(place: int, value: object) -> None:
    other = [*PARTS]
    other[place] = value
    assert duplicate_hash(*PARTS) != duplicate_hash(*other)  # type: ignore[arg-type]


part = st.binary(max_size=6)


@given(part, part, part, part, part, part)
def test_law9_bytes_moved_between_parts_make_another_key(
    a: bytes, b: bytes, c: bytes, x: bytes, y: bytes, z: bytes
) -> None:
    same = (a, b, c) == (x, y, z)
    assert (duplicate_hash(a, 1, b, "", AOR, c, b"") == duplicate_hash(x, 1, y, "", AOR, z, b"")) == same
    assert (duplicate_hash(a, 1, b, "", AOR, b"", c) == duplicate_hash(x, 1, y, "", AOR, b"", z)) == same
    first, second = (a.hex(), b.hex()), (x.hex(), y.hex())
    assert (
        duplicate_hash(b"", 1, c, *first, b"", b"") == duplicate_hash(b"", 1, z, *second, b"", b"")
    ) == same

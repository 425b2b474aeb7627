"""The notice: the text, and the messages that get no notice."""

import pytest

from msilod.errors import MalformedMessage
from msilod.silo.compose.notice import (
    Kind,
    NoticeMemory,
    build_notice,
    is_written_by_a_person,
    may_notify,
    notice_text,
)
from msilod.silo.intake.acceptance import accept
from msilod.silo.policy import NOTICE, SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.sip.parser import parse
from tests.silo.fake_daemon import AOR
from tests.silo.wire import SENDER, VIA, message

WALL = 1_700_000_000.0
ALICE = "alice@example.test"
POLICY = SiloPolicy(registrar="sip:registrar@example.test")


TEXT = b"User [sip:bob@example.test] is offline. The message will be delivered when user goes online."


def stored(*lines: bytes, content_type: bytes | None = b"Content-Type: text/plain") -> StoredMessage:
    return accept(message(*lines, content_type=content_type), AOR, SENDER, SiloPolicy(), WALL)


def asked(*lines: bytes, content_type: bytes | None = b"Content-Type: text/plain") -> bool:
    return may_notify(stored(*lines, content_type=content_type), Kind.OFFLINE, POLICY, NoticeMemory(), WALL)


def test_the_notice_has_the_form_of_ser() -> None:
    notice = build_notice(b"sip:alice@example.test", TEXT, POLICY, WALL, b"id1", b"tag1")
    assert notice.to_bytes() == (
        b"MESSAGE sip:alice@example.test SIP/2.0\r\n"
        b"Max-Forwards: 70\r\n"
        b"From: <sip:registrar@example.test>;tag=tag1\r\n"
        b"To: <sip:alice@example.test>\r\n"
        b"Call-ID: id1\r\n"
        b"CSeq: 1 MESSAGE\r\n"
        b"Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
        b"Auto-Submitted: auto-replied\r\n"
        b"Content-Type: text/plain\r\n"
        b"Content-Length: 92\r\n\r\n" + TEXT
    )
    assert notice_text(NOTICE, stored()) == TEXT


def test_the_notice_can_be_read_and_causes_no_second_notice() -> None:
    notice = build_notice(b"sip:alice@example.test;x=1?Route=y", TEXT, POLICY, WALL, b"id1", b"tag1")
    assert notice.uri == b"sip:alice@example.test;x=1"
    twin = notice.copy()
    twin.headers.prepend(b"Via", VIA[5:])
    assert parse(twin.to_bytes())
    lines = b"\r\n".join(text for _, text in notice.headers.fields)
    assert not is_written_by_a_person(b"text/plain", lines)


def test_the_operator_sets_the_text_and_the_next_hop() -> None:
    policy = SiloPolicy(registrar="sip:r@h.test", next_hop="sip:hop.test")
    text = notice_text("{sender} to {recipient}? {reason} {nobody} {}", stored(), "expired")
    assert text == b"sip:alice@example.test to sip:bob@example.test? expired {nobody} {}"
    notice = build_notice(b"sip:alice@example.test", text, policy, WALL, b"i", b"t")
    assert notice.body == text
    assert notice.headers.get(b"route") == b"<sip:hop.test;lr>"


@pytest.mark.parametrize("uri", [b"tel:+4930", b"sip:example.test", b"sip:a@h>\r\nEvil: 1"])
def test_a_sender_that_cannot_be_addressed_gets_no_notice(uri: bytes) -> None:
    with pytest.raises(MalformedMessage):
        build_notice(uri, TEXT, POLICY, WALL, b"i", b"t")


def test_without_registrar_there_is_no_notice() -> None:
    with pytest.raises(ValueError, match="registrar"):
        build_notice(b"sip:alice@example.test", TEXT, SiloPolicy(), WALL, b"i", b"t")
    assert not may_notify(stored(), Kind.OFFLINE, SiloPolicy(), NoticeMemory(), WALL)


@pytest.mark.parametrize("content_type", [b"text/plain", b"TEXT/html; charset=x", b"text/x-anything"])
def test_a_text_message_gets_a_notice(content_type: bytes) -> None:
    assert asked(content_type=b"Content-Type: " + content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        b"message/imdn+xml", b"message/cpim", b"application/octet-stream",
        b"multipart/mixed;boundary=text/plain", b"textual/plain", b"",
    ],
)  # fmt: skip
def test_clients_1_receipts_and_other_types_get_no_notice(content_type: bytes) -> None:
    assert not asked(content_type=b"Content-Type: " + content_type)


def test_a_message_without_content_type_gets_no_notice() -> None:
    assert not asked(content_type=None)


@pytest.mark.parametrize(
    "line",
    [b"Auto-Submitted: auto-replied", b"auto-submitted: auto-generated", b"List-Id: x", b"Precedence: bulk"],
)
def test_automatic_messages_get_no_notice(line: bytes) -> None:
    assert not asked(line)


def test_auto_submitted_no_gets_a_notice() -> None:
    assert asked(b"Auto-Submitted: no")


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [
        ("registrar@example.test", AOR),
        (ALICE, "registrar@example.test"),
        (AOR, AOR),
        ("tel:+4930", AOR),
    ],
)
def test_no_notice_for_or_from_the_registrar_or_to_the_sender_itself(sender: str, recipient: str) -> None:
    row = stored()
    row.sender, row.aor = sender, recipient
    assert not may_notify(row, Kind.OFFLINE, POLICY, NoticeMemory(), WALL)


def test_a_pair_of_sender_and_recipient_gets_one_notice_per_period() -> None:
    memory = NoticeMemory(period=60.0)
    assert memory.may_tell(ALICE, AOR, WALL)
    assert not memory.may_tell(ALICE, AOR, WALL + 59)
    assert memory.may_tell("carol@example.test", AOR, WALL + 59)
    assert memory.may_tell(ALICE, "dave@example.test", WALL + 59)
    assert memory.may_tell(ALICE, AOR, WALL + 1, Kind.FAILED), "of another kind"
    assert memory.may_tell(ALICE, AOR, WALL + 60)


def test_a_clock_set_back_does_not_stop_notices_for_ever() -> None:
    memory = NoticeMemory(period=60.0)
    memory.may_tell(ALICE, AOR, WALL)
    assert memory.may_tell(ALICE, AOR, WALL - 1000)


def test_a_message_without_a_notice_is_not_remembered() -> None:
    memory = NoticeMemory()
    may_notify(stored(content_type=b"Content-Type: message/imdn+xml"), Kind.OFFLINE, POLICY, memory, WALL)
    assert len(memory) == 0
    assert may_notify(stored(), Kind.OFFLINE, POLICY, memory, WALL)


def test_the_memory_is_bounded_and_drops_the_oldest() -> None:
    memory = NoticeMemory(limit=10)
    for number in range(30):
        memory.may_tell(f"u{number}@h", AOR, WALL)
    assert len(memory) == 10
    assert not memory.may_tell("u29@h", AOR, WALL)
    assert memory.may_tell("u0@h", AOR, WALL)

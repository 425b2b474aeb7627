"""Receipts (RFC 5438): the messages that ask for a receipt, and the content of a receipt."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msilod.silo.compose.delivery_request import build_delivery
from msilod.silo.compose.receipt import NAMESPACE, Disposition, Parties, Wish, build_imdn, wish_of
from msilod.silo.intake.cpim import parse_cpim
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from tests.silo.fake_daemon import START, row

POLICY = SiloPolicy(imdn_expire_time=600)
ALICE = "alice@example.test"
NAMES = Parties(b"sip:bob@example.test", b"sip:bob@example.test", b"sip:alice@example.test")
XML = "{urn:ietf:params:xml:ns:imdn}"


def wrapped(
    *lines: bytes, asks: bytes = b"processing, negative-delivery", inner: bytes = b"text/plain"
) -> bytes:
    head = [
        b"From: Alice <sip:alice@example.test>", b"To: Bob <sip:bob@example.test>",
        b"DateTime: 2026-11-26T10:00:00+01:00", b"NS: imdn <urn:ietf:params:imdn>", b"imdn.Message-ID: 34jk<&>",
        b"imdn.Disposition-Notification: " + asks, *lines, b"", b"Content-Type: " + inner, b"", b"Hello",
    ]  # fmt: skip
    return b"\r\n".join(head)


def stored(body: bytes, content_type: bytes = b"message/cpim") -> StoredMessage:
    message = row(1)
    message.body, message.content_type = body, content_type
    return message


def wish(body: bytes) -> Wish:
    found = wish_of(stored(body))
    assert found is not None
    return found


def test_a_wish_for_processing_gets_stored_and_for_negative_delivery_gets_failed() -> None:
    assert wish(wrapped()).wants(Disposition.STORED)
    assert wish(wrapped()).wants(Disposition.FAILED)
    only = wish(wrapped(asks=b"Negative-Delivery;x=y"))
    assert only.wants(Disposition.FAILED)
    assert not only.wants(Disposition.STORED)


@pytest.mark.parametrize("asks", [b"positive-delivery", b"display", b"", b"positive-delivery,display"])
def test_g11_no_other_receipt_is_ever_sent(asks: bytes) -> None:
    found = wish_of(stored(wrapped(asks=asks)))
    assert found is None or not any(found.wants(disposition) for disposition in Disposition)


def test_an_imdn_never_gets_an_imdn() -> None:
    assert wish_of(stored(wrapped(inner=b"Message/IMDN+xml; charset=utf-8"))) is None
    receipt = build_imdn(stored(wrapped()), wish(wrapped()), Disposition.STORED, NAMES, POLICY, START, b"f")
    assert wish_of(receipt) is None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"no wrapper", wrapped().replace(b"imdn.Message-ID", b"x.Message-ID"),
        wrapped().replace(b"34jk<&>", b"a b"), wrapped().replace(b"34jk<&>", b"x" * 256),
        wrapped().replace(b"From: Alice <sip:alice@example.test>", b"From: nobody"),
        wrapped().replace(b"From: Alice", b"From: A\nTo: x"), wrapped().replace(b"urn:ietf", b"urn:other"),
        wrapped(b"imdn.Original-To: <<>"),
    ],
)  # fmt: skip
def test_an_unreadable_wrapper_asks_for_no_receipt(body: bytes) -> None:
    assert wish_of(stored(body)) is None


def test_plain_text_asks_for_no_receipt() -> None:
    assert wish_of(stored(wrapped(), b"text/plain")) is None


@pytest.mark.parametrize(
    ("disposition", "element"),
    [(Disposition.STORED, "processing-notification"), (Disposition.FAILED, "delivery-notification")],
)
def test_the_receipt_names_the_message_the_recipient_and_the_outcome(
    disposition: Disposition, element: str
) -> None:
    receipt = build_imdn(stored(wrapped()), wish(wrapped()), disposition, NAMES, POLICY, START, b"fresh")
    cpim = parse_cpim(receipt.body)
    assert cpim is not None
    assert (cpim.get(b"from"), cpim.get(b"to")) == (b"<sip:bob@example.test>", b"<sip:alice@example.test>")
    assert cpim.get(b"message-id", NAMESPACE) == b"fresh"
    assert cpim.content_type == b"message/imdn+xml"
    assert (b"content-disposition", b"notification") in cpim.content
    xml = receipt.body.partition(b"\r\n\r\n")[2].partition(b"\r\n\r\n")[2]
    assert (b"content-length", b"%d" % len(xml)) in cpim.content
    root = ElementTree.fromstring(xml)
    assert [child.tag.removeprefix(XML) for child in root] == [
        "message-id", "datetime", "recipient-uri", "original-recipient-uri", element,
    ]  # fmt: skip
    assert [child.text for child in root][:4] == [
        "34jk<&>", "2026-11-26T10:00:00+01:00", "sip:bob@example.test", "sip:bob@example.test",
    ]  # fmt: skip
    assert root.find(f"{XML}{element}/{XML}status/{XML}{disposition}") is not None


def test_the_receipt_is_a_row_for_the_sender_with_a_shorter_life() -> None:
    receipt = build_imdn(stored(wrapped()), wish(wrapped()), Disposition.STORED, NAMES, POLICY, START, b"f")
    assert (receipt.aor, receipt.sender) == (ALICE, "bob@example.test")
    assert receipt.expires_at == START + 600
    request = build_delivery(receipt, "sip:alice@192.0.2.7", (), POLICY, 0.0)
    assert request.headers.get(b"from") == b"<sip:bob@example.test>;tag=f"
    assert request.headers.get(b"to") == b"<sip:alice@example.test>"
    assert request.headers.get(b"auto-submitted") == b"auto-generated"


def test_a_message_without_a_time_is_named_by_its_time_of_receipt() -> None:
    body = wrapped().replace(b"2026-11-26T10:00:00+01:00", b"<evil/>")
    receipt = build_imdn(stored(body), wish(body), Disposition.STORED, NAMES, POLICY, START, b"f")
    assert b"<datetime>2023-11-14T22:13:20Z</datetime>" in receipt.body


def test_the_receipt_does_not_take_the_route_of_the_message() -> None:
    routes = [b"imdn.IMDN-Record-Route: <sip:%b.test>" % name for name in (b"a", b"b")]
    body = wrapped(*routes, b"imdn.Original-To: <sip:all@example.test>")
    receipt = build_imdn(stored(body), wish(body), Disposition.STORED, NAMES, POLICY, START, b"f")
    assert receipt.aor == ALICE
    assert receipt.request_uri == b"sip:alice@example.test"
    assert b"Route" not in receipt.body
    assert b"<original-recipient-uri>sip:all@example.test</" in receipt.body


@given(st.lists(st.binary(max_size=30), max_size=6))
def test_no_input_raises_and_every_receipt_is_xml(lines: list[bytes]) -> None:
    message = stored(wrapped(*lines))
    found = wish_of(message)
    if found is not None:
        receipt = build_imdn(message, found, Disposition.FAILED, NAMES, POLICY, START, b"f")
        ElementTree.fromstring(receipt.body.partition(b"\r\n\r\n")[2].partition(b"\r\n\r\n")[2])

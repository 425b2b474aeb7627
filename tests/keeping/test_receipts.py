"""Receipts: which messages get an IMDN, how many, and what follows after the commit."""

import pytest

from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.store.jobs import Added, Failed
from tests.delivering.room import BOB, binding, row
from tests.keeping.room import ALICE, KeepingRoom


def wrapped(
    asks: str = "processing, negative-delivery", from_: str = "sip:" + ALICE, to: str = "sip:" + BOB,
    message_id: int = 1, to_header: bytes = b"<sip:bob@example.test>",
) -> StoredMessage:  # fmt: skip
    """A row of Alice with a wrapper that asks for receipts."""
    body = (
        f"From: <{from_}>\r\nTo: <{to}>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: {message_id}\r\n"
        f"imdn.Disposition-Notification: {asks}\r\n\r\nContent-Type: text/plain\r\n\r\nHello"
    )
    return row(message_id, content_type=b"message/cpim", body=body.encode(), to_header=to_header)


def made(room: KeepingRoom) -> list[StoredMessage]:
    return [receipt for (receipt,) in room.writer.asked("add")]


def test_a_receipt_of_each_kind_is_made_once() -> None:
    room = KeepingRoom()
    for _ in range(2):
        room.receipts.stored(wrapped())
        room.receipts.failed(wrapped(), "expired", room.clock.now())
    assert [b"<stored/>" in receipt.body for receipt in made(room)] == [True, False]
    assert {receipt.aor for receipt in made(room)} == {ALICE}
    room.receipts.stored(wrapped(message_id=2))
    assert len(made(room)) == 3


@pytest.mark.parametrize(("asks", "kinds"), [("processing", 1), ("negative-delivery", 1), ("display", 0)])
def test_only_receipts_that_the_sender_asked_for_are_made(asks: str, kinds: int) -> None:
    room = KeepingRoom()
    room.receipts.stored(wrapped(asks))
    room.receipts.failed(wrapped(asks), "expired", room.clock.now())
    assert len(made(room)) == kinds


def test_without_imdn_a_failure_makes_no_receipt() -> None:
    room = KeepingRoom(SiloPolicy(imdn=False))
    room.receipts.failed(wrapped(), "expired", room.clock.now())
    assert made(room) == []


def test_a_sender_without_a_mailbox_here_gets_no_receipt() -> None:
    room = KeepingRoom(users=(BOB,))
    room.receipts.stored(wrapped())
    assert made(room) == []
    room = KeepingRoom(users=(BOB, ALICE))
    room.receipts.stored(wrapped())
    assert len(made(room)) == 1


def test_the_uri_of_the_recipient_is_the_sender_s_if_the_uri_names_the_mailbox() -> None:
    room = KeepingRoom()
    room.receipts.stored(wrapped(to="sip:bob@example.test;x=1", to_header=b"<sip:carol@example.test>"))
    (receipt,) = made(room)
    assert receipt.from_header.partition(b";")[0] == b"<sip:bob@example.test>", "Carol is another user"
    assert b"To: <sip:" + ALICE.encode() in receipt.body
    assert b"From: <sip:bob@example.test;x=1>" in receipt.body


def test_a_stored_receipt_is_delivered_like_any_row_and_a_failed_one_is_dropped() -> None:
    room = KeepingRoom()
    room.bind(binding(5081, ALICE))
    room.receipts.stored(wrapped())
    room.writer.answer("add", Failed("disk I/O error"))
    assert (room.counters.receipts, room.counters.dropped, room.writer.names()) == (0, 1, [])
    room.receipts.stored(wrapped(message_id=2))
    room.writer.answer("add", Added(9))
    assert (room.counters.receipts, room.writer.names()) == (1, ["claim"])

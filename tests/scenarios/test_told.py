"""Senders are told the end of a message: by a notice if configured, by an IMDN if requested (RFC 5438)."""

from collections.abc import Callable

from msilod.sip.message import Request
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

NOTICE = (
    '[silo]\nregistrar = "sip:registrar@example.test"\nnotice_period = 3600\n'
    'failure_notice = "Not delivered to {recipient}: {reason}"\n'
)
SWEEP = "check_time = 1\nclean_period = 1\n"


def wrapped(asks: str, message_id: str = "m1", inner: str = "text/plain") -> str:
    return (
        "From: Alice <sip:alice@example.test>\r\nTo: Bob <sip:bob@example.test>\r\n"
        f"NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: {message_id}\r\n"
        f"imdn.Disposition-Notification: {asks}\r\n\r\nContent-Type: {inner}\r\n\r\nHello"
    )


def sends(alice: Phone, body: str, extra: str = "") -> None:
    alice.send(alice.message("bob", body, extra, content_type="message/cpim"))


def answers_and_requests(phone: Phone, count: int) -> tuple[list[int], list[Request]]:
    """Receive the messages in any order, and answer the requests."""
    statuses: list[int] = []
    requests: list[Request] = []
    while len(statuses) + len(requests) < count:
        message = phone.receive()
        if isinstance(message, Request):
            phone.answer(message)
            requests.append(message)
        else:
            statuses.append(message.status)
    return statuses, requests


def test_a_refusal_for_good_is_told_by_notice_once_a_period(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon(NOTICE)
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        assert alice.text("bob", "one").status == 202
        assert alice.text("bob", "two").status == 202
        alice.register()
        bob.register()
        bob.take(603)
        bob.take(603)
        notice = alice.take()
        assert notice.body == b"Not delivered to sip:bob@example.test: 603 Decline"
        assert notice.from_.uri == b"sip:registrar@example.test"
        assert alice.is_silent()


def test_an_expiry_is_told_by_notice(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon(NOTICE + SWEEP)
    with Phone("alice", daemon.address) as alice:
        assert alice.text("bob", "soon over", "Expires: 1\r\n").status == 202
        alice.register()
        assert alice.take().body == b"Not delivered to sip:bob@example.test: expired"
        assert daemon.rows() == []


def test_g11_processing_asks_for_stored_and_gets_it_once(daemon: Daemon) -> None:
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        alice.register()
        sent = alice.message("bob", wrapped("processing"), content_type="message/cpim")
        alice.send(sent)
        statuses, (receipt,) = answers_and_requests(alice, 2)
        assert statuses == [202]
        assert receipt.headers.get(b"content-type") == b"message/cpim"
        assert b"<message-id>m1</message-id>" in receipt.body
        assert b"<processing-notification><status><stored/></status>" in receipt.body
        assert receipt.from_.uri == b"sip:bob@example.test"
        bob.register()
        assert bob.take().body == wrapped("processing").encode(), "the wrapper is not touched"
        assert alice.is_silent(), "a delivery is never claimed"
        alice.send(sent)
        assert alice.response().status == 202
        assert alice.is_silent(), "one of a kind"


def test_a_receipt_waits_for_a_sender_who_is_away(daemon: Daemon) -> None:
    with Phone("alice", daemon.address) as alice:
        sends(alice, wrapped("processing"))
        assert alice.response().status == 202
        assert {row["aor"] for row in daemon.rows()} == {"sip:alice@example.test", "sip:bob@example.test"}
        alice.register()
        assert b"<stored/>" in alice.take().body


def test_negative_delivery_asks_for_failed_at_a_refusal_and_at_the_end(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon(f"[silo]\n{SWEEP}")
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        alice.register()
        sends(alice, wrapped("negative-delivery", "m1"), "Expires: 1\r\n")
        _, (expired,) = answers_and_requests(alice, 2)
        assert b"<message-id>m1</message-id>" in expired.body
        assert b"<delivery-notification><status><failed/></status>" in expired.body
        sends(alice, wrapped("negative-delivery", "m2"))
        assert alice.response().status == 202
        bob.register()
        bob.take(403)
        assert b"<message-id>m2</message-id>" in alice.take().body
        assert alice.is_silent(1.5), "and no other when the rejected row is swept"


def test_never_an_imdn_for_an_imdn_nor_for_what_others_pretend(daemon: Daemon) -> None:
    with Phone("alice", daemon.address) as alice, Phone("carol", daemon.address) as carol:
        alice.register()
        carol.register()
        sends(alice, wrapped("processing", inner="message/imdn+xml"))
        assert alice.response().status == 202
        sends(carol, wrapped("processing"))
        assert carol.response().status == 202
        assert alice.is_silent()
        assert carol.is_silent(), "her wrapper names alice, who did not write it"


def test_the_operator_can_say_no(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon("[silo]\nimdn = false\n")
    with Phone("alice", daemon.address) as alice:
        alice.register()
        sends(alice, wrapped("processing"))
        assert alice.response().status == 202
        assert alice.is_silent()

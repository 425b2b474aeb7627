"""MESSAGEs that are never stored: worthless later, for another server, or stored already."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from msilod.sip.message import Request, Response
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

MakePhone = Callable[[str], Phone]
COMPOSING = "application/im-iscomposing+xml"


def test_g10_is_composing_is_relayed_live_and_never_stored(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    alice.send(alice.message("bob", "<x/>", content_type=COMPOSING))
    assert alice.response().status == 480
    bob.register()
    alice.send(alice.message("bob", "<x/>", content_type=COMPOSING))
    bob.take(486)
    assert alice.response().status == 480
    assert daemon.rows() == []


def test_expires_0_is_for_now_or_never(daemon: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    assert alice.text("bob", "now", "Expires: 0\r\n").status == 480
    assert daemon.rows() == []


@pytest.mark.parametrize(
    ("uri", "status"), [("sip:bob@203.0.113.9", 403), ("sip:127.0.0.1", 481), ("sip:bob@example.test", 202)]
)
def test_a_message_within_a_dialog_is_kept_only_for_a_user_of_ours(
    phone: MakePhone, uri: str, status: int
) -> None:
    alice = phone("alice")
    sent = alice.message("bob", uri=uri)
    alice.send(sent.replace(b"To: <sip:bob@example.test>", b"To: <sip:bob@example.test>;tag=dialog"))
    assert alice.response().status == status


def test_types_are_the_operators_to_refuse(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon('[silo]\nrefuse_types = ["image/*"]\n')
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        alice.send(alice.message("bob", "x", content_type="image/png"))
        response = alice.response()
        assert (response.status, response.headers.get(b"accept")) == (415, b"image/*;q=0, */*")
        bob.register()
        alice.send(alice.message("bob", "x", content_type="image/png"))
        assert bob.take().body == b"x", "what is relayed is the phone's to refuse"
        assert alice.response().status == 200


def test_receipts_live_shorter(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon("[silo]\nimdn_expire_time = 60\n")
    with Phone("alice", daemon.address) as alice:
        alice.send(alice.message("bob", "<imdn/>", content_type="message/imdn+xml"))
        assert alice.response().status == 202
        (row,) = daemon.rows()
        received, expires = (datetime.fromisoformat(row[key]) for key in ("received_at", "expires_at"))
        assert expires - received <= timedelta(seconds=61)


def returned(hop: Phone, delivery: Request) -> None:
    """Send a delivery back to the daemon as a proxy would, addressed to the AOR."""
    twin = delivery.copy()
    twin.uri = b"sip:bob@example.test"
    twin.headers.remove(b"route")
    twin.headers.prepend(b"Via", b"SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bKback" % hop.port)
    hop.send(twin.to_bytes())


def answer_to(hop: Phone) -> Response:
    """The next response. Repetitions of the delivery are skipped."""
    while True:
        message = hop.receive()
        if isinstance(message, Response):
            return message


def test_w7_a_delivery_that_comes_back_is_not_stored_again(start_daemon: Callable[..., Daemon]) -> None:
    with Phone("hop", ("127.0.0.1", 9)) as hop:
        daemon = start_daemon(f'[silo]\nnext_hop = "sip:127.0.0.1:{hop.port}"\n')
        hop.server = daemon.address
        with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
            assert alice.text("bob", "once").status == 202
            before = daemon.rows()
            bob.register()
            delivery = hop.request()
            returned(hop, delivery)
            assert answer_to(hop).status == 480, "neither a 202, which would end the row, nor a second row"
            hop.answer(delivery, 480)
            assert alice.text("alice").status == 202, "the daemon has handled the answer"
            (after,) = daemon.rows("bob@example.test")
            kept = ("id", "received_at", "expires_at", "state")
            assert [after[key] for key in kept] == [before[0][key] for key in kept]

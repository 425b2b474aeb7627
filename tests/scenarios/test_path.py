"""R11: a delivery and a relay go by the stored Path (RFC 3327)."""

from collections.abc import Callable

from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

MakePhone = Callable[[str], Phone]


def test_r11_a_message_goes_by_the_path_with_its_route(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob, edge = phone("alice"), phone("bob"), phone("edge")
    assert alice.text("bob", "stored").status == 202
    path = f"<sip:127.0.0.1:{edge.port};lr>"
    answer = bob.register(contact="<sip:bob@10.0.0.9:5060>", extra=f"Path: {path}\r\nSupported: path\r\n")
    assert answer.headers.get(b"path") == path.encode()
    stored = edge.take()
    assert stored.headers.get(b"route") == path.encode()
    assert stored.uri == b"sip:bob@10.0.0.9:5060"
    assert stored.body == b"stored"
    assert daemon.rows() == []
    alice.send(alice.message("bob", "relayed"))
    assert edge.take().body == b"relayed"
    assert alice.response().status == 200

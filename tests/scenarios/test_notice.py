"""The notice "user is offline", and that it cannot loop (Kamailio #61; clients.md, item 1)."""

from collections.abc import Callable

from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

CONFIG = '[silo]\nregistrar = "sip:registrar@example.test"\n'


def test_the_sender_is_told_once_and_receipts_are_absorbed(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon(CONFIG)
    with Phone("alice", daemon.address) as alice:
        alice.register()
        alice.send(alice.message("bob", "one"))
        assert alice.response().status == 202
        notice = alice.take()
        assert notice.body == (
            b"User [sip:bob@example.test] is offline. The message will be delivered when user goes online."
        )
        assert notice.from_.uri == b"sip:registrar@example.test"
        assert b"contact" not in notice.headers
        alice.send(alice.message("bob", "two"))
        assert alice.response().status == 202
        assert alice.is_silent(), "once an hour for the pair"
        alice.send(alice.message("registrar", "<imdn/>", content_type="message/imdn+xml"))
        assert alice.response().status == 200
        assert [row["aor"] for row in daemon.rows()] == ["sip:bob@example.test"] * 2


def test_nobody_may_speak_as_the_registrar(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon(CONFIG)
    with Phone("registrar", daemon.address) as liar:
        assert liar.text("bob").status == 403
    assert daemon.rows() == []

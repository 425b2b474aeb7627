"""A user repeats a MESSAGE whose 202 was lost with the daemon: the answer is 202, and the message is stored once."""

from collections.abc import Callable

from tests.scenarios.account import Account, add_user
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

URI = "sip:bob@example.test"


def proved(alice: Account, text: str) -> bytes:
    """Send a MESSAGE with credentials for the last nonce."""
    return alice.phone.message("bob", text, alice.field("MESSAGE", URI, "Proxy-Authorization"))


def test_a_copy_with_the_nonce_of_the_daemon_before_is_not_challenged(
    start_daemon: Callable[..., Daemon],
) -> None:
    """After a challenge the client would count CSeq up, and a message with another CSeq is another message (law 9)."""
    daemon = start_daemon()
    for name in ("alice", "bob"):
        add_user(daemon, name)
    with Phone("alice", daemon.address) as phone, Phone("bob", daemon.address) as other:
        alice, bob = Account(phone, "secret"), Account(other, "secret")
        assert alice.text("bob", "first").status == 202
        sent = proved(alice, "kept")
        phone.send(sent)
        assert phone.response().status == 202
        daemon.kill()
        daemon.start()
        # A wrong password, other words and another message are challenged.
        wrong, other_words = (
            sent.replace(b'response="', b'response="0'),
            sent.replace(b"\r\nkept", b"\r\nkeep"),
        )
        for data, status in (
            (wrong, 407),
            (sent, 202),
            (sent, 202),
            (other_words, 407),
            (proved(alice, "new"), 407),
        ):
            phone.send(data)
            assert phone.response().status == status
        assert [row["body"] for row in daemon.rows()] == ["first", "kept"]

        # The message was delivered before the kill.
        assert bob.register().status == 200
        assert [other.take().body, other.take().body] == [b"first", b"kept"]
        assert any(not daemon.rows() for _ in range(50))
        daemon.kill()
        daemon.start()
        phone.send(sent)
        assert phone.response().status == 202
        assert other.is_silent()
        assert daemon.rows() == []

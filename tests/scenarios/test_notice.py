"""The notice "user is offline", which cannot loop (Kamailio #61; clients, item 1)."""

import json
from collections.abc import Callable

from msilod.sip.message import Request
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


def test_the_text_is_the_operators_and_the_period_ends(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon(CONFIG + 'notice = "{sender}: {recipient} is away"\nnotice_period = 1\n')
    with Phone("alice", daemon.address) as alice:
        alice.register()
        for _ in range(2):
            alice.send(alice.message("bob"))
            assert alice.response().status == 202
            assert alice.take().body == b"sip:alice@example.test: sip:bob@example.test is away"
            assert alice.is_silent(1.1), "the period ends"


def test_use_contact_goes_back_where_the_message_came_from(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon(CONFIG + "use_contact = true\n")
    with Phone("alice", daemon.address) as alice:
        alice.send(alice.message("bob", extra="Contact: <sip:alice@192.0.2.66:5999>\r\n"))
        assert alice.response().status == 202
        assert alice.take().uri == b"sip:alice@192.0.2.66:5999"


def test_clients_1_two_phones_that_send_receipts_for_everything(start_daemon: Callable[..., Daemon]) -> None:
    """Kamailio: 63 notices for one message in two seconds."""
    daemon = start_daemon(CONFIG)
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        alice.register()
        alice.send(alice.message("bob", "one"))
        assert alice.response().status == 202
        notice = alice.take()
        for _ in range(20):
            user = notice.from_.uri.decode().removeprefix("sip:").partition("@")[0]
            alice.send(alice.message(user, "<imdn/>", content_type="message/imdn+xml"))
            assert alice.response().status == 200
        bob.register()
        bob.take()
        bob.register(expires=0)
        for _ in range(20):
            bob.send(bob.message("carol", "<imdn/>", content_type="message/imdn+xml"))
            assert bob.response().status == 202
        assert alice.is_silent()
        assert bob.is_silent()
        assert _notices(daemon) == 1


def test_w8_a_chat_room_that_repeats_everything_to_everybody(start_daemon: Callable[..., Daemon]) -> None:
    """Kamailio #61: one message to a room with offline members, and notices repeated by the room."""
    daemon = start_daemon(CONFIG)
    members = [f"member{number}" for number in range(5)]
    with Phone("alice", daemon.address) as alice, Phone("room", daemon.address) as room:
        room.register()
        alice.send(alice.message("room", "hello all"))
        heard = _repeat_everything(room, members)
        assert heard == 1 + len(members), "the message, and one notice for each member"
        assert _notices(daemon) == len(members)


def _repeat_everything(room: Phone, members: list[str]) -> int:
    """All requests received by the room until silence."""
    heard = 0
    while True:
        try:
            message = room.receive(1.0)
        except TimeoutError:
            return heard
        if isinstance(message, Request):
            room.answer(message)
            heard += 1
            assert heard < 100, "it does not end"
            for member in members:
                room.send(room.message(member, f"{heard}"))


def _notices(daemon: Daemon) -> int:
    return int(json.loads(daemon.msilo("status", "--json").stdout)["counters"]["notices"])

"""The main job on real sockets and a real database: stored, kept, delivered, gone."""

import signal
import socket
from collections.abc import Callable

import pytest

from msilod.sip.message import Request
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

MakePhone = Callable[[str], Phone]


def test_a_message_to_an_absent_user_is_stored_and_delivered_when_he_registers(
    daemon: Daemon, phone: MakePhone
) -> None:
    alice, bob = phone("alice"), phone("bob")
    body = "Grüße\r\n\x00 \N{SLIGHTLY SMILING FACE}".encode()
    sent = alice.message("bob", body, "Date: Tue, 24 Nov 2026 10:00:00 GMT\r\nSubject: x\r\nX-Own: a  b\r\n")
    alice.send(sent)
    assert alice.response().status == 202
    row = daemon.rows("bob@example.test")[0]
    assert (row["aor"], row["state"], row["size"]) == ("sip:bob@example.test", "waiting", len(body))
    assert bob.register().status == 200
    got = bob.take()
    assert got.body == body
    assert got.uri.decode() == bob.contact
    for name in (b"date", b"subject", b"x-own", b"call-id", b"from", b"to", b"content-type"):
        assert got.headers.get(name) == _field(sent, name), name
    assert b"contact" not in got.headers
    assert bob.is_silent()
    assert daemon.rows() == []


def _field(data: bytes, name: bytes) -> bytes:
    for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    raise AssertionError(name)


def test_messages_come_in_order_and_one_at_a_time(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    for number in range(10):
        assert alice.text("bob", f"{number}").status == 202
    bob.register()
    first = bob.request()
    assert bob.is_silent(0.2), "the second left before the first was answered"
    bob.answer(first)
    seen = [first.body.decode(), *(bob.take().body.decode() for _ in range(9))]
    assert seen == [str(number) for number in range(10)]
    assert bob.is_silent(0.2)


def test_a_registered_user_gets_it_at_once(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    bob.register()
    alice.send(alice.message("bob", "now"))
    assert bob.take().body == b"now"
    assert alice.response().status == 200
    assert daemon.rows() == []


def test_a_message_is_forked_to_all_bindings_and_the_first_2xx_wins(daemon: Daemon, phone: MakePhone) -> None:
    alice, desk, soft = phone("alice"), phone("bob"), phone("bob")
    desk.register()
    soft.register()
    alice.send(alice.message("bob"))
    first, second = desk.request(), soft.request()
    soft.answer(second, 486)
    desk.answer(first, 200)
    assert alice.response().status == 200
    assert daemon.rows() == []


@pytest.mark.parametrize("status", [404, 405, 406, 408, 415, 480, 486, 488, 500, 501, 503])
def test_what_a_registered_device_does_not_take_ends_in_the_silo(
    daemon: Daemon, phone: MakePhone, status: int
) -> None:
    alice, bob = phone("alice"), phone("bob")
    bob.register()
    alice.send(alice.message("bob", "later"))
    bob.take(status)
    assert alice.response().status == 202
    assert [row["state"] for row in daemon.rows()] == ["waiting"]


@pytest.mark.parametrize("status", [603, 606, 403, 413])
def test_a_verdict_that_time_does_not_change_goes_to_the_sender(
    daemon: Daemon, phone: MakePhone, status: int
) -> None:
    alice, bob = phone("alice"), phone("bob")
    bob.register()
    alice.send(alice.message("bob"))
    bob.take(status)
    assert alice.response().status == status
    assert daemon.rows() == []


def test_silence_ends_in_the_silo_at_fr_timer_and_a_late_2xx_ends_the_row(
    start_daemon: Callable[..., Daemon],
) -> None:
    daemon = start_daemon("[proxy]\nfr_timer = 1\n")
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        _silence(daemon, alice, bob)


def _silence(daemon: Daemon, alice: Phone, bob: Phone) -> None:
    bob.register()
    alice.send(alice.message("bob", "slow"))
    slow = bob.request()
    assert alice.response().status == 202
    assert len(daemon.rows()) == 1
    assert {message.call_id for message in _until_silent(bob)} <= {slow.call_id}, "only retransmissions"
    bob.answer(slow)
    assert bob.is_silent()
    assert daemon.rows() == []
    bob.register()
    assert bob.is_silent()


def _until_silent(one: Phone) -> list[Request]:
    """All further requests. Repetitions of a request answered late are no new attempts."""
    seen: list[Request] = []
    while True:
        try:
            message = one.receive(0.3)
        except TimeoutError:
            return seen
        if isinstance(message, Request):
            seen.append(message)


def test_a_closed_port_ends_in_the_silo_at_once(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    bob.register(contact=f"<sip:bob@127.0.0.1:{port}>")
    assert alice.text("bob").status == 202
    assert len(daemon.rows()) == 1


def test_other_methods_to_an_absent_user_are_404(daemon: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    head = alice.head("INFO", "sip:bob@example.test", "sip:bob@example.test", "i1", 1)
    alice.send(f"{head}Content-Length: 0\r\n\r\n".encode())
    assert alice.response().status == 404


def test_too_many_hops_is_483(daemon: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    alice.send(alice.message("bob").replace(b"Max-Forwards: 70", b"Max-Forwards: 0"))
    assert alice.response().status == 483


@pytest.mark.parametrize(
    ("expires", "contact"),
    [(0, None), (600, "<sip:bob@127.0.0.1:{port}>;expires=0"), (0, "*")],
)
def test_an_unregister_starts_no_dump(
    daemon: Daemon, phone: MakePhone, expires: int, contact: str | None
) -> None:
    alice, bob = phone("alice"), phone("bob")
    assert alice.text("bob").status == 202
    bob.register(expires, contact=contact.format(port=bob.port) if contact else None)
    assert bob.is_silent()
    assert len(daemon.rows()) == 1


@pytest.mark.parametrize("extra", ["Allow: INVITE, ACK\r\n", ""])
def test_a_device_without_message_is_not_dumped_to(daemon: Daemon, phone: MakePhone, extra: str) -> None:
    alice, bob = phone("alice"), phone("bob")
    assert alice.text("bob").status == 202
    methods = "" if extra else ';methods="INVITE,ACK"'
    bob.register(extra=extra, contact=f"<{bob.contact}>{methods}")
    assert bob.is_silent()
    assert len(daemon.rows()) == 1


def test_a_preloaded_route_that_names_us_is_removed(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    bob.register()
    alice.send(alice.message("bob", extra=f"Route: <sip:127.0.0.1:{daemon.port};lr>\r\n"))
    assert b"route" not in bob.take().headers
    assert alice.response().status == 200


def test_a_restart_forgets_nobody_and_nothing(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob, carol = phone("alice"), phone("bob"), phone("carol")
    bob.register()
    assert alice.text("carol", "kept").status == 202
    assert daemon.stop() == 0
    daemon.start()
    alice.send(alice.message("bob", "still here"))
    assert bob.take().body == b"still here"
    assert alice.response().status == 200
    carol.register()
    assert carol.take().body == b"kept"


def test_a_killed_daemon_loses_nothing(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    sent = alice.message("bob", "kept")
    alice.send(sent)
    assert alice.response().status == 202
    daemon.kill()
    daemon.start()
    alice.send(sent)
    assert alice.response().status == 202, "a retransmission across the restart is the same message"
    assert len(daemon.rows()) == 1
    bob.register()
    bob.take()
    assert bob.is_silent()
    alice.send(sent)
    assert alice.response().status == 202
    assert daemon.rows() == [], "the hash outlives the row"


def test_a_repeated_request_is_one_row(daemon: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    sent = alice.message("bob")
    for _ in range(3):
        alice.send(sent)
        assert alice.response().status == 202
    assert len(daemon.rows()) == 1


def test_a_second_daemon_on_the_same_silo_ends_with_69(daemon: Daemon) -> None:
    second = Daemon(daemon.folder)
    second.config.write_text("")
    with pytest.raises(AssertionError, match=r"(?i)pid|running|use"):
        second.start()
    assert second.process is not None
    assert second.process.wait(10) == 69
    if second.process.stdout is not None:
        second.process.stdout.close()


def test_term_and_int_end_with_0(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon()
    assert daemon.stop(signal.SIGINT) == 0
    daemon.start()
    assert daemon.stop(signal.SIGTERM) == 0

"""One mailbox under all names: dialled forms, a user name, tel URIs (W13, W15)."""

from collections.abc import Callable, Iterator

import pytest

from msilod.control.protocol import ControlClient
from msilod.sip.message import Response
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

CONFIG = r"""
domains = ["example.test"]

[aliases]
'00(\d{8,15})' = '+\1'
'\+420777123456' = 'anna'
"""
NAMES = ("anna", "+420777123456", "00420777123456")


@pytest.fixture
def daemon(start_daemon: Callable[..., Daemon]) -> Daemon:
    return start_daemon(CONFIG)


@pytest.fixture
def alice(daemon: Daemon) -> Iterator[Phone]:
    with Phone("alice", daemon.address) as alice:
        yield alice


def to_tel(sender: Phone, uri: str, text: str, to: str = "") -> Response:
    """A MESSAGE with other URIs than SIP URIs in Request-URI and To."""
    data = sender.message("anna", text, uri=uri)
    sender.send(data.replace(b"To: <sip:anna@example.test>", f"To: <{to or uri}>".encode()))
    return sender.response()


def test_w13_every_name_is_one_mailbox_and_the_dump_goes_to_its_owner(daemon: Daemon, alice: Phone) -> None:
    for name in NAMES:
        assert alice.text(name, f"to {name}").status == 202
    assert [row["aor"] for row in daemon.rows()] == ["sip:anna@example.test"] * 3
    for name in NAMES:
        assert len(daemon.rows(f"{name}@example.test")) == 3
    with Phone("00420777123456", daemon.address) as anna:
        anna.register()
        got = [anna.take() for _ in NAMES]
        assert [request.body.decode() for request in got] == [f"to {name}" for name in NAMES]
        assert [request.to.uri.decode() for request in got] == [f"sip:{name}@example.test" for name in NAMES]
        assert {request.uri.decode() for request in got} == {anna.contact}
        assert daemon.rows() == []
        for name in NAMES:
            alice.send(alice.message(name, f"now {name}"))
            assert anna.take().body.decode() == f"now {name}"
            assert alice.response().status == 200
    assert daemon.rows() == []


def test_w15_a_tel_uri_is_stored_delivered_and_relayed(daemon: Daemon, alice: Phone) -> None:
    assert to_tel(alice, "tel:+420-777-123-456", "one").status == 202
    assert to_tel(alice, "TEL:00420777123456", "two").status == 202
    assert to_tel(alice, "tel:+420777999999", "another").status == 202
    assert [row["aor"] for row in daemon.rows()] == [
        "sip:anna@example.test", "sip:anna@example.test", "sip:+420777999999@example.test",
    ]  # fmt: skip
    with Phone("anna", daemon.address) as anna, Phone("+420777999999", daemon.address) as other:
        anna.register()
        one = anna.take()
        assert (one.body, one.to.uri) == (b"one", b"tel:+420-777-123-456")
        assert anna.take().body == b"two"
        other.register()
        assert other.take().body == b"another"
        alice.send(
            alice.message(
                "anna", "now", uri="tel:+420777123456", extra=f"Route: <sip:127.0.0.1:{daemon.port};lr>\r\n"
            )
        )
        relayed = anna.take()
        assert (relayed.body, relayed.uri) == (b"now", anna.contact.encode())
        assert alice.response().status == 200
    assert daemon.rows() == []


def test_a_call_to_a_tel_uri_reaches_the_phone(daemon: Daemon, alice: Phone) -> None:
    with Phone("anna", daemon.address) as anna:
        anna.register()
        head = alice.head("INVITE", "tel:+420777123456", "tel:+420777123456", "call-1@alice", 1)
        alice.send(f"{head}Contact: <{alice.contact}>\r\nContent-Length: 0\r\n\r\n".encode())
        invite = anna.request(b"INVITE")
        assert invite.uri == anna.contact.encode()
        anna.answer(invite, 302, ((b"Contact", b"<tel:+1>"),))
        assert alice.response().status == 100
        assert alice.response().status == 302


@pytest.mark.parametrize("uri", ["tel:", "tel:+", "tel:abcxyz", "tel:+1;maddr=1.2.3.4;x"])
def test_what_is_no_number_is_refused_and_the_daemon_serves_on(
    daemon: Daemon, alice: Phone, uri: str
) -> None:
    assert to_tel(alice, uri, "x", to="sip:anna@example.test").status == (202 if "+1" in uri else 400)
    assert alice.text("anna").status == 202


def test_mode_2_takes_the_number_in_to(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon(CONFIG + "[silo]\nmode = 2\n")
    with Phone("alice", daemon.address) as alice:
        assert to_tel(alice, "sip:carol@example.test", "x", to="tel:+420777123456").status == 202
    assert [row["aor"] for row in daemon.rows()] == ["sip:anna@example.test"]


def test_the_command_knows_the_names(daemon: Daemon, alice: Phone) -> None:
    assert daemon.msilo("inject", "00420777123456@example.test", "by number").returncode == 0
    assert daemon.msilo("inject", "tel:+420777123456", "by tel").returncode == 0
    rows = daemon.rows("tel:00420777123456")
    assert [(row["aor"], row["body"]) for row in rows] == [
        ("sip:anna@example.test", "by number"), ("sip:anna@example.test", "by tel"),
    ]  # fmt: skip
    with Phone("anna", daemon.address) as anna:
        anna.register()
        assert anna.take(480).body == b"by number"
        done = daemon.msilo("dump", "+420777123456@example.test")
        assert done.returncode == 0, done.stderr
        assert [anna.take().body, anna.take().body] == [b"by number", b"by tel"]
    assert daemon.msilo("list", "tel:x").returncode == 2


def test_a_reload_changes_the_names(daemon: Daemon, alice: Phone) -> None:
    daemon.config.write_text(CONFIG.replace("'anna'", "'bob'"))
    assert alice.text(NAMES[1]).status == 202
    with ControlClient(daemon.folder / "control.sock") as client:
        client.call("reload")
    assert alice.text(NAMES[1]).status == 202
    assert [row["aor"] for row in daemon.rows()] == ["sip:anna@example.test", "sip:bob@example.test"]

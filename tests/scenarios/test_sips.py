"""sips: on the real daemon: reachable contacts, and the scheme of the request (RFC 5630, T17)."""

from collections.abc import Callable, Iterator

import pytest

from msilod.sip.message import Response
from tests.scenarios.conftest import Daemon
from tests.scenarios.lines import Line
from tests.scenarios.phone import Phone
from tests.transport.authority import Authority

SECURE = "sips:bob@example.test"


@pytest.fixture
def secure_daemon(start_daemon: Callable[..., Daemon], authority: Authority) -> Daemon:
    return start_daemon('[tls]\ncertificate = "server.pem"\nprivate_key = "server.key"\n', ("tls:127.0.0.1",))


@pytest.fixture
def bob(secure_daemon: Daemon, authority: Authority) -> Iterator[Line]:
    server = ("127.0.0.1", secure_daemon.ports["tls:127.0.0.1"])
    line = Line("bob", "tls", server, authority.client())
    yield line
    line.hang_up()


@pytest.fixture
def alice(secure_daemon: Daemon) -> Iterator[Phone]:
    with Phone("alice", secure_daemon.address) as made:
        yield made


def register(bob: Line, scheme: bytes = b"sips", extra: str = "") -> Response:
    contact = f"<sips:bob@127.0.0.1:{bob.port}>"
    bob.send(
        bob.registration(contact=contact, extra=extra).replace(b"REGISTER sip:", b"REGISTER %b:" % scheme)
    )
    return bob.response()


def test_t17_a_sips_contact_wants_sips_all_the_way(bob: Line) -> None:
    assert register(bob, b"sip").status == 400
    assert register(bob, extra="Path: <sips:a.test;lr>, <sip:b.test;lr>\r\n").status == 400
    assert register(bob, extra="Path: <sips:a.test;lr>\r\n").status == 200
    assert register(bob).status == 200
    assert register(bob, b"sip").status == 400, "a refresh in the same words is looked at, too"


def test_t17_sip_to_a_sips_contact_goes_by_tls_as_sip(bob: Line, alice: Phone) -> None:
    assert register(bob).status == 200
    alice.send(alice.message("bob", "online"))
    assert bob.take().uri == f"sip:bob@127.0.0.1:{bob.port}".encode()
    assert alice.response().status == 200


def test_t17_what_was_kept_for_sip_is_delivered_as_sip(bob: Line, alice: Phone) -> None:
    assert alice.text("bob", "kept").status == 202
    assert register(bob).status == 200
    kept = bob.take()
    assert (kept.uri, kept.body) == (f"sip:bob@127.0.0.1:{bob.port}".encode(), b"kept")


def test_t17_sips_to_a_sips_contact_stays_sips(bob: Line, alice: Phone) -> None:
    assert register(bob).status == 200
    alice.send(alice.message("bob", uri=SECURE))
    assert bob.take().uri == f"sips:bob@127.0.0.1:{bob.port}".encode()
    assert alice.response().status == 200


def test_t17_sips_to_a_sip_contact_is_480(bob: Line, alice: Phone, secure_daemon: Daemon) -> None:
    assert bob.register().status == 200
    alice.send(alice.message("bob", uri=SECURE))
    answer = alice.response()
    assert answer.status == 480
    assert (answer.headers.get(b"warning") or b"").startswith(b"380 ")
    assert secure_daemon.rows() == []

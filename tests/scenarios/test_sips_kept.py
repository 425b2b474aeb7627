"""Stored messages to sips: wait for a sips: contact, on the real daemon (RFC 5630, T17)."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.scenarios.conftest import Daemon
from tests.scenarios.lines import Line
from tests.scenarios.phone import Phone
from tests.transport.authority import Authority

SECURE = "sips:bob@example.test"
TLS = '[tls]\ncertificate = "server.pem"\nprivate_key = "server.key"\n'
REASON = "sent to sips:, and not all of the way there is"


@pytest.fixture
def start(start_daemon: Callable[..., Daemon], authority: Authority) -> Callable[[str], Daemon]:
    return lambda config: start_daemon(config + TLS, ("tls:127.0.0.1",))


@pytest.fixture
def dial(authority: Authority) -> Iterator[Callable[[Daemon], Line]]:
    """Lines of bob's to the daemon, by TLS."""
    lines: list[Line] = []

    def made(daemon: Daemon) -> Line:
        lines.append(Line("bob", "tls", ("127.0.0.1", daemon.ports["tls:127.0.0.1"]), authority.client()))
        return lines[-1]

    yield made
    for line in lines:
        line.hang_up()


def register_as_sips(bob: Line, instance: str = "") -> None:
    device = f';+sip.instance="<urn:uuid:{instance}>"' if instance else ""
    contact = f"<sips:bob@127.0.0.1:{bob.port}>{device}"
    bob.send(bob.registration(contact=contact).replace(b"REGISTER sip:", b"REGISTER sips:"))
    assert bob.response().status == 200


def text(alice: Phone, body: str, uri: str | None = None) -> int:
    alice.send(alice.message("bob", body, uri=uri))
    return alice.response().status


def test_t17_what_was_kept_for_sips_waits_for_a_sips_contact_and_holds_up_no_other(
    start: Callable[[str], Daemon], dial: Callable[[Daemon], Line]
) -> None:
    daemon = start("")
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as plain:
        assert text(alice, "secret", SECURE) == 202
        assert text(alice, "open") == 202
        assert plain.register().status == 200
        assert plain.take().body == b"open"
        assert plain.register().status == 200
        assert plain.is_silent()
        assert text(alice, "secret, too", SECURE) == 480, "he is here, but not as sips:"
        (left,) = daemon.rows()
        assert (left["body"], left["state"], left["attempts"], left["last_status"]) == (
            "secret", "waiting", 0, None,
        )  # fmt: skip
        daemon.kill()
        daemon.start()
        assert plain.register().status == 200
        assert plain.is_silent(), "also after a restart"
        assert plain.register(0).status == 200
        assert text(alice, "later") == 202
    bob = dial(daemon)
    register_as_sips(bob)
    first, second = bob.take(), bob.take()
    assert (first.uri, first.body) == (f"sips:bob@127.0.0.1:{bob.port}".encode(), b"secret")
    assert (second.uri, second.body) == (f"sip:bob@127.0.0.1:{bob.port}".encode(), b"later")


def test_t17_a_dump_to_a_sip_contact_leaves_it_where_it_is_and_says_why(
    start: Callable[[str], Daemon], dial: Callable[[Daemon], Line]
) -> None:
    daemon = start("")
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as plain:
        assert text(alice, "secret", SECURE) == 202
        to = ("dump", "bob@example.test", "--to", plain.contact)
        only = daemon.msilo(*to, "--json")
        assert [json.loads(line) for line in only.stdout.splitlines()] == [
            {
                "id": 1, "aor": "sip:bob@example.test", "outcome": "skipped", "status": None,
                "contact": plain.contact, "next_attempt_at": None, "reason": REASON,
            }
        ]  # fmt: skip
        assert text(alice, "open") == 202
        dry = daemon.msilo(*to, "--dry-run", "--json")
        assert [json.loads(line)["outcome"] for line in dry.stdout.splitlines()] == ["skipped", "would send"]
        assert daemon.msilo(*to).returncode == 0
        assert plain.take().body == b"open"
        waited = daemon.msilo(*to, "--wait")
        assert waited.returncode == 1
        assert REASON in waited.stdout
        assert plain.is_silent()
        assert [row["id"] for row in daemon.rows()] == [1]
    bob = dial(daemon)
    register_as_sips(bob)
    assert bob.take().body == b"secret"


def test_t17_for_each_device_it_waits_for_no_device_that_may_not_have_it(
    start: Callable[[str], Daemon], dial: Callable[[Daemon], Line]
) -> None:
    daemon = start('[silo]\ndevices = "each"\n')
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as plain:
        contact = f'<{plain.contact}>;+sip.instance="<urn:uuid:desk>"'
        assert plain.register(contact=contact).status == 200
        assert text(alice, "not here", SECURE) == 480
        assert plain.register(0).status == 200
        assert text(alice, "secret", SECURE) == 202
        assert plain.register(contact=contact).status == 200
        assert plain.is_silent()
        bob = dial(daemon)
        register_as_sips(bob, "cell")
        assert bob.take().body == b"secret"
        while daemon.rows():
            pass
        assert text(alice, "open") == 202
        assert [bob.take().body, plain.take().body] == [b"open", b"open"]

"""libpurple (Pidgin, Finch) with a password and the default configuration: it signs on, texts, is texted, signs off."""

import json
from collections.abc import Callable

import pytest

from tests.peers.messenger import Start, messenger, purple
from tests.scenarios.account import Account
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

__all__ = ["messenger", "purple"]

pytestmark = pytest.mark.peer
TRANSPORTS = pytest.mark.parametrize("transport", ["udp", "tcp"])


@pytest.fixture
def server(daemon: Daemon) -> Daemon:
    """A daemon on defaults with the users alice and bob."""
    for user in ("alice", "bob"):
        done = daemon.msilo("user", "add", f"{user}@example.test", stdin="secret\n")
        assert done.returncode == 0, done.stderr
    return daemon


def bound(server: Daemon) -> list[str]:
    """The AORs that have a binding, one for each binding."""
    done = server.msilo("bindings", "--json")
    assert done.returncode == 0, done.stderr
    return sorted(json.loads(line)["aor"] for line in done.stdout.splitlines())


def until(holds: Callable[[], bool], patience: int = 100) -> None:
    """Ask again until it holds. Each question is a process, which takes a fifth of a second or more."""
    for _ in range(patience):
        if holds():
            return
    raise AssertionError("it never came true")


@TRANSPORTS
def test_a_messenger_gets_what_waited_and_texts_a_phone(
    server: Daemon, messenger: Start, phone: Callable[[str], Phone], transport: str
) -> None:
    alice = Account(phone("alice"), "secret")
    assert alice.register().status == 200
    assert alice.text("bob", "for later").status == 202
    bob = messenger("bob", server.port, transport).on()
    assert bob.next() == "im sip:alice@example.test for later"
    assert alice.text("bob", "at once").status in (200, 202), (
        "202 if the end of the first is not committed yet"
    )
    assert bob.next() == "im sip:alice@example.test at once"
    # The last: libpurple overlooks a MESSAGE that comes in one read with the answer to its own.
    bob.text("alice", "thanks")
    assert alice.phone.take().body == b"thanks"
    until(lambda: server.rows() == [])


@TRANSPORTS
def test_two_messengers_of_one_host_with_the_same_identifiers_are_two(
    server: Daemon, messenger: Start, transport: str
) -> None:
    """Security 15: both make the same branches, Call-IDs, tags and CSeqs, and over UDP both have the port 5060."""
    messenger("alice", server.port, transport).on()
    messenger("bob", server.port, transport).on()
    assert bound(server) == ["sip:alice@example.test", "sip:bob@example.test"]


@TRANSPORTS
def test_a_messenger_that_starts_again_within_seconds_loses_no_text(
    server: Daemon, messenger: Start, transport: str
) -> None:
    """Security 15: the second process repeats the identifiers of the first, with another text."""
    first = messenger("alice", server.port, transport).on()
    first.text("bob", "one")
    until(lambda: len(server.rows()) == 1)
    first.kill()
    second = messenger("alice", server.port, transport).on()
    second.text("bob", "two")
    until(lambda: len(server.rows()) == 2)
    bob = messenger("bob", server.port, transport).on()
    assert [bob.next(), bob.next()] == ["im sip:alice@example.test one", "im sip:alice@example.test two"]


@TRANSPORTS
def test_a_messenger_that_signs_off_is_away(server: Daemon, messenger: Start, transport: str) -> None:
    """Security 17: the sign-off has the nonce of the REGISTER before it, and the messenger waits for no answer."""
    bob = messenger("bob", server.port, transport).on()
    assert bound(server) == ["sip:bob@example.test"]
    bob.quit()
    until(lambda: bound(server) == [])

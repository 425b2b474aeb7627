"""Found: an address that becomes longer or malformed when written again ended the daemon.

A Path was checked as received, and sent in another spelling. A URI of 2048 octets became longer by the form of the IPv6
address. The exception ended the connecting task, and thereby the daemon. A restart did not help, since the binding was
in the database.
"""

from pathlib import Path

import pytest
import trio

from msilod.errors import MalformedMessage
from msilod.sip.uri import SipUri
from tests.faults.peer import Peer, lock
from tests.network.world import DOMAIN, World, configured, play

ALICE, BOB = ("198.51.100.1", 5060), ("198.51.100.2", 5060)
TEXT = "Content-Type: text/plain\r\n"
# Of an IPv6 address with one zero there are two spellings; ours is the longer one.
HOST = "[1::1:1:1:1:1:1]"
LONG = "sip:%20" + "a" * (2048 - len("sip:%20@") - len(HOST)) + "@" + HOST


async def _phones(world: World) -> tuple[Peer, Peer]:
    alice, bob = Peer(world, "alice", ALICE), Peer(world, "bob", BOB)
    assert (await alice.register()).status == 200
    return alice, bob


@pytest.mark.parametrize("tail", [";lr", ";transport=tcp;lr"])
@pytest.mark.parametrize("display", ["é", '"é"', '"' + "😀" * 900 + '"'])
def test_a_path_is_sent_as_it_was_registered(tmp_path: Path, display: str, tail: str) -> None:
    async def story(world: World) -> None:
        lock(world, "alice", "bob")
        alice, bob = await _phones(world)
        bob.on_request = bob.answer
        waits = await alice.ask(alice.request("MESSAGE", bob.aor, extra=TEXT, body="one"))
        assert waits.status == 202
        path = f"{display} <sip:{BOB[0]}:5060{tail}>"
        assert (await bob.register(f"Supported: path\r\nPath: {path}\r\n")).status == 200
        if "tcp" in tail:
            await trio.sleep(10)
            assert list(world.rows()) == [b"one"]
            return
        request = await bob.take(b"MESSAGE")
        assert request.headers.get(b"route") == path.encode()
        assert (await alice.ask(alice.request("MESSAGE", bob.aor, extra=TEXT, body="two"))).status == 200
        request = await bob.take(b"MESSAGE")
        assert request.headers.get(b"route") == path.encode()

    play(tmp_path, story)


def test_a_path_in_latin_1_is_checked_as_it_will_be_sent(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        lock(world, "bob")
        bob = Peer(world, "bob", BOB)
        data = bob.registration(extra=f"Path: @ <sip:{BOB[0]};lr>\r\nSupported: path\r\n")
        assert (await bob.ask(data.replace(b"Path: @", b"Path: \xe9"))).status == 400
        data = bob.registration(extra=f"Path: @ <sip:{BOB[0]};lr>\r\nSupported: path\r\n")
        assert (await bob.ask(data.replace(b"Path: @", b'Path: "\xe9"'))).status == 200

    play(tmp_path, story)


@pytest.mark.parametrize("tail", [";lr", ";transport=tcp;lr"])
def test_a_path_of_before_that_cannot_be_sent_keeps_its_messages(tmp_path: Path, tail: str) -> None:
    """A binding of the release before may have one."""

    async def story(world: World) -> None:
        alice, bob = await _phones(world)
        assert (await bob.register("Supported: path\r\nPath: <sip:198.51.100.2;lr>\r\n")).status == 200
        (binding,) = world.parts.location.bindings(f"bob@{DOMAIN}", world.clock.wall())
        binding.path = (f'"{"a" * 5000}" <sip:{BOB[0]}:5060{tail}>',)
        await trio.sleep(1)
        answer = await alice.ask(alice.request("MESSAGE", bob.aor, extra=TEXT, body="one"))
        assert answer.status == 202
        await trio.sleep(200)
        assert list(world.rows()) == [b"one"]
        assert (await bob.register()).status == 200
        bob.answer(await bob.take(b"MESSAGE"))
        await trio.sleep(1)
        assert not world.rows()

    play(tmp_path, story)


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE", "OPTIONS"])
@pytest.mark.parametrize("route", ["198.51.100.2:5060", "198.51.100.9:5060;transport=tcp", "foreign.test"])
def test_a_uri_that_would_grow_is_too_long(tmp_path: Path, route: str, method: str) -> None:
    async def story(world: World) -> None:
        alice, _ = await _phones(world)
        data = alice.request(method, LONG, "<sip:x@foreign.test>", f"Route: <sip:{route};lr>\r\n")
        assert (await alice.ask(data)).status == 400

    play(tmp_path, story, config=configured(proxy={"relay": "anybody"}))


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE", "OPTIONS"])
def test_a_redirection_to_a_uri_that_would_grow_ends_the_request(tmp_path: Path, method: str) -> None:
    async def story(world: World) -> None:
        alice, bob = await _phones(world)
        assert (await bob.register()).status == 200
        bob.on_request = lambda request: (
            bob.answer(request, 302, ((b"Contact", f"<{LONG}>".encode()),))
            if request.method != b"ACK"
            else None
        )
        answer = await alice.ask(alice.request(method, bob.aor, extra=TEXT, body="one"))
        assert answer.status == (202 if method == "MESSAGE" else 302)
        await trio.sleep(70)
        assert world.parts.forwarder.invites == {}

    play(tmp_path, story, config=configured(proxy={"relay": "anybody"}))


def test_a_parsed_uri_can_be_parsed_again() -> None:
    for length in range(2030, 2049):
        for raw in (LONG[:4] + "a" * (length - 5 - len(HOST)) + "@" + HOST, "sip:" + "#" * 680 + "@h", LONG):
            try:
                uri = SipUri.parse(raw)
            except MalformedMessage:
                continue
            assert SipUri.parse(str(uri)).equals(uri)
    assert SipUri.parse("sip:" + "a" * 2042 + "@h").host == "h"

"""Security 10: an ACK reaches a phone only in a dialog known to the proxy, or from the place of a registered user."""

from pathlib import Path

import pytest
import trio

from tests.faults.peer import Peer, call, lock
from tests.network.world import World, configured, play

ALICE, BOB, STRANGER = (("198.51.100." + str(n), 5060) for n in (1, 2, 9))
PATIENCE = 5


async def users(world: World) -> tuple[Peer, Peer, Peer]:
    lock(world, "alice", "bob")
    alice, bob = Peer(world, "alice", ALICE), Peer(world, "bob", BOB)
    for peer in (alice, bob):
        assert (await peer.register()).status == 200
    return alice, bob, Peer(world, "stranger", STRANGER, domain="elsewhere.example")


URIS = ["sip:bob@example.test", "sip:bob@198.51.100.2:5060", "sip:bob@198.51.100.2"]
NAMES = ["stranger@elsewhere.example", "alice@example.test", "bob@example.test", "x@example.test"]
ROUTES = ["", "Route: <sip:192.0.2.1:5060;lr>\r\n", "Route: <sip:example.test;lr;dlg=AAAA>\r\n"]


@pytest.mark.parametrize("uri", URIS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("route", ROUTES)
def test_an_ack_of_a_stranger_is_dropped_and_counted(tmp_path: Path, uri: str, name: str, route: str) -> None:
    async def story(world: World) -> None:
        alice, bob, stranger = await users(world)
        before = world.parts.counters.dropped
        for to in (f"<{uri}>", f"<{uri}>;tag=x", "<sip:bob@example.test>;tag=x"):
            stranger.send(
                stranger.request("ACK", uri, to, route, from_=f"<sip:{name}>;tag=a", body="x" * 500)
            )
        await trio.sleep(PATIENCE)
        assert [bob.untaken(), alice.untaken(), stranger.heard] == [[], [], []]
        assert world.parts.counters.dropped == before + 3

    play(tmp_path, story)


def test_the_ack_of_a_call_goes_through_from_another_port_too(tmp_path: Path) -> None:
    """The token is the proof: an ACK cannot be challenged."""

    async def story(world: World) -> None:
        alice, bob, stranger = await users(world)
        caller, _ = await call(alice, bob)
        caller.agent = stranger
        stranger.send(caller.request("ACK"))
        assert (await bob.take(b"ACK")).uri.decode() == bob.contact
        caller.call_id += "x"
        stranger.send(caller.request("ACK"))
        await trio.sleep(PATIENCE)
        assert bob.untaken() == []

    play(tmp_path, story)


def test_a_registered_users_ack_to_an_aor_goes_through(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, _ = await users(world)
        alice.send(alice.request("ACK", bob.aor, f"<{bob.aor}>;tag=x"))
        assert (await bob.take(b"ACK")).uri.decode() == bob.contact

    play(tmp_path, story)


def test_a_trusted_proxys_ack_goes_through(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        _, bob, stranger = await users(world)
        stranger.send(stranger.request("ACK", bob.aor, f"<{bob.aor}>;tag=x"))
        await bob.take(b"ACK")

    play(tmp_path, story, config=configured(trusted=[STRANGER[0]]))

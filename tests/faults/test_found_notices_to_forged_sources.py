"""Found: with use_contact each datagram with a forged source made the daemon send eleven notices there."""

from pathlib import Path

import trio

from msilod.reaching.places import MAX_OPEN_OF_AOR
from msilod.sip.message import Request, build_response
from tests.faults.peer import Peer
from tests.network.world import World, configured, play

CONFIG = configured(silo={"registrar": "sip:registrar@example.test", "use_contact": True})


def say(peer: Peer, sender: int, recipient: str = "sip:bob@example.test") -> None:
    """Send a message with a unique From: each pair of sender and recipient gets one notice an hour."""
    from_ = f"<sip:stranger{sender}@elsewhere.test>;tag=1"
    peer.send(
        peer.request("MESSAGE", recipient, from_=from_, extra="Content-Type: text/plain\r\n", body="hi")
    )


def notices(peer: Peer) -> int:
    return sum(isinstance(heard, Request) for heard in peer.heard)


def test_a_silent_source_gets_one_notice_at_a_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        victim = Peer(world, "victim", ("203.0.113.9", 5060))
        for number in range(5):
            say(victim, number)
        await trio.sleep(31)
        assert notices(victim) == 1
        await trio.sleep(2)
        say(victim, 5)
        await trio.sleep(1)
        assert notices(victim) == 2

    play(tmp_path, story, config=CONFIG)


def test_a_source_that_answers_gets_every_notice(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        phone = Peer(world, "alice", ("203.0.113.9", 5060))
        phone.on_request = lambda request: phone.send(build_response(request, 200, b"OK", b"t").to_bytes())
        for number in range(5):
            say(phone, number)
            await trio.sleep(1)
        assert notices(phone) == 5

    play(tmp_path, story, config=CONFIG)


def test_a_connection_gets_every_notice(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        phone = Peer(world, "alice", ("203.0.113.9", 5060), stream=True)
        for number in range(5):
            say(phone, number)
        await trio.sleep(1)
        assert notices(phone) == 5

    play(tmp_path, story, config=CONFIG)


def test_many_forged_sources_get_few_notices_in_all(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        victims = [Peer(world, "victim", ("203.0.113.9", 6000 + number)) for number in range(150)]
        for number, victim in enumerate(victims):
            # Different recipients, so no mailbox is full.
            say(victim, number, f"sip:bob{number}@example.test")
        await trio.sleep(2)
        assert sum(map(notices, victims)) == MAX_OPEN_OF_AOR

    play(tmp_path, story, config=CONFIG)

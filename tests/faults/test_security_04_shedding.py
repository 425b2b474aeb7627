"""Security 4, part 5 of the issue: a source with too many datagrams is dropped unread, and users are not.

20,000 datagrams a second of refused requests left no time for users, since each datagram had to be parsed.
"""

from collections.abc import Mapping, Set
from pathlib import Path

import pytest
import trio

from msilod.auth.fruitless import MAX_PER_SECOND
from msilod.transport.udp_filter import Strangers
from tests.faults.doorway import HOME, Doorway, with_auth
from tests.network.world import World, play

MANY = int(MAX_PER_SECOND) + 10
STRANGER = "203.0.113.7"
Shed = list[dict[str, set[int]]]


def watched(world: World) -> Shed:
    """Records the sources that the transports must drop."""
    told: Shed = []

    def shed(sources: Mapping[str, Set[int]], strangers: Strangers | None = None) -> bool:
        told.append({source: set(ports) for source, ports in sources.items()})
        return True

    world.transports.shed = shed  # type: ignore[method-assign]
    return told


def asked(method: bytes, uri: bytes = b"sip:bob@example.test") -> bytes:
    return (
        b"%b %b SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKq\r\nFrom: <sip:m@foreign.test>;tag=1\r\n"
        b"Max-Forwards: 70\r\nTo: <sip:bob@example.test>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 %b\r\n\r\n"
    ) % (method, uri, method)


KINDS = {
    "refused": asked(b"INVITE"),
    "malformed": asked(b"INVITE").replace(b"\r\n\r\n", b"\r\nContent-Length: x\r\n\r\n"),
    "garbage": b"garbage",
    "cancel of nothing": asked(b"CANCEL"),
    "ack of nothing": asked(b"ACK", b"sip:nobody@example.test"),
    "options": asked(b"OPTIONS", b"sip:example.test"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_of_nothing_but_refusals_is_shed_for_a_second(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        door, told = Doorway(world), watched(world)
        await trio.sleep(0.1)
        for number in range(MANY):
            door.say(KINDS[kind], (STRANGER, 1_024 + number))
        assert told == [{STRANGER: set()}]
        await trio.sleep(2)
        assert told == [{STRANGER: set()}, {}], "it is heard again"
        assert world.parts.counters.shed_sources == 1

    play(tmp_path, story, config=with_auth())


def test_responses_to_nothing_count_a_fifth(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door, told = Doorway(world), watched(world)
        answer = KINDS["refused"].replace(b"INVITE sip:bob@example.test SIP/2.0", b"SIP/2.0 200 OK")
        await trio.sleep(0.1)
        for _ in range(4 * MANY):
            door.say(answer, (STRANGER, 5060))
        assert told == []
        for _ in range(2 * MANY):
            door.say(answer, (STRANGER, 5060))
        assert told == [{STRANGER: set()}]

    play(tmp_path, story, config=with_auth())


def test_the_port_of_a_user_passes_while_the_address_is_shed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door, told = Doorway(world), watched(world)
        await trio.sleep(0.1)
        assert door.register() == 200
        for number in range(MANY):
            door.say(KINDS["refused"], (HOME[0], 10_000 + number))
        assert told == [{HOME[0]: {HOME[1]}}]

    play(tmp_path, story, config=with_auth())


def test_users_are_never_counted(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door, told = Doorway(world), watched(world)
        await trio.sleep(0.1)
        for number in range(MANY):
            # A challenge and a right answer each: from many ports, as of a company behind one address.
            assert door.register((f"198.51.100.{number % 250}", 5_060 + number)) == 200
        assert told == []

    play(tmp_path, story, config=with_auth())


@pytest.mark.parametrize("auth", [{"edges": [STRANGER]}, {"mode": "off"}, {}])
def test_edges_trusted_networks_and_open_daemons_shed_nobody(tmp_path: Path, auth: dict[str, object]) -> None:
    async def story(world: World) -> None:
        door, told = Doorway(world), watched(world)
        if not auth:
            world.parts.trust.configure([STRANGER])
        await trio.sleep(0.1)
        for _ in range(2 * MANY):
            door.say(KINDS["malformed"], (STRANGER, 5060))
        assert told == []

    play(tmp_path, story, config=with_auth(**auth))


@pytest.mark.parametrize(("is_limited", "times"), [(False, 0), (True, 1)])
def test_loopback_is_shed_by_configuration_only(tmp_path: Path, is_limited: bool, times: int) -> None:
    async def story(world: World) -> None:
        door, told = Doorway(world), watched(world)
        await trio.sleep(0.1)
        for _ in range(2 * MANY):
            door.say(KINDS["malformed"], ("127.0.0.2", 5060))
        assert len(told) == times

    play(tmp_path, story, config=with_auth(limit_loopback=is_limited))

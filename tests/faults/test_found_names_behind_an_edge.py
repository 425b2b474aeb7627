"""Found: behind an edge proxy a party of a call could send requests of the call in the name of the other party."""

import re
from pathlib import Path

import pytest
import trio

from msilod.sip.message import Response
from msilod.sip.parser import parse
from tests.faults.peer import Peer, Side, call, lock
from tests.network.ladder import Address
from tests.network.world import SERVER, World, configured, play

EDGE: Address = ("203.0.113.9", 5060)
CONFIG = configured(auth={"edges": [EDGE[0]]})


class Edge:
    """An edge proxy: adds a Via on top of the client's, with `received` and optionally `rport`."""

    def __init__(self, world: World, says_port: bool = True) -> None:
        self.world = world
        self.says_port = says_port
        self.clients: dict[Address, Client] = {}
        self._branch = 0
        world.wires.bind(EDGE, lambda data, source: self._hear(data))

    def send(self, data: bytes, client: Address) -> None:
        if not data.startswith(b"SIP/2.0"):
            host, port = client
            place = f";received={host}" + (f";rport={port}" if self.says_port else "")
            data = re.sub(rb";rport", place.encode(), data, count=1)
            self._branch += 1
            own = f"\r\nVia: SIP/2.0/UDP {EDGE[0]}:{EDGE[1]};branch=z9hG4bKedge{self._branch}".encode()
            data = data.replace(b"\r\n", own + b"\r\n", 1)
        self.world.wires.datagram(EDGE, SERVER, data)

    def _hear(self, data: bytes) -> None:
        message = parse(data)
        if isinstance(message, Response):
            del message.headers.fields[0]
            via = message.headers.get_all(b"via")[0].decode()
            place = re.search(r"received=([\d.]+)", via)
            assert place is not None
            self._take(place[1], message.to_bytes())
        else:
            host = re.search(rb"@(10[\d.]+)", message.uri)
            if host is not None:
                self._take(host[1].decode(), data)

    def _take(self, host: str, data: bytes) -> None:
        (client,) = (client for place, client in self.clients.items() if place[0] == host)
        client.receive(data, client.send)


class Client(Peer):
    """A phone in a private network, behind the edge."""

    def __init__(self, edge: Edge, user: str, number: int) -> None:
        super().__init__(edge.world, user, (f"10.0.0.{number}", 5060))
        self.edge = edge
        edge.clients[self.address] = self

    def send(self, data: bytes) -> None:
        self.edge.send(data, self.address)


async def two(world: World, says_port: bool = True) -> tuple[Client, Client]:
    """alice and mallory, registered through the edge."""
    lock(world, "alice", "mallory", "bob")
    edge = Edge(world, says_port)
    alice, mallory = Client(edge, "alice", 1), Client(edge, "mallory", 2)
    for client in (alice, mallory):
        assert (await client.register()).status == 200
    return alice, mallory


def forged(side: Side, by: Peer) -> Side:
    """The same words, said by another party."""
    return Side(by, side.local, side.remote, side.call_id, side.target, side.routes)


@pytest.mark.parametrize("method", ["INFO", "INVITE", "REFER", "NOTIFY", "BYE", "UPDATE"])
@pytest.mark.parametrize("is_caller", [True, False])
def test_a_party_has_no_place_of_the_other_party(tmp_path: Path, method: str, is_caller: bool) -> None:
    async def story(world: World) -> None:
        alice, mallory = await two(world)
        if is_caller:
            _, alices = await call(mallory, alice)
        else:
            alices, _ = await call(alice, mallory)
        for uri in ("", "sip:x@8.8.8.8", f"sip:{alice.user}@8.8.8.8:5060"):
            side = forged(alices, mallory)
            assert (await mallory.answer_to(side.request(method, uri=uri))).status == 407
        assert set(mallory.untaken()) <= {b"ACK"}

    play(tmp_path, story, config=CONFIG)


@pytest.mark.parametrize("restarts", [False, True])
def test_both_parties_go_on_without_a_password(tmp_path: Path, restarts: bool) -> None:
    """Also after a restart, by the token alone."""

    async def story(world: World) -> None:
        alice, mallory = await two(world)
        caller, callee = await call(alice, mallory)
        if restarts:
            await world.restart()
            lock(world, "alice", "mallory", "bob")
        for method in ("INFO", "UPDATE"):
            await caller.reach(method, mallory)
            await callee.reach(method, alice)

    play(tmp_path, story, config=CONFIG)


def test_clients_that_the_edge_does_not_tell_from_others_show_a_password(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, mallory = await two(world, says_port=False)
        alice.on_request = mallory.on_request = None
        caller, callee = await call(alice, mallory)
        for side in (caller, callee):
            assert (await side.agent.answer_to(side.request("INFO"))).status == 407
        mallory.on_request = mallory.answer
        assert (await caller.ask("INFO")).status == 200

    play(tmp_path, story, config=CONFIG)


@pytest.mark.parametrize("is_own", [True, False])
def test_an_ack_outside_of_dialogs_is_of_the_user_who_is_registered_there(
    tmp_path: Path, is_own: bool
) -> None:
    async def story(world: World) -> None:
        alice, mallory = await two(world)
        bob = Peer(world, "bob", ("198.51.100.3", 5060))
        assert (await bob.register()).status == 200
        sender = alice if is_own else mallory
        sender.send(sender.request("ACK", bob.aor, from_=f"<{alice.aor}>;tag=x"))
        await trio.sleep(1)
        assert bob.untaken() == ([b"ACK"] if is_own else [])

    play(tmp_path, story, config=CONFIG)

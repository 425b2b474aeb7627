"""Reliability 15: a TCP attempt never connects to the daemon itself; the daemon's own 482 is not the phone's."""

import socket
from pathlib import Path

import pytest
import trio

import msilod.transport.tcp
from msilod.errors import TransportError
from msilod.transport.tcp import connect, prepare
from tests.agent.transactions import Served
from tests.network.phone import Phone
from tests.network.world import World, play
from tests.ports import free_port
from tests.transport.ear import serving


async def test_a_connection_to_oneself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel picks the dialled port as the local port: a simultaneous open succeeds (RFC 9293 section 3.5)."""
    port = free_port()

    def bound(sock: socket.socket) -> None:
        prepare(sock)
        sock.bind(("127.0.0.1", port))

    monkeypatch.setattr(msilod.transport.tcp, "prepare", bound)
    with pytest.raises(ConnectionRefusedError):
        await connect("127.0.0.1", port)
    async with serving("udp:127.0.0.1:0", "tcp:127.0.0.1:0") as (transports, _):
        with pytest.raises(TransportError):
            await transports.connect("tcp", "127.0.0.1", port, "", 3.0)
        assert transports.streams.connections == {}


class Mirror(Phone):
    """In the place of a phone: our own answer to our own request."""

    world: World
    status = 482

    def requested(self, served: Served) -> None:
        if served.request.method == b"MESSAGE":
            self.tag = self.world.parts.layer.stateless_tag(served.request)
            served.respond(self.status)
        else:
            super().requested(served)


def mirror(world: World) -> Mirror:
    made = Mirror(world.wires, world.ledger, "bob", ("198.51.100.99", 5060), ("192.0.2.1", 5060))
    made.world = world
    return made


@pytest.mark.parametrize("is_waiting", [True, False])
def test_a_482_of_our_own_says_that_the_phone_was_not_reached(tmp_path: Path, is_waiting: bool) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), mirror(world)
        alice.switch_on()
        if is_waiting:
            alice.text("bob")
            await trio.sleep(1)
        bob.boot()
        await trio.sleep(1)
        if not is_waiting:
            asked = alice.text("bob")
            await trio.sleep(1)
            assert asked.status == 202, "kept: nobody has refused it"
        assert world.column("last_status") == [503]
        assert world.column("attempts") == [0]

    play(tmp_path, story)


def test_a_482_of_the_phone_is_the_phones(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        alice.text("bob")
        await trio.sleep(1)
        bob.answers = ((0.05, 482),)
        bob.boot()
        await trio.sleep(1)
        assert world.column("last_status") == [482]

    play(tmp_path, story)

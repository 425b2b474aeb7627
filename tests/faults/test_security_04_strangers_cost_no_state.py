"""Security 4: refused strangers cost state.

INVITEs refused with 403, 483, 420, 416 or 400 kept a server transaction for 32 s: 10,000 a second filled the table,
eleven copies of each 4xx went to a spoofed source, and 20,000 of 60 kB took 1.2 GB.
"""

import gc
import tracemalloc
from pathlib import Path

import msgspec
import pytest
import trio

from msilod.daemon.configuring import users_changed
from msilod.sip.message import Response
from msilod.sip.parser import parse
from msilod.transaction.strangers import MAX_BYTES, MAX_NUMBER
from tests.faults.doorway import HOME, Doorway, Place, with_auth
from tests.network.world import World, configured, play

STRANGER: Place = ("203.0.113.7", 5070)
FOREIGN = ("From: <sip:alice@", "From: <sip:mallory@foreign.")


def made(door: Doorway, kind: str, method: str) -> bytes:
    """A request refused before authentication, by status."""
    uri = {"416": "mailto:a@b.test", "404": "sip:nobody@example.test"}.get(kind, "sip:bob@example.test")
    more = {"420": "Proxy-Require: levitation\r\n", "400": "Contact: <\r\n", "489": "Event: x\r\n"}.get(
        kind, ""
    )
    data = door.request(method, uri, more=more)
    if kind == "483":
        data = data.replace(b"Max-Forwards: 70", b"Max-Forwards: 0")
    if kind == "482":
        data = data.replace(b"\r\nMax", b"\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKloop\r\nMax", 1)
    if kind in ("403", "404"):
        data = data.replace(b"From: <sip:alice@", b"From: <sip:mallory@foreign.")
    if kind == "400":
        data = data.replace(b"To: <", b"To: ")
    return data


KINDS = ["400", "403", "407", "416", "420", "483"]


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "SUBSCRIBE", "OPTIONS"])
def test_what_is_refused_before_authentication_leaves_nothing(tmp_path: Path, method: str) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        layer = world.parts.layer
        for kind in KINDS:
            data = made(door, kind, method)
            for _ in range(3):
                answers = door.say(data, STRANGER)
                assert [answer.status for answer in answers] == [int(kind)], (
                    f"{kind}: each copy is answered anew"
                )
            assert (layer.open_transactions, layer.remembered) == (0, 0), kind
            assert not layer._servers._live, kind
        world.transports._unsent.clear()
        await trio.sleep(40)
        assert not world.transports._unsent, "nothing is sent again"

    play(tmp_path, story, config=with_auth())


def test_the_ack_of_a_refused_invite_is_absorbed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        data = made(door, "403", "INVITE")
        (refusal,) = door.say(data, STRANGER)
        ack = data.replace(b"INVITE", b"ACK").replace(
            b"To: <sip:alice@example.test>", b"To: " + (refusal.headers.get(b"to") or b"")
        )
        dropped = world.parts.counters.dropped
        assert door.say(ack, STRANGER) == []
        assert world.parts.counters.dropped == dropped, "it has been absorbed, not routed"

    play(tmp_path, story, config=with_auth())


def test_a_cancel_of_nothing_and_options_to_the_server_leave_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        assert door.status(door.request("CANCEL"), STRANGER) == 481
        assert door.status(door.request("OPTIONS"), STRANGER) == 200
        assert world.parts.layer.remembered == 0

    play(tmp_path, story, config=with_auth())


def test_a_refusal_to_an_authenticated_user_is_remembered(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        (first,) = door.say(door.request("REGISTER"))
        line = door.credentials(first)
        data = door.request("REGISTER", more=line + "Expires: 1\r\n")
        assert [door.status(data), door.status(data)] == [423, 423], (
            "its nonce has been used: a copy is no new request"
        )
        assert world.parts.layer.remembered == 1

    play(tmp_path, story, config=with_auth())


def test_20000_refused_invites_of_60_kb_take_no_memory(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        body = "x" * 60_000
        for kind in KINDS:
            door.say(made(door, kind, "INVITE"), STRANGER)
        gc.collect()
        tracemalloc.start()
        try:
            for number in range(2_000):
                data = made(door, KINDS[number % len(KINDS)], "INVITE")
                data = data.replace(
                    b"Content-Length: 0\r\n\r\n", f"Content-Length: 60000\r\n\r\n{body}".encode()
                )
                assert len(door.say(data, ("203.0.113.7", 1_024 + number))) == 1
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] < 3_000_000, "a tenth of them: less than 30 MB for all"
        finally:
            tracemalloc.stop()

    play(tmp_path, story, config=with_auth())


def test_strangers_who_are_let_in_have_a_bound_and_users_find_room_beyond_it(tmp_path: Path) -> None:
    """With inbound = "anybody": calls to Bob, without an answer."""

    async def story(world: World) -> None:
        door = Doorway(world)
        bob = world.phone("bob")
        bob.rings = ()
        world.parts.members.is_closed = False
        bob.boot()
        await trio.sleep(5)
        users_changed(world.parts)
        body = "x" * 60_000
        statuses = []
        for _ in range(MAX_BYTES // 60_000 + 20):
            data = made(door, "403", "INVITE").replace(
                b"Content-Length: 0\r\n\r\n", f"Content-Length: 60000\r\n\r\n{body}".encode()
            )
            statuses.append(door.status(data, STRANGER))
        assert statuses.count(100) < MAX_BYTES // 60_000
        assert statuses[-1] == 503
        assert door.register() == 200
        (asked,) = door.say(door.request("OPTIONS", "sip:bob@example.test"), HOME)
        assert asked.status == 407, "a user has room"
        assert len(world.parts.layer._servers.strangers) < MAX_NUMBER
        world.wires.unbind(bob.address)

    config = msgspec.structs.replace(configured(), auth=with_auth(inbound="anybody").auth)
    play(tmp_path, story, config=config)


def test_where_there_are_no_users_everybody_works_at_full_rate(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        door.server.members.users.existed = False
        users_changed(door.server)
        for _ in range(3_000):
            answers = door.say(door.request("MESSAGE", "sip:nobody@foreign.test"), ("203.0.113.7", 5_070))
            assert isinstance(answers[0], Response)
        assert world.parts.counters.shed_sources == 0
        assert len(world.parts.layer._servers.strangers) == 0
        assert parse(door.request("OPTIONS"))

    play(tmp_path, story, config=with_auth())

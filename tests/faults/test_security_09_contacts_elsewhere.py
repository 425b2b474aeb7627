"""Security 9: a contact at a place without a REGISTER of the place gets one request at a time until an answer."""

from pathlib import Path

import pytest
import trio

from msilod.sip.message import Request
from msilod.sip.parser import parse
from tests.network.ladder import Address
from tests.network.phone import Phone
from tests.network.world import World, configured, play

VICTIM: Address = ("8.8.8.8", 5060)


def watch(world: World, at: Address = VICTIM) -> list[Request]:
    """Records the requests to the victim's port, copies included."""
    came: list[Request] = []

    def hear(data: bytes, source: Address) -> None:
        message = parse(data)
        assert isinstance(message, Request)
        came.append(message)

    world.wires.bind(at, hear)
    return came


def branches(requests: list[Request]) -> set[bytes]:
    return {request.via.branch for request in requests}


async def ready(world: World, contacts: list[str], extra: str = "") -> tuple[Phone, Phone]:
    """Alice's phone, and Mallory's phone with the given contacts registered."""
    alice, mallory = world.phone("alice"), world.phone("mallory")
    alice.switch_on()
    mallory.switch_on()
    lines = "".join(f"Contact: <{contact}>\r\n" for contact in contacts) + "Expires: 3600\r\n"
    assert mallory.register_line(lines + extra)
    await trio.sleep(1)
    return alice, mallory


TEN = [f"sip:m{n}@8.8.8.8:5060" for n in range(10)]
WAYS = {
    "user parts": (TEN, ""),
    "parameters": ([f"sip:m@8.8.8.8:5060;line={n}" for n in range(10)], ""),
    "Path": (
        [f"sip:m@10.0.0.{n}" for n in range(1, 11)],
        "Supported: path\r\nPath: <sip:8.8.8.8:5060;lr>\r\n",
    ),
}


@pytest.mark.parametrize("kind", WAYS)
def test_one_message_to_ten_contacts_of_one_place_is_one_request(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        came = watch(world)
        alice, _ = await ready(world, *WAYS[kind])
        alice.text("mallory")
        await trio.sleep(31)
        assert len(branches(came)) == 1
        assert len(came) <= 11, "Timer E sends a request eleven times at most"

    play(tmp_path, story)


def test_ten_messages_to_a_place_that_does_not_answer_are_one_request_at_a_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        came = watch(world)
        alice, _ = await ready(world, TEN)
        for _ in range(10):
            alice.text("mallory")
            await trio.sleep(0.1)
        await trio.sleep(29)
        assert len(branches(came)) == 1

    play(tmp_path, story)


def test_a_call_rings_one_contact_of_a_place_that_has_not_answered(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        came = watch(world)
        alice, _ = await ready(world, TEN)
        alice.call("mallory")
        await trio.sleep(8)
        assert len(branches([one for one in came if one.method == b"INVITE"])) == 1

    play(tmp_path, story)


def test_a_place_that_has_answered_gets_all(tmp_path: Path) -> None:
    """A gateway with ten lines at a public address. The REGISTERs come from another port."""

    async def story(world: World) -> None:
        gateway = Phone(world.wires, world.ledger, "mallory", VICTIM, ("192.0.2.1", 5060))
        gateway.switch_on()
        alice, _ = await ready(world, TEN)
        alice.text("mallory")
        await trio.sleep(2)
        assert len(gateway.got) == 1
        alice.text("mallory")
        await trio.sleep(2)
        assert len(gateway.got) == 11

    play(tmp_path, story)


def test_a_deliveries_run_asks_a_place_that_has_not_answered_for_one_message(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        came = watch(world)
        alice = world.phone("alice")
        alice.switch_on()
        for _ in range(5):
            alice.text("mallory")
        await trio.sleep(1)
        assert len(world.rows()) == 5
        await ready(world, TEN)
        await trio.sleep(29)
        assert len(branches(came)) == 1

    play(tmp_path, story)


def test_a_notice_is_a_request_to_a_place_as_well(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        came = watch(world)
        _, mallory = await ready(world, TEN)
        for name in ("x", "y", "z"):
            mallory.text(name)
        await trio.sleep(20)
        assert len(branches(came)) == 1

    play(tmp_path, story, config=configured(silo={"registrar": "sip:office@example.test"}))


def test_the_source_of_the_register_needs_no_proof(tmp_path: Path) -> None:
    """Ten lines of one phone, with true contacts: each line gets a copy at once."""

    async def story(world: World) -> None:
        alice, mallory = world.phone("alice"), world.phone("mallory")
        alice.switch_on()
        mallory.switch_on()
        host, port = mallory.address
        lines = "".join(f"Contact: <sip:m{n}@{host}:{port}>\r\n" for n in range(5)) + "Expires: 3600\r\n"
        mallory.register_line(lines)
        await trio.sleep(1)
        alice.text("mallory")
        await trio.sleep(1)
        assert len(mallory.got) == 5

    play(tmp_path, story)


def test_a_phone_that_was_started_again_gets_one_copy(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.switch_on()
        host, port = bob.address
        for number in range(3):
            bob.register_line(f"Contact: <sip:bob@{host}:{port};rinstance={number}>\r\nExpires: 3600\r\n")
            await trio.sleep(1)
        alice.text("bob")
        await trio.sleep(1)
        assert [request.uri for request in bob.got] == [f"sip:bob@{host}:{port};rinstance=2".encode()]

    play(tmp_path, story)

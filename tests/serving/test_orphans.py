"""Orphans: a binding without its connection ends at once, in memory and database; a contact to dial stays."""

from pathlib import Path

import pytest
import trio

from tests.network.world import World, play

DIALABLE = "sip:bob@198.51.100.1:5060;transport=tcp"
BEHIND_NAT = "sip:bob@10.0.0.9:5060;transport=tcp"


async def bound(world: World, contact: str) -> list[str]:
    """bob registers `contact` on a stream, and closes the connection. Returns the contacts afterwards."""
    bob = world.phone("bob", stream=True)
    bob.switch_on()
    bob.register_line(f"Contact: <{contact}>\r\nExpires: 3600\r\n")
    await trio.sleep(1)
    (binding,) = world.parts.location.all()
    assert binding.flow is not None
    assert world.parts.receiver.is_needed(binding.flow), "such a connection is not closed for being idle"
    bob.wire.hang_up()
    await trio.sleep(0.5)
    left = [found.contact for found in world.parts.location.all()]
    assert [found.contact for found, _ in world.silo.load_bindings()] == left
    return left


def test_a_contact_that_can_be_dialled_stays(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assert await bound(world, DIALABLE) == [DIALABLE]

    play(tmp_path, story)


def test_a_contact_behind_nat_ends_and_the_next_message_is_stored_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assert await bound(world, BEHIND_NAT) == []
        alice = world.phone("alice")
        alice.switch_on()
        asked = alice.text("bob")
        await trio.sleep(0.3)
        assert asked.status == 202

    play(tmp_path, story)


def test_a_restart_ends_the_bindings_of_connections(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob", stream=True)
        bob.switch_on()
        bob.register_line(f"Contact: <{BEHIND_NAT}>\r\nExpires: 3600\r\n")
        await trio.sleep(1)
        assert len(world.silo.load_bindings()) == 1
        await world.restart()
        await trio.sleep(1)
        assert list(world.parts.location.all()) == []
        assert world.silo.load_bindings() == []

    play(tmp_path, story)


@pytest.mark.interpreted
def test_the_deliveries_over_a_closed_connection_end(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob", stream=True)
        bob.switch_on()
        bob.register_line(f"Contact: <{DIALABLE}>\r\nExpires: 3600\r\n")
        await trio.sleep(1)
        gone: list[str] = []
        orphans = world.parts.orphans
        orphans._deliverer.gone = (  # type: ignore[method-assign]
            lambda binding, now: gone.append(binding.contact)
        )
        bob.wire.hang_up()
        await trio.sleep(0.5)
        assert gone == [DIALABLE]

    play(tmp_path, story)

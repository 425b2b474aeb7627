"""Found: a 2xx after Timer F or ICMP, to a MESSAGE first relayed and then stored, did not end the row (law 2).

The phone got the message twice.
"""

from pathlib import Path

import trio

from tests.network.desk import Desk
from tests.network.phone import Phone, Script
from tests.network.world import World, configured, play


async def relayed(world: World, answers: Script) -> Phone:
    """A MESSAGE from Alice to Bob's registered phone, with a late answer."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    bob.expires = 3600
    bob.boot()
    await trio.sleep(1)
    bob.answers = answers
    alice.text("bob")
    return bob


def test_a_2xx_behind_timer_f_ends_the_row(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = await relayed(world, ((45.0, 200),))
        await trio.sleep(40)
        assert len(world.rows()) == 1
        await trio.sleep(6)
        assert world.rows() == {}
        await trio.sleep(300)
        assert len(bob.got) == 1
        assert [event for _, event, _ in Desk(world).entries()][-1] == "delivered"

    assert play(tmp_path, story).ledger.faults == []


def test_a_2xx_behind_icmp_ends_the_row(tmp_path: Path) -> None:
    """The phone's port was closed for a moment, and a copy of the request came then: before the row was stored."""

    async def story(world: World) -> None:
        bob = await relayed(world, ((20.0, 200),))
        await trio.sleep(0.2)
        world.wires.unbind(bob.address)
        await trio.sleep(1)
        bob.switch_on()
        assert len(world.rows()) == 1
        await trio.sleep(20)
        assert world.rows() == {}
        await trio.sleep(300)
        assert len(bob.got) == 1

    assert play(tmp_path, story).ledger.faults == []


def test_a_2xx_while_the_next_attempt_is_on_the_wire_ends_the_row(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = await relayed(world, ((90.0, 200),))
        await trio.sleep(85)
        assert len(bob.got) == 2
        await trio.sleep(10)
        assert world.rows() == {}
        await trio.sleep(300)
        assert len(bob.got) == 2

    play(tmp_path, story)


def test_without_a_row_nothing_is_remembered(tmp_path: Path) -> None:
    """The message is too large for the silo: the sender gets a failure in time, and the late 2xx has no effect."""

    async def story(world: World) -> None:
        bob = await relayed(world, ((45.0, 200),))
        await trio.sleep(60)
        assert len(bob.got) == 1
        assert world.rows() == {}
        assert len(world.parts.deliverer.overdue) == 0

    play(tmp_path, story, config=configured(silo={"max_body": 1}))

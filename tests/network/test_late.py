"""Law 2 on the whole daemon: a 2xx ends the row at any time, also after Timer F and after ICMP."""

from pathlib import Path

import pytest
import trio

from msilod.silo.runs.overdue import MAX_OVERDUE, Overdue
from tests.network.desk import Desk
from tests.network.phone import Phone
from tests.network.world import World, play
from tests.store.rows import row

# Behind Timer F, and before the first back-off of 60 s is over.
TARDY = ((50.0, 200),)


async def _waiting(world: World) -> Phone:
    """A stored message from Alice to Bob, without a binding of Bob."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    alice.text("bob")
    bob.expires = 600
    await trio.sleep(1)
    assert len(world.rows()) == 1
    return bob


def test_a_2xx_behind_timer_f_ends_the_row(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob, desk = await _waiting(world), Desk(world)
        bob.answers = TARDY
        bob.boot()
        await trio.sleep(40)
        assert len(world.rows()) == 1
        await trio.sleep(12)
        assert world.rows() == {}
        await trio.sleep(200)
        assert len(bob.got) == 1
        assert [event for _, event, _ in desk.entries()] == ["failed", "delivered"]

    assert play(tmp_path, story).ledger.faults == []


def test_a_2xx_behind_icmp_ends_the_row(tmp_path: Path) -> None:
    """The phone's port was closed for a moment, when a copy of the request arrived."""

    async def story(world: World) -> None:
        bob = await _waiting(world)
        bob.answers = ((20.0, 200),)
        bob.boot()
        await trio.sleep(0.2)
        world.wires.unbind(bob.address)
        await trio.sleep(1)
        bob.switch_on()
        await trio.sleep(20)
        assert world.rows() == {}
        await trio.sleep(200)
        assert len(bob.got) == 1

    assert play(tmp_path, story).ledger.faults == []


def test_a_2xx_to_the_first_attempt_ends_the_row_while_the_second_is_on_the_wire(tmp_path: Path) -> None:
    """Both attempts are answered, and the message has one end."""

    async def story(world: World) -> None:
        bob, desk = await _waiting(world), Desk(world)
        bob.answers = ((100.0, 200),)
        bob.boot()
        await trio.sleep(98)
        assert len(bob.got) == 2
        await trio.sleep(5)
        assert world.rows() == {}
        await trio.sleep(200)
        assert len(bob.got) == 2
        assert [event for _, event, _ in desk.entries()].count("delivered") == 1

    play(tmp_path, story)


@pytest.mark.parametrize("verb", ["purge", "hold"])
def test_an_operator_was_faster(tmp_path: Path, verb: str) -> None:
    """A purged row stays purged. A held row ends, because the recipient has the message."""

    async def story(world: World) -> None:
        bob, desk = await _waiting(world), Desk(world)
        bob.answers = TARDY
        bob.boot()
        await trio.sleep(40)
        desk.do(verb, "bob@example.test", "all")
        await trio.sleep(20)
        assert world.rows() == {}
        ends = [event for _, event, _ in desk.entries() if event in ("purged", "delivered")]
        assert ends == ["purged" if verb == "purge" else "delivered"]

    assert play(tmp_path, story).ledger.faults == []


def test_the_oldest_is_forgotten_first() -> None:
    overdue = Overdue()
    for number in range(MAX_OVERDUE + 5):
        overdue.add(b"%d" % number, row(number))
    assert len(overdue) == MAX_OVERDUE

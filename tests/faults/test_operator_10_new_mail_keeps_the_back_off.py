"""Operator 10: new mail for a recipient in back-off never delays the next try, in whatever way the mail is stored."""

from pathlib import Path

import pytest
import trio

from msilod.config import Config, SiloConfig
from msilod.silo.policy import EACH_DEVICE
from tests.network.desk import Desk
from tests.network.phone import SILENT, TAKES, Phone
from tests.network.world import World, play

BOB = "bob@example.test"
EACH = Config(silo=SiloConfig(devices="each"))


async def bob_backs_off(world: World) -> tuple[Phone, Desk]:
    """Bob is registered and does not answer. The first message has had one try and waits for the second."""
    bob, desk = world.phone("bob"), Desk(world)
    bob.expires = 3600
    bob.boot()
    await trio.sleep(1)
    bob.answers = SILENT
    desk.inject(BOB, b"first", 100_000.0, 0.0)
    await trio.sleep(40)
    return bob, desk


def tries(bob: Phone, since: float) -> list[int]:
    """When Bob's phone was sent a MESSAGE, in seconds after `since`, without the copies."""
    return [round(served.at - since) for served in bob.served.values() if served.request.method == b"MESSAGE"]


@pytest.mark.parametrize("config", [None, EACH], ids=["first", EACH_DEVICE])
def test_five_injects_change_no_time(tmp_path: Path, config: Config | None) -> None:
    found: dict[int, list[int]] = {}

    async def story(world: World, count: int) -> None:
        begin = world.wires.now
        bob, desk = await bob_backs_off(world)
        for number in range(count):
            desk.inject(BOB, b"more %d" % number, 100_000.0, 0.0)
            await trio.sleep(1)
        await trio.sleep(1500 - count)
        found[count] = tries(bob, begin)
        bob.answers = TAKES
        await trio.sleep(4000)
        assert world.rows() == {}

    for count in (0, 5):
        folder = tmp_path / str(count)
        folder.mkdir()

        async def play_it(world: World, count: int = count) -> None:
            await story(world, count)

        assert play(folder, play_it, config=config).ledger.faults == []
    assert len(found[0]) >= 3
    assert found[5] == found[0]


def test_what_falls_due_changes_no_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        begin = world.wires.now
        bob, desk = await bob_backs_off(world)
        before = tries(bob, begin)
        deadline = world.parts.deliverer.schedule.retry_at(BOB)
        for number in range(5):
            desk.inject(BOB, b"later %d" % number, 100_000.0, 3.0 + number)
        await trio.sleep(12)
        assert tries(bob, begin) == before
        assert world.parts.deliverer.schedule.retry_at(BOB) == deadline
        assert {state for state, _ in world.rows().values()} == {"waiting"}
        bob.answers = TAKES
        await trio.sleep(100)
        assert world.rows() == {}

    assert play(tmp_path, story).ledger.faults == []


def test_a_recipient_who_does_not_back_off_gets_it_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob, desk = world.phone("bob"), Desk(world)
        bob.boot()
        await trio.sleep(1)
        desk.inject(BOB, b"first", 100_000.0, 0.0)
        await trio.sleep(2)
        assert [request.body for request in bob.got] == [b"first"]

    assert play(tmp_path, story).ledger.faults == []


def test_a_release_is_tried_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        begin = world.wires.now
        bob, desk = await bob_backs_off(world)
        desk.do("hold", BOB, "all")
        bob.answers = TAKES
        await trio.sleep(1)
        before = len(tries(bob, begin))
        desk.do("release", BOB, "all")
        await trio.sleep(2)
        assert len(tries(bob, begin)) == before + 1
        assert world.rows() == {}

    assert play(tmp_path, story).ledger.faults == []

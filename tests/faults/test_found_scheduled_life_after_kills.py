"""A step of the clock makes scheduled messages due; a kill before the rows are made due cost their whole life.

The life of a scheduled message begins when the message is due. The writer computes this time with the difference of
the clocks before the step, and the silo must keep this difference until no row needs it.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

from msilod.daemon.housekeeping import ROWS_A_BATCH
from tests.network.desk import Desk
from tests.network.world import DOMAIN, World, play

DAY = 86_400.0
LIFE = 3 * DAY
BOB = f"bob@{DOMAIN}"


def left(world: World) -> list[float]:
    """Seconds of life left of each row."""
    return [end - world.clock.wall() for end in world.column("expires_at")]


@pytest.mark.parametrize("kills", [1, 2, 3])
def test_a_kill_before_the_rows_are_made_due(tmp_path: Path, kills: int) -> None:
    async def story(world: World) -> None:
        Desk(world).inject(BOB, b"later", LIFE, 200)
        world.crash()
        world.jump(4 * DAY)
        for _ in range(kills):
            await world.restart()
        await trio.sleep(10)
        assert world.column("state") == ["waiting"]
        assert left(world)[0] == pytest.approx(LIFE, abs=20)
        await trio.sleep(1000)
        assert left(world)[0] == pytest.approx(LIFE - 1000, abs=20)

    assert play(tmp_path, story).ledger.faults == []


def test_a_kill_between_two_batches_of_rows(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        Desk(world).inject(BOB, b"later", LIFE, 200)
        columns = ", ".join(
            name for _, name, *_ in world.read("PRAGMA table_info(silo)") if name not in ("id", "hash")
        )
        with closing(sqlite3.connect(tmp_path / "silo.db")) as db, db:
            db.execute(
                f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS_A_BATCH * 3}) "
                f"INSERT INTO silo (hash, {columns}) SELECT randomblob(16), {columns} FROM silo, n"
            )
        world.jump(4 * DAY)
        await trio.sleep(1.5)
        states = world.column("state")
        assert ROWS_A_BATCH <= states.count("waiting") < len(states)
        await world.restart()
        await trio.sleep(10)
        assert set(world.column("state")) == {"waiting"}
        assert min(left(world)) == pytest.approx(LIFE, abs=20)

    play(tmp_path, story)


def test_the_life_of_a_later_message_begins_when_it_is_due(tmp_path: Path) -> None:
    """The difference from before the step is used for no row that is due later."""

    async def story(world: World) -> None:
        desk = Desk(world)
        world.crash()
        world.jump(4 * DAY)
        await world.restart()
        await world.restart()
        await trio.sleep(10)
        desk.inject(BOB, b"later", LIFE, 200)
        world.crash()
        await world.restart(down_for=1000)
        await trio.sleep(10)
        assert left(world)[0] == pytest.approx(LIFE - 810, abs=20)

    play(tmp_path, story)

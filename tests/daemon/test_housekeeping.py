"""Housekeeping: cleaning takes all expired rows, and scheduled rows are delivered when due."""

import sqlite3
from contextlib import closing
from pathlib import Path

import trio

from msilod.daemon.housekeeping import ROWS_A_BATCH
from tests.network.desk import Desk
from tests.network.world import DOMAIN, World, play

BOB = f"bob@{DOMAIN}"


def test_cleaning_goes_on_after_a_full_batch(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.phone("alice").switch_on()
        world.phones[0].text("bob")
        await trio.sleep(0.5)
        columns = ", ".join(
            name for _, name, *_ in world.read("PRAGMA table_info(silo)") if name not in ("id", "hash")
        )
        with closing(sqlite3.connect(tmp_path / "silo.db")) as db, db:
            db.execute(
                f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS_A_BATCH * 2}) "
                f"INSERT INTO silo (hash, {columns}) SELECT randomblob(16), {columns} FROM silo, n"
            )
            db.execute("UPDATE silo SET expires_at = ?", (world.clock.wall() - 1,))
        assert len(world.column("id")) == ROWS_A_BATCH * 2 + 1
        world.parts.cleaning.action(world.clock.now())
        world.parts.receiver.after_batch()
        assert world.column("id") == []

    play(tmp_path, story)


def test_a_scheduled_row_is_delivered_to_a_registered_phone_when_due(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob")
        bob.expires = 3600
        bob.boot()
        await trio.sleep(1)
        Desk(world).inject(BOB, b"later", 3600, 200)
        await trio.sleep(198)
        assert bob.got == []
        await trio.sleep(4)
        assert [request.body for request in bob.got] == [b"later"]

    assert play(tmp_path, story).ledger.faults == []

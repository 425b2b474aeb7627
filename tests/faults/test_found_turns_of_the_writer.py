"""While `msilo` changed many rows, the daemon's writer did not get the lock for seconds: the batches left no gap."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

from msilod.store.tables import operator
from msilod.store.tables.operator import BATCH_ROWS
from tests.network.desk import Desk
from tests.network.world import DOMAIN, World, play


@pytest.mark.parametrize("verb", ["hold", "purge"])
def test_the_lock_is_free_between_two_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    path, gaps = tmp_path / "silo.db", 0

    def sleep(seconds: float) -> None:
        nonlocal gaps
        assert seconds == operator.PAUSE
        # SQLite's busy handler looks again after 1, 2, 5, 10, 15 and 20 ms: once at least in the pause after a batch.
        assert operator.PAUSE > 0.02 >= operator.BATCH_SECONDS
        with closing(sqlite3.connect(path, timeout=0)) as db:
            db.execute("BEGIN IMMEDIATE")
            gaps += 1

    async def story(world: World) -> None:
        alice, desk = world.phone("alice"), Desk(world)
        alice.switch_on()
        alice.text("bob")
        await trio.sleep(5)
        names = ", ".join(
            name for _, name, *_ in world.read("PRAGMA table_info(silo)") if name not in ("id", "hash")
        )
        rows = BATCH_ROWS * 3
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(
                f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) "
                f"INSERT INTO silo (hash, {names}) SELECT randomblob(16), {names} FROM silo, n"
            )
        monkeypatch.setattr("msilod.store.tables.operator.time.sleep", sleep)
        desk.do(verb, f"bob@{DOMAIN}", "all")
        assert gaps >= rows // BATCH_ROWS

    play(tmp_path, story)

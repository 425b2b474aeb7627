"""Reliability 8: a power cut repeats a few deliveries: ends are synced within a second, or after some hundreds.

`FaultyDisk` records each write, truncation and sync; unsynced writes are dropped.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from msilod.store.engine.sqlite.engine import SYNC_ROWS
from tests.faults.conftest import FaultyDaemon
from tests.faults.disk import FaultyDisk
from tests.scenarios.phone import Phone


def _left(disk: FaultyDisk, target: Path) -> int:
    """The messages found by a start after a power cut at this moment."""
    disk.after_power_cut(target)
    with closing(sqlite3.connect(target / "silo.db")) as db:
        return int(db.execute("SELECT count(*) FROM silo").fetchone()[0])


def test_an_end_is_synced_without_any_store(on_disk: FaultyDaemon, disk: FaultyDisk, tmp_path: Path) -> None:
    disk.record()
    daemon = on_disk()
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        assert alice.text("bob", "once").status == 202
        assert _left(disk, tmp_path / "before") == 1
        assert bob.register().status == 200
        message = bob.request()
        synced = disk.get("syncs")
        bob.answer(message)
        for _ in range(100):
            if disk.get("syncs") > synced and not daemon.rows():
                break
            assert bob.is_silent(0.1)
        assert disk.get("syncs") > synced
    assert _left(disk, tmp_path / "after") == 0


def test_many_ends_are_synced_by_their_number(
    on_disk: FaultyDaemon, disk: FaultyDisk, tmp_path: Path
) -> None:
    disk.record()
    daemon = on_disk("[silo]\nmax_messages = 3000\n")
    count = SYNC_ROWS
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        for number in range(count):
            assert alice.text("bob", f"{number}").status == 202
        assert bob.register().status == 200
        for _ in range(count):
            bob.answer(bob.request())
        left = _left(disk, tmp_path / "cut")
    # An end changes row, hash, history and total.
    assert left <= SYNC_ROWS // 2, "no more than were ended since the last sync"

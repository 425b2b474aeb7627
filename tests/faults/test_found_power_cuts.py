"""Power cuts: a disk may have written any part of the unsynced data, in any order, and with torn writes.

The power fails at random moments of a run with stores, deliveries and checkpoints. With each possible state of the disk
the database is sound, and has each message answered with 202 and not yet accepted by a device (law 1).
CI tries 120 cuts. More cuts, of a longer run:

    MSILOD_POWER_CUTS=6000 pytest tests/faults/test_found_power_cuts.py
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from msilod.store.engine.choice import sqlite_url
from msilod.store.engine.sqlite.statements import total
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from tests.faults.conftest import FaultyDaemon
from tests.faults.disk import FaultyDisk
from tests.faults.power import PowerCuts, write_files
from tests.scenarios.phone import Phone

CUTS = int(os.environ.get("MSILOD_POWER_CUTS", "120"))
# In each round ten messages are for Bob, who accepts, and two for Carol, who has no phone.
ROUNDS = 12 + CUTS // 100
# A log of some 500 pages is copied into the file, so a run has several checkpoints.
SIZE = 10_000_000
CONFIG = "[silo]\nmax_messages = 100_000\nmin_free_bytes = 1_000_000\n"


@dataclass
class Account:
    """The moments, in bytes recorded by the disk, of each 202 to a sender and before each 200 of Bob."""

    promised: dict[bytes, int] = field(default_factory=dict)
    taken: dict[bytes, int] = field(default_factory=dict)

    def due(self, moment: int) -> set[bytes]:
        """The messages required in the silo after a cut at this moment."""
        return {
            body
            for body, answered in self.promised.items()
            if answered <= moment and self.taken.get(body, moment + 1) > moment
        }


def _body(name: str, size: int) -> bytes:
    return (name + ":").encode() + Random(name).randbytes(size // 2).hex().encode()


def _run(daemon_on: FaultyDaemon, disk: FaultyDisk) -> Account:
    """Send bursts of messages, committed together, and deliver Bob's messages in each round."""
    disk.record()
    disk.set("size", SIZE)
    daemon, account = daemon_on(CONFIG), Account()
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        for number in range(ROUNDS):
            bodies = [_body(f"bob {number} {n}", 12_000 if n % 2 else 100) for n in range(10)]
            for body in bodies:
                alice.send(alice.message("bob", body))
            for _ in bodies:
                assert alice.response().status == 202
            # The answers may come in another order: all are promised after the last.
            account.promised |= dict.fromkeys(bodies, disk.journal_size)
            for n in range(2):
                body = _body(f"carol {number} {n}", 3_000)
                assert alice.text("carol", body).status == 202
                account.promised[body] = disk.journal_size
            assert bob.register().status == 200
            for _ in bodies:
                message = bob.request()
                account.taken.setdefault(message.body, disk.journal_size)
                bob.answer(message)
            assert bob.register(expires=0).status == 200
    assert daemon.stop() == 0
    return account


def _moments(disk: FaultyDisk, random: Random, count: int) -> list[int]:
    """Random moments: half anywhere, half in checkpoints and truncations of the log."""
    records = list(disk.records())
    anywhere = [moment for moment, *_ in records]
    special = [moment for moment, what, name, *_ in records if not name or what in b"tu"]
    return random.choices(anywhere, k=count - count // 2) + random.choices(special, k=count // 2)


def _faults(silo: Path, due: set[bytes], account: Account) -> list[str]:
    """The faults of the silo after a cut."""
    try:
        with closing(sqlite3.connect(silo)) as db:
            found = [str(row[0]) for row in db.execute("PRAGMA integrity_check")]
            if found != ["ok"]:
                return found
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'silo'").fetchone():
                return [f"{len(due)} messages lost with their table"] if due else []
            rows = {bytes(body) for (body,) in db.execute("SELECT CAST(body AS BLOB) FROM silo")}
            sums = db.execute(total("silo")).fetchone()
            there = db.execute("SELECT count(*), coalesce(sum(size), 0) FROM silo").fetchone()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    wrong = [f"{len(due - rows)} messages lost, as {min(due - rows)[:20]!r}"] if due - rows else []
    if sums != there:
        wrong.append(f"the total is {sums}, there are {there}")
    if rows - account.promised.keys():
        wrong.append("a message is not as it was sent")
    return wrong


def _starts(silo: Path, due: set[bytes]) -> bool:
    """True when a daemon can open the silo and finds all the messages."""
    opened = Silo(sqlite_url(silo), "silo", Limits())
    try:
        opened.start("node", None)
        found = {bytes(body) for (body,) in opened.reads.read("SELECT CAST(body AS BLOB) FROM silo")}
        return due <= found
    finally:
        opened.close()


def test_no_power_cut_loses_what_was_answered_202(
    on_disk: FaultyDaemon, disk: FaultyDisk, tmp_path: Path
) -> None:
    account, random = _run(on_disk, disk), Random(CUTS)
    kinds = {(what, name) for _, what, name, *_ in disk.records()}
    assert {(b"w", ""), (b"s", ""), (b"s", "-wal"), (b"t", "-wal")} <= kinds, "there were checkpoints"
    moments = _moments(disk, random, CUTS)
    found: list[str] = []
    for count, (moment, files) in enumerate(PowerCuts(random).at(disk.records(), moments)):
        due = account.due(moment)
        silo = write_files(tmp_path / "after", files)
        found += [f"cut {count} at {moment}: {fault}" for fault in _faults(silo, due, account)]
        if due and count % 20 == 0 and not _starts(silo, due):
            found.append(f"cut {count} at {moment}: a daemon finds less than was promised")
    assert found == []


def test_a_disk_that_ignores_syncs_is_noticed(
    on_disk: FaultyDaemon, disk: FaultyDisk, tmp_path: Path
) -> None:
    """These tests can fail: with the syncs left out messages are lost and databases are damaged."""
    account, random = _run(on_disk, disk), Random(1)
    cuts = PowerCuts(random, obeys_syncs=False).at(disk.records(), _moments(disk, random, 20))
    faults = [_faults(write_files(tmp_path / "after", files), account.due(at), account) for at, files in cuts]
    assert sum(map(bool, faults)) > 5

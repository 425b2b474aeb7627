"""Quotas beside the recipient's: the whole silo, the disk, a sender's hour. Exact, for every writer."""

import os
import time
from typing import Any

import pytest

from msilod.store.commit.quota import Quota
from msilod.store.engine.base import HOUR
from msilod.store.jobs import Added, Duplicate, Limit, OverQuota
from msilod.store.limits import Limits
from tests.store.databases import Database
from tests.store.rows import WALL, add, row

NOON = WALL // HOUR * HOUR
BOB = "bob@example.test"


def insert(database: Database, number: int, limits: Limits, **changes: Any) -> object:
    """Insert by the command line."""
    queue = database.queue()
    try:
        return queue.insert([row(number, **changes)], limits)[0]
    finally:
        queue.close()


def test_the_total_holds_to_the_byte_across_recipients_and_processes(database: Database) -> None:
    limits = Limits(max_total_bytes=100)
    silo = database.open(max_total_bytes=100)
    assert add(silo, row(1, body=b"x" * 40), row(2, "carol@example.test", body=b"x" * 40)) == [
        Added(1),
        Added(2),
    ]
    assert insert(database, 3, limits, body=b"x" * 21) == OverQuota(0, 80, Limit.TOTAL, 60)
    assert insert(database, 4, limits, body=b"x" * 20) == Added(3)
    assert add(silo, row(5, body=b"x")) == [OverQuota(0, 100, Limit.TOTAL, 60)]
    assert add(silo, row(1, body=b"x" * 40)) == [Duplicate(1, False)], "a copy takes no room"
    silo.writer.end(1, row(1).hash, BOB, "delivered", 200, WALL, None)
    assert add(silo, row(6, body=b"x" * 30), row(7, body=b"x" * 30), row(8, body=b"x" * 10)) == [
        Added(4),
        OverQuota(0, 90, Limit.TOTAL, 60),
        Added(5),
    ]
    silo.close()


@pytest.mark.sqlite
def test_a_full_disk_refuses_before_it_is_full(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    silo = database.open(min_free_bytes=1000)
    assert add(silo, row(1)) == [Added(1)]
    real, looks = os.statvfs("/"), []

    def statvfs(path: object) -> os.statvfs_result:
        looks.append(path)
        return os.statvfs_result((real.f_bsize, 1, *real[2:4], 999, *real[5:]))

    monkeypatch.setattr(os, "statvfs", statvfs)
    now = time.monotonic() + 10
    monkeypatch.setattr("time.monotonic", lambda: now)
    assert add(silo, row(2)) == [OverQuota(0, 0, Limit.DISK, 60)]
    assert add(silo, row(1)) == [Duplicate(1, False)]
    assert len(looks) == 1, "once a second"
    monkeypatch.setattr(os, "statvfs", lambda path: real)
    now += 1.0
    assert add(silo, row(3)) == [Added(2)]
    silo.close()


def test_an_hour_of_a_sender(database: Database) -> None:
    limits = Limits(max_per_hour=3)
    silo = database.open(max_per_hour=3)
    refused = OverQuota(3, 0, Limit.SENDER, HOUR - 60 + 1)
    assert add(silo, *(row(n, f"u{n}@example.test", received_at=NOON + 60) for n in (1, 2))) == [
        Added(1),
        Added(2),
    ]
    assert insert(database, 3, limits, received_at=NOON + 60) == Added(3)
    assert add(silo, row(4, received_at=NOON + 60), row(1, "u1@example.test", received_at=NOON + 60)) == [
        refused,
        Duplicate(1, False),
    ]
    assert insert(database, 5, limits, received_at=NOON + 60) == refused
    assert add(silo, row(6, sender="carol@example.test", received_at=NOON + 60)) == [Added(4)]
    silo.writer.end(1, row(1).hash, "u1@example.test", "delivered", 200, WALL, None)
    assert add(silo, row(7, received_at=NOON + 60)) == [refused], "what was delivered still counts"
    assert add(silo, row(8, received_at=NOON + HOUR)) == [Added(5)]
    silo.close()
    again = database.open(max_per_hour=3)
    assert add(again, row(9, received_at=NOON + 60)) == [refused]
    again.close()


def test_rows_stored_without_a_limit_count_when_there_is_one_again(database: Database) -> None:
    silo = database.open(max_per_hour=3)
    assert add(silo, row(1)) == [Added(1)]
    silo.configure(Limits(), 0.0)
    assert add(silo, row(2), row(3)) == [Added(2), Added(3)]
    silo.configure(Limits(max_per_hour=3), 0.0)
    (refused,) = add(silo, row(4))
    assert isinstance(refused, OverQuota)
    assert refused.messages == 3
    silo.close()


def test_a_batch_is_cut_at_the_limit(database: Database) -> None:
    silo = database.open(max_per_hour=40)
    results = add(silo, *(row(n, f"u{n}@example.test") for n in range(100)))
    assert sum(isinstance(result, Added) for result in results) == 40
    assert database.sender_hours() == {(NOON // HOUR, "alice@example.test"): 40}
    silo.close()


def test_a_row_that_fails_is_not_counted(database: Database) -> None:
    silo = database.open(max_per_hour=2, max_total_bytes=1000)
    bad = row(2)
    # Not a text for any database.
    bad.next_hop = "\ud800"
    add(silo, row(1), bad)
    assert database.sender_hours() == {(NOON // HOUR, "alice@example.test"): 1}
    assert silo.counts() == {"waiting": 1}
    assert add(silo, row(3)) == [Added(2)]
    silo.close()


def test_a_row_that_is_rejected_or_handed_over_leaves_the_share_of_its_sender(database: Database) -> None:
    silo = database.open(share_messages=2, share_bytes=1000)
    refused = OverQuota(2, 12, Limit.SHARE)
    assert add(silo, row(1), row(2), row(3)) == [Added(1), Added(2), refused]
    silo.writer.reject(1, 603, "Decline", 1)
    silo.writer.flush()
    assert add(silo, row(4), row(5)) == [Added(3), refused]
    silo.writer.hand(2, 202, "Accepted", None)
    silo.writer.flush()
    assert add(silo, row(6), row(7)) == [Added(4), refused]
    silo.close()


def test_old_hours_are_forgotten(database: Database) -> None:
    silo = database.open(max_per_hour=9)
    add(silo, row(1, received_at=NOON), row(2, received_at=NOON + HOUR))
    heard: list[object] = []
    silo.writer.clean(NOON + 2 * HOUR, 100, heard.append)
    silo.writer.flush()
    assert database.query("SELECT hour FROM silo_sender_hour") == [(NOON // HOUR + 1,)]
    silo.close()


@pytest.mark.interpreted
def test_without_limits_the_engine_is_not_asked() -> None:
    """The hot path: no statement, no system call."""
    quota = Quota(None, Limits())  # type: ignore[arg-type]
    assert quota.is_easy([row(1)])
    assert quota.take([row(1)])

"""Quota: what the silo as a whole and each sender may take; what a recipient may is in holdings.py.

Asked and counted inside the transaction that inserts, so that it holds for parallel stores, other processes and
after a restart. Nothing is counted by walking: the total is one row and a short tail of rows that it does not count
yet, the hours of senders are rows and the same tail (hours.py), and the disk is looked at once a second.
"""

import os
import sqlite3
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from msilod.silo.stored_message import StoredMessage
from msilod.store.engine.sqlite.hours import HOUR, SenderHours
from msilod.store.engine.sqlite.tail import add_hours, total
from msilod.store.jobs import Limit, OverQuota
from msilod.store.limits import Limits

__all__ = ["HOUR", "Quota"]

# A second look at a full disk or silo is worth while after a few deliveries.
ROOM_AGAIN: Final = 60
LOOK_EVERY: Final = 1.0


class Quota:
    """`begin`, then `refusal` and `count` for each row, then perhaps `write`: once per transaction.

    Or `is_easy` and `take` for all rows at once, and `take_back` when they were not stored.
    """

    def __init__(self, path: Path, table: str, limits: Limits) -> None:
        self.path = path
        self.limits = limits
        self._total = total(table)
        self._table = table
        self.hours = SenderHours(table)
        self._looked = -LOOK_EVERY
        self._is_full = False
        # Set by the writer's process, which looks at the disk itself (space.py); None: look here.
        self.is_full: bool | None = None
        self._bytes = 0
        self._stored: dict[tuple[int, str], int] = {}

    def set_limits(self, limits: Limits) -> None:
        """Other limits from the next transaction on."""
        if not self.limits.max_per_hour:
            # What was stored without a limit was not counted here.
            self.hours.forget()
        self.limits = limits

    def is_easy(self, db: sqlite3.Connection, messages: Collection[StoredMessage]) -> bool:
        """True when none of these can meet a limit but that of a sender's hour, which `take` counts."""
        limits = self.limits
        if limits.max_per_hour and not self.hours.is_known:
            return False
        if limits.min_free_bytes and self._is_disk_full():
            return False
        if not limits.max_total_bytes:
            return True
        size = sum(message.size for message in messages)
        return self._read_total(db) + size <= limits.max_total_bytes

    def take(self, db: sqlite3.Connection, messages: Sequence[StoredMessage]) -> bool:
        """Count all these in the hours of their senders; False: one of them is too many, and none was counted."""
        most = self.limits.max_per_hour
        return not most or self.hours.take(db, messages, most)

    def take_back(self, messages: Sequence[StoredMessage]) -> None:
        """These were taken and are not stored."""
        if self.limits.max_per_hour:
            self.hours.take_back(messages)

    def is_apart(self, messages: Sequence[StoredMessage]) -> bool:
        """True when the hours of these are to be written by `write`, on a tail that is folded before and after.

        So are the first rows after `forget`, and those that count for another than their sender.
        """
        return bool(self.limits.max_per_hour) and (
            not self.hours.is_known or any(message.booked_on for message in messages)
        )

    def begin(self, db: sqlite3.Connection, messages: Sequence[StoredMessage]) -> None:
        """Read what counts for these."""
        if self.limits.max_total_bytes:
            self._bytes = self._read_total(db)
        self._stored = {}
        if self.limits.max_per_hour:
            self.hours.learn(db, messages)

    def refusal(self, message: StoredMessage) -> OverQuota | None:
        """Why this row is too many, if it is."""
        limits = self.limits
        if limits.min_free_bytes and self._is_disk_full():
            return OverQuota(0, 0, Limit.DISK, ROOM_AGAIN)
        if limits.max_total_bytes and self._bytes + message.size > limits.max_total_bytes:
            return OverQuota(0, self._bytes, Limit.TOTAL, ROOM_AGAIN)
        if limits.max_per_hour:
            count = self.hours.count(*_hour_of(message))
            if count >= limits.max_per_hour:
                return OverQuota(count, 0, Limit.SENDER, int(HOUR - message.received_at % HOUR) + 1)
        return None

    def count(self, message: StoredMessage) -> None:
        """It is going to be inserted."""
        self._bytes += message.size
        if self.limits.max_per_hour:
            key = _hour_of(message)
            self.hours.add(*key)
            self._stored[key] = self._stored.get(key, 0) + 1

    def write(self, db: sqlite3.Connection) -> None:
        """Remember what was counted, in the transaction that inserts it."""
        add_hours(db, self._table, self._stored)

    def _read_total(self, db: sqlite3.Connection) -> int:
        return int(db.execute(self._total).fetchone()[1])

    def _is_disk_full(self) -> bool:
        if self.is_full is not None:
            return self.is_full
        now = time.monotonic()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            found = os.statvfs(self.path.parent)
            self._is_full = found.f_bavail * found.f_frsize < self.limits.min_free_bytes
        return self._is_full


def _hour_of(message: StoredMessage) -> tuple[int, str]:
    return int(message.received_at // HOUR), message.booked_on or message.sender

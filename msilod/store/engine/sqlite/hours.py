"""Hours: the messages of each sender in an hour of the clock, for [silo] max_per_hour.

The count of a sender is a row of the table, and the sender's rows in the tail of the silo (tail.py). The writer adds
the tail to the table every FOLD_HOURS rows: to write the rows of 32 senders in each transaction of 32 messages took a
fifth of the time of the transaction. Table and tail change in one transaction, so the sum is exact after any kill.

The class remembers sums. While `is_known` is set, a sender without a remembered sum has no row in the tail, so the row
in the table is the whole count. `forget` clears the flag; the next transaction must fold the tail before counting.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from msilod.silo.stored_message import StoredMessage
from msilod.store.engine.base import HOUR, Hours
from msilod.store.engine.text import chunks, marks

# Bytes of an entry of the dictionary, the number, and the header of the text. A character takes at most four more.
ENTRY_BYTES: Final = 200
MAX_BYTES: Final = 32_000_000
# Hours remembered at once: the present hour, and the hour before for messages at the turn of the hour.
MAX_HOURS: Final = 2


class SenderHours(Hours):
    """The memory of one writer. `is_known` is False until the first fold."""

    __slots__ = ("_bytes", "_counts", "_db", "_table", "_written", "is_known")

    def __init__(self, db: sqlite3.Connection, table: str) -> None:
        self._db = db
        self._table = f"{table}_sender_hour"
        self.is_known = False
        self._counts: dict[int, dict[str, int]] = {}
        self._bytes = 0
        # The last hour with rows in the table, apart from remembered sums.
        self._written = 0

    def forget(self) -> None:
        """Forget all sums, after a commit of another process or a rollback."""
        self.is_known = False
        self._counts.clear()
        self._bytes = 0

    def folded(self) -> None:
        """The tail is empty now, in this transaction or by a commit. Drops sums beyond the bounds."""
        if not self.is_known or self.is_full:
            self.forget()
            self._written = self._db.execute(f"SELECT coalesce(max(hour), 0) FROM {self._table}").fetchone()[
                0
            ]
            self.is_known = True
        while len(self._counts) > MAX_HOURS:
            oldest = min(self._counts)
            self._bytes -= sum(ENTRY_BYTES + 4 * len(sender) for sender in self._counts.pop(oldest))
            self._written = max(self._written, oldest)

    @property
    def is_full(self) -> bool:
        """More than MAX_BYTES are remembered; only a fold can drop sums."""
        return self._bytes > MAX_BYTES

    def take(self, messages: Sequence[StoredMessage], most: int) -> bool:
        """Count all rows, if no sender has too many and each row counts for its sender; else count none."""
        for number, message in enumerate(messages):
            counts = self._counts.get(int(message.received_at // HOUR))
            count = -1 if counts is None else counts.get(message.sender, -1)
            if count < 0 or counts is None:
                self.learn(messages)
                counts = self._counts[int(message.received_at // HOUR)]
                count = counts[message.sender]
            if count >= most or message.booked_on:
                self.take_back(messages[:number])
                return False
            counts[message.sender] = count + 1
        return True

    def take_back(self, messages: Sequence[StoredMessage]) -> None:
        """Undo `take` for rows that were not stored."""
        for message in messages:
            self._counts[int(message.received_at // HOUR)][message.sender] -= 1

    def learn(self, messages: Sequence[StoredMessage]) -> None:
        """Read the missing sums of the senders, and of the addresses that receipts count for."""
        unknown: dict[int, list[str]] = {}
        for message in messages:
            hour = int(message.received_at // HOUR)
            counts = self._counts.setdefault(hour, {})
            for sender in (message.sender, message.booked_on):
                if sender and sender not in counts:
                    counts[sender] = 0
                    if hour <= self._written:
                        unknown.setdefault(hour, []).append(sender)
                    self._bytes += ENTRY_BYTES + 4 * len(sender)
        # Not (hour, sender) IN (VALUES ...): SQLite then reads the whole table, a millisecond at 10,000 senders. All
        # rows of an hour after `_written` are remembered, so the table is not read for such an hour.
        for hour, senders in unknown.items():
            for chunk in chunks(senders):
                sql = f"SELECT sender, messages FROM {self._table} WHERE hour = ? AND sender IN {marks(1, len(chunk))}"
                self._counts[hour].update(self._db.execute(sql, (hour, *chunk)).fetchall())

    def count(self, hour: int, sender: str) -> int:
        """The sum of a learned sender; 0 for other senders."""
        counts = self._counts.get(hour)
        return 0 if counts is None else counts.get(sender, 0)

    def add(self, hour: int, sender: str) -> None:
        """Count one more message of a sender."""
        counts = self._counts.setdefault(hour, {})
        counts[sender] = counts.get(sender, 0) + 1

"""Quota: limits for the whole silo, the disk, and the hours of a sender. The engine checks the limits of a recipient.

The engine tells the counts, and counts inside the transaction of the insert. So quotas hold for parallel stores, for
other processes and after a restart.
"""

from collections.abc import Collection, Sequence
from typing import Final

from msilod.silo.stored_message import StoredMessage
from msilod.store.engine.base import HOUR, Engine, hour_of
from msilod.store.jobs import Limit, OverQuota
from msilod.store.limits import Limits

# Seconds until a sender may try again when the disk or the silo is full: a few deliveries make room.
ROOM_AGAIN: Final = 60


class Quota:
    """Used for one transaction: either `is_easy` and `take` for all rows at once, or `begin` and then `refusal` and
    `count` for each row. `limits` may be replaced between two transactions.
    """

    __slots__ = ("_bytes", "_engine", "limits")

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self._engine = engine
        self.limits = limits
        self._bytes = 0

    def is_easy(self, messages: Collection[StoredMessage]) -> bool:
        """True when no row can meet any limit but the limit of a sender's hour, which `take` checks."""
        limits, engine = self.limits, self._engine
        if limits.max_per_hour and not engine.hours.is_known:
            return False
        if limits.min_free_bytes and engine.is_full():
            return False
        if not limits.max_total_bytes:
            return True
        size = sum(message.size for message in messages)
        return engine.total_bytes() + size <= limits.max_total_bytes

    def take(self, messages: Sequence[StoredMessage]) -> bool:
        """Count all rows in the hours of their senders. False: a sender has too many, and no row was counted."""
        most = self.limits.max_per_hour
        return not most or self._engine.hours.take(messages, most)

    def take_back(self, messages: Sequence[StoredMessage]) -> None:
        """Undo `take` for rows that were not stored."""
        if self.limits.max_per_hour:
            self._engine.hours.take_back(messages)

    def begin(self, messages: Sequence[StoredMessage]) -> None:
        """Read the counts for these rows."""
        if self.limits.max_total_bytes:
            self._bytes = self._engine.total_bytes()
        if self.limits.max_per_hour:
            self._engine.hours.learn(messages)

    def refusal(self, message: StoredMessage) -> OverQuota | None:
        """The limit that refuses the row; None: the row may be stored."""
        limits = self.limits
        if limits.min_free_bytes and self._engine.is_full():
            return OverQuota(0, 0, Limit.DISK, ROOM_AGAIN)
        if limits.max_total_bytes and self._bytes + message.size > limits.max_total_bytes:
            return OverQuota(0, self._bytes, Limit.TOTAL, ROOM_AGAIN)
        if limits.max_per_hour:
            count = self._engine.hours.count(*hour_of(message))
            if count >= limits.max_per_hour:
                return OverQuota(count, 0, Limit.SENDER, int(HOUR - message.received_at % HOUR) + 1)
        return None

    def count(self, message: StoredMessage) -> None:
        """Count a row before its insert."""
        self._bytes += message.size
        if self.limits.max_per_hour:
            self._engine.hours.add(*hour_of(message))

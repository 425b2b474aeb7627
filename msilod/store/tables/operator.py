"""What an operator does to rows: hold, release, requeue, purge; and to domains: pause, resume.

Polite, as queue.py says: at most 200 rows or 20 ms a transaction. Each change has its entry in the history,
in the same transaction. A row under lease may be on the wire: purge leaves it; hold marks it, so that it is not
claimed again. Both tell whose it is, and the caller asks the daemon to give it up.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from msilod.silo.history import Event, HistoryEntry
from msilod.silo.stored_message import Ending
from msilod.store.engine.sqlite.connection import translated
from msilod.store.engine.sqlite.devices import Devices
from msilod.store.engine.sqlite.history import History
from msilod.store.engine.sqlite.holdings import Holdings
from msilod.store.engine.sqlite.statements import Statements
from msilod.store.engine.sqlite.sweep import Sweep
from msilod.store.engine.sqlite.unstoppable import immediate
from msilod.store.engine.text import marks
from msilod.store.jobs import End
from msilod.store.limits import Limits
from msilod.store.tables.selection import Selection

BATCH_ROWS: Final = 200
BATCH_SECONDS: Final = 0.02
# SQLite overwrites what it deletes, so bodies go through the log; a transaction must fit into the reserve.
BATCH_BYTES: Final = 1 << 20
PIECE: Final = 25
ALL_DOMAINS: Final = "*"


@dataclass(slots=True)
class Changed:
    """How a batch went. `ids` by AOR were changed, `claimed` by AOR are under lease; `bytes` of bodies changed."""

    count: int = 0
    bytes: int = 0
    ids: dict[str, list[int]] = field(default_factory=dict)
    claimed: dict[str, list[int]] = field(default_factory=dict)

    def add(self, other: "Changed") -> None:
        """Both together."""
        self.count += other.count
        self.bytes += other.bytes
        for mine, theirs in ((self.ids, other.ids), (self.claimed, other.claimed)):
            for aor, ids in theirs.items():
                mine.setdefault(aor, []).extend(ids)


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    hash: bytes
    aor: str
    size: int
    is_claimed: bool


@dataclass(frozen=True, slots=True)
class _Change:
    """Which rows beside the selection, what becomes of them, and whether those under lease are left."""

    condition: str
    event: Event
    sql: str
    values: Callable[[float, float], Sequence[float]]
    leaves_claimed: bool = False


_HOLD: Final = _Change(
    "state IN ('waiting', 'scheduled')",
    Event.HELD,
    "held_at = CASE WHEN state = 'waiting' THEN ? END, state = 'held'",
    lambda wall, system: (wall,),
)
# The life of a scheduled row begins when it is due, at the release if that is later; its `due_at` and `expires_at` are
# system time until then. Of other rows the time is added for which they were held; what was imported as held has been
# so for ever.
_RELEASE: Final = _Change(
    "state = 'held'",
    Event.RELEASED,
    "state = CASE WHEN due_at > ? THEN 'scheduled' ELSE 'waiting' END, next_attempt_at = NULL, "
    "expires_at = CASE WHEN due_at > ? THEN expires_at "
    "WHEN due_at IS NOT NULL AND held_at IS NULL THEN ? + (expires_at - due_at) "
    "ELSE expires_at + max(0, ? - max(coalesce(held_at, received_at), coalesce(due_at, 0))) END, "
    "due_at = CASE WHEN due_at > ? THEN due_at END, held_at = NULL",
    lambda wall, system: (system, system, wall, wall, system),
)
_REQUEUE: Final = _Change(
    "state IN ('rejected', 'handed')",
    Event.REQUEUED,
    "state = 'waiting', attempts = 0, next_attempt_at = NULL",
    lambda wall, system: (),
)
_PURGE: Final = _Change("1", Event.PURGED, "", lambda wall, system: (), leaves_claimed=True)


class Operator:
    """Changes by `actor`, on the connection of a Queue. Raises BusyError when it does not get its turn.

    `wall` is silo time in all of them, and system time is `ahead` of it by so many seconds (times.py).
    """

    def __init__(
        self, db: sqlite3.Connection, path: Path, table: str, actor: str, ahead: float = 0.0
    ) -> None:
        self.ahead = ahead
        self.db = db
        self.path = path
        self.table = table
        self.actor = actor
        self._statements = Statements(table)
        self._history = History(table, 0)

    def hold(self, selection: Selection, wall: float) -> Iterator[Changed]:
        """Waiting and scheduled rows are neither sent nor expire until they are released."""
        return self._batches(_HOLD, selection, wall)

    def release(self, selection: Selection, wall: float) -> Iterator[Changed]:
        """Held rows go on where they stood."""
        return self._batches(_RELEASE, selection, wall)

    def requeue(self, selection: Selection, wall: float) -> Iterator[Changed]:
        """Rejected and handed rows are tried as if they were new."""
        return self._batches(_REQUEUE, selection, wall)

    def purge(self, selection: Selection, wall: float) -> Iterator[Changed]:
        """Delete; rows under a live lease are left."""
        return self._batches(_PURGE, selection, wall)

    def expire(self, ids: Sequence[int], wall: float, history: float) -> list[int]:
        """End those of `ids` that have expired, as the daemon's sweep does; the ids that were there and free.

        `history` is how long the daemon keeps entries, as configured. No sender is told: the caller has to see to that.
        """
        holdings = Holdings(self._statements, Limits())
        sweep = Sweep(
            self._statements, History(self.table, history), holdings, Devices(self._statements, self._history)
        )
        with translated(self.path), immediate(self.db):
            return [row.id for row in sweep.expire(self.db, wall, ids).expired]

    def pause(self, domains: Sequence[str], wall: float) -> None:
        """No deliveries to these domains from now on; none named: to no domain at all."""
        rows = [(domain, wall, self.actor) for domain in domains or (ALL_DOMAINS,)]
        sql = f"INSERT INTO {self.table}_paused VALUES (?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608
        with translated(self.path), immediate(self.db):
            self.db.executemany(sql, rows)

    def resume(self, domains: Sequence[str]) -> None:
        """Deliver again to these domains; none named: to all, whatever was paused."""
        sql = f"DELETE FROM {self.table}_paused"  # noqa: S608
        if domains:
            sql += f" WHERE domain IN {marks(1, len(domains))}"
        with translated(self.path), immediate(self.db):
            self.db.execute(sql, domains)

    # --- batches -------------------------------------------------------------------------------------

    def _batches(self, change: _Change, selection: Selection, wall: float) -> Iterator[Changed]:
        after, left = 0, selection.limit
        while left is None or left > 0:
            count = BATCH_ROWS if left is None else min(BATCH_ROWS, left)
            with translated(self.path), immediate(self.db):
                rows = self._select(change, selection, wall, after, count)
                rows = self._change_in_time(change, rows, wall)
            if not rows:
                return
            after = rows[-1].id
            left = None if left is None else left - len(rows)
            yield _told(change, rows)

    def _select(
        self, change: _Change, selection: Selection, wall: float, after: int, count: int
    ) -> list[_Row]:
        condition, values = selection.where(wall)
        sql = (
            f"SELECT id, hash, aor, size, owner <> '' AND coalesce(lease_until, 0) > ? FROM {self.table} "  # noqa: S608
            f"WHERE {condition} AND {change.condition} AND id > ? ORDER BY id LIMIT ?"
        )
        found = self.db.execute(sql, [wall, *values, after, count])
        return [_Row(id, hash, aor, size, bool(claimed)) for id, hash, aor, size, claimed in found]

    def _change_in_time(self, change: _Change, rows: list[_Row], wall: float) -> list[_Row]:
        """Piece by piece until the time is over, so that the daemon hardly waits; those that had their turn."""
        deadline, size = time.monotonic() + BATCH_SECONDS, 0
        for start in range(0, len(rows), PIECE):
            piece = [
                row for row in rows[start : start + PIECE] if not (change.leaves_claimed and row.is_claimed)
            ]
            if piece:
                self._change(change, piece, wall)
            size += sum(row.size for row in piece)
            if time.monotonic() > deadline or size > BATCH_BYTES:
                return rows[: start + PIECE]
        return rows

    def _change(self, change: _Change, rows: list[_Row], wall: float) -> None:
        if change.event is Event.PURGED:
            ends = [End(row.id, row.hash, row.aor, Ending.PURGED, None, wall) for row in rows]
            self._statements.end(self.db, ends)
        else:
            sql = f"UPDATE {self.table} SET {change.sql} WHERE id IN {marks(1, len(rows))}"  # noqa: S608
            values: list[Any] = [*change.values(wall, wall + self.ahead), *(row.id for row in rows)]
            self.db.execute(sql, values)
            if change.event is Event.REQUEUED:
                # Also for the devices that have answered, each for itself.
                ids = [row.id for row in rows]
                self.db.execute(f"DELETE FROM {self.table}_served WHERE message IN {marks(1, len(ids))}", ids)  # noqa: S608
        entries = [HistoryEntry(row.id, row.aor, wall, change.event, actor=self.actor) for row in rows]
        self._history.note(self.db, entries)


def _told(change: _Change, rows: list[_Row]) -> Changed:
    told = Changed()
    for row in rows:
        if row.is_claimed:
            told.claimed.setdefault(row.aor, []).append(row.id)
        if not (row.is_claimed and change.leaves_claimed):
            told.count += 1
            told.bytes += row.size
            told.ids.setdefault(row.aor, []).append(row.id)
    return told

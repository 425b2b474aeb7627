"""Operator: changes of rows (hold, release, requeue, purge) and of domains (pause, resume).

Transactions are short, as queue.py explains. Each change writes an entry of the history in the same transaction. A row
under lease may be on the wire: a purge leaves the row; a hold changes the row, so that no run claims the row again.
Both report the row, and the caller asks the daemon to give the row up.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import peewee
from peewee import Case, fn

from msilod.silo.history import Event, HistoryEntry
from msilod.silo.stored_message import Ending
from msilod.store.columns import PausedColumns, RowColumns, ServedColumns, built, table_of
from msilod.store.engine.sqlite.connection import translated
from msilod.store.engine.sqlite.devices import Devices
from msilod.store.engine.sqlite.history import History
from msilod.store.engine.sqlite.holdings import Holdings
from msilod.store.engine.sqlite.statements import Statements
from msilod.store.engine.sqlite.sweep import Sweep
from msilod.store.engine.sqlite.unstoppable import immediate
from msilod.store.jobs import End
from msilod.store.limits import Limits
from msilod.store.tables.selection import (
    HANDED,
    HELD,
    NOBODY,
    REJECTED,
    SCHEDULED,
    WAITING,
    ByIds,
    Pages,
    Selection,
)

BATCH_ROWS: Final = 200
BATCH_SECONDS: Final = 0.02
# Seconds between two transactions. The daemon's writer waits in SQLite, which looks for the lock after 1, 3, 8, 18, 33
# and 53 ms, then less often. So after a batch of BATCH_SECONDS the next look comes within 20 ms. Without the pause,
# stores of a daemon waited for up to 3.5 s while 100,000 rows were held.
PAUSE: Final = 0.025
# SQLite overwrites deleted bodies, so deleted bodies go through the log. A transaction must fit into the reserve.
BATCH_BYTES: Final = 1 << 20
# Rows between two looks at the time.
PIECE: Final = 25
# The domain that stands for all domains.
ALL_DOMAINS: Final = "*"


@dataclass(slots=True)
class Changed:
    """The result of one batch: `count` changed rows with `bytes` of bodies, their `ids` by AOR.

    `claimed` are the ids of rows under lease by AOR, whether these rows were changed or left.
    """

    count: int = 0
    bytes: int = 0
    ids: dict[str, list[int]] = field(default_factory=dict)
    claimed: dict[str, list[int]] = field(default_factory=dict)

    def add(self, other: "Changed") -> None:
        """Add the result of another batch."""
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
    """A change: the rows that can be changed (None: all), and the new values of the columns.

    `updates` gets the table, silo time and system time. Each of the returned updates is one statement, in order.
    `leaves_claimed`: rows under lease are not changed.
    """

    event: Event
    condition: Callable[[Any], Any] | None
    updates: Callable[[Any, float, float], Sequence[dict[Any, Any]]]
    leaves_claimed: bool = False


def _held(row: Any, wall: float, system: float) -> list[dict[Any, Any]]:
    # A scheduled row is held without a time: the life of the row has not begun.
    return [{row.held_at: Case(None, ((row.state == WAITING, wall),)), row.state: HELD}]


def _released(row: Any, wall: float, system: float) -> list[dict[Any, Any]]:
    """The new end of each row first, since the second update clears the times that the end depends on.

    The life of a scheduled row begins when the row is due, or at the release if that is later. Until then `due_at` and
    `expires_at` are system time. Any other row lives longer by the time for which the row was held. A row that was
    imported as held (`held_at` is NULL) has been held since its receipt.
    """
    since = fn.COALESCE(row.held_at, row.received_at)
    due = fn.COALESCE(row.due_at, 0)
    start = Case(None, ((since > due, since),), due)
    expires = Case(
        None,
        (
            (row.due_at > system, row.expires_at),
            (row.due_at.is_null(False) & row.held_at.is_null(), row.expires_at - row.due_at + wall),
            (start < wall, row.expires_at + (wall - start)),
        ),
        row.expires_at,
    )
    is_early = row.due_at > system
    return [
        {row.expires_at: expires},
        {
            row.due_at: Case(None, ((is_early, row.due_at),)),
            row.held_at: None,
            row.next_attempt_at: None,
            row.state: Case(None, ((is_early, SCHEDULED),), WAITING),
        },
    ]


def _requeued(row: Any, wall: float, system: float) -> list[dict[Any, Any]]:
    return [{row.attempts: 0, row.next_attempt_at: None, row.state: WAITING}]


_HOLD: Final = _Change(Event.HELD, lambda row: row.state.in_((WAITING, SCHEDULED)), _held)
_RELEASE: Final = _Change(Event.RELEASED, lambda row: row.state == HELD, _released)
_REQUEUE: Final = _Change(Event.REQUEUED, lambda row: row.state.in_((REJECTED, HANDED)), _requeued)
_PURGE: Final = _Change(Event.PURGED, None, lambda row, wall, system: (), leaves_claimed=True)


class Operator:
    """Changes in the name of `actor`, on the connection of a Queue. Methods raise BusyError and StoreError.

    `wall` is silo time. System time is `ahead` seconds later (times.py).
    """

    def __init__(
        self,
        database: peewee.Database,
        db: sqlite3.Connection,
        path: Path,
        table: str,
        actor: str,
        ahead: float,
    ) -> None:
        self.actor = actor
        self.ahead = ahead
        self.db = db
        self._path = path
        self._row = table_of(RowColumns, table, database)
        self._served = table_of(ServedColumns, table, database)
        self._paused = table_of(PausedColumns, table, database)
        self._statements = Statements(table)
        self._history = History(table, 0)

    def hold(self, selection: Selection, wall: float) -> Iterator[Changed]:
        """Hold waiting and scheduled rows: a held row is not sent and does not expire."""
        return self._batches(_HOLD, selection, wall)

    def release(self, selection: Selection, wall: float) -> Iterator[Changed]:
        """Release held rows: each row has the state and the rest of life from before the hold."""
        return self._batches(_RELEASE, selection, wall)

    def requeue(self, selection: Selection, wall: float) -> Iterator[Changed]:
        """Make rejected and handed rows wait again, without attempts."""
        return self._batches(_REQUEUE, selection, wall)

    def purge(self, selection: Selection, wall: float) -> Iterator[Changed]:
        """Delete rows, except rows under lease."""
        return self._batches(_PURGE, selection, wall)

    def expire(self, ids: Sequence[int], wall: float, history: float) -> list[int]:
        """End the expired rows among `ids`, as the daemon's sweep does. Returns the ids of the ended rows.

        `history`: seconds for which the daemon keeps entries, as configured. No sender is told; the caller must do so.
        """
        holdings, kept = Holdings(self._statements, Limits()), History(self._statements.table, history)
        sweep = Sweep(self._statements, kept, holdings, Devices(self._statements, self._history))
        with translated(self._path), immediate(self.db):
            return [row.id for row in sweep.expire(self.db, wall, ids).expired]

    def pause(self, domains: Sequence[str], wall: float) -> None:
        """Pause the deliveries to `domains`; without domains all deliveries."""
        paused = self._paused
        rows = [(domain, wall, self.actor) for domain in domains or (ALL_DOMAINS,)]
        query = paused.insert(rows, columns=[paused.domain, paused.since, paused.actor]).on_conflict_ignore()
        with translated(self._path), immediate(self.db):
            self._execute(query)

    def resume(self, domains: Sequence[str]) -> None:
        """Resume the deliveries to `domains`; without domains all deliveries, and every pause ends."""
        query = self._paused.delete()
        if domains:
            query = query.where(self._paused.domain.in_(domains))
        with translated(self._path), immediate(self.db):
            self._execute(query)

    # --- batches -------------------------------------------------------------------------------------

    def _batches(self, change: _Change, selection: Selection, wall: float) -> Iterator[Changed]:
        """One transaction for each batch, up to the limit of the selection."""
        pages, updates = self._pages(change, selection, wall), self._updates(change, wall)
        after, left = 0, selection.limit
        while left is None or left > 0:
            count = BATCH_ROWS if left is None else min(BATCH_ROWS, left)
            with translated(self._path), immediate(self.db):
                found = self.db.execute(*pages.after(after, count))
                rows = [_Row(id, hash, aor, size, bool(claimed)) for id, hash, aor, size, claimed in found]
                rows = self._change_in_time(change, updates, rows, wall)
            if not rows:
                return
            after = rows[-1].id
            left = None if left is None else left - len(rows)
            yield _told(change, rows)
            if len(rows) >= PIECE:
                # More rows may follow, and a process that waits for the file gets its turn first.
                time.sleep(PAUSE)

    def _pages(self, change: _Change, selection: Selection, wall: float) -> Pages:
        row = self._row
        conditions = selection.conditions(row, wall)
        if change.condition is not None:
            conditions.append(change.condition(row))
        is_claimed = (row.owner != NOBODY) & (fn.COALESCE(row.lease_until, 0) > wall)
        return Pages(row.select(row.id, row.hash, row.aor, row.size, is_claimed), conditions, row.id)

    def _updates(self, change: _Change, wall: float) -> list[ByIds]:
        row, served = self._row, self._served
        updates = change.updates(row, wall, wall + self.ahead)
        found = [ByIds(row.update(values), row.id) for values in updates]
        if change.event is Event.REQUEUED:
            # Devices that have answered get the row again as well.
            found.append(ByIds(served.delete(), served.message))
        return found

    def _change_in_time(
        self, change: _Change, updates: list[ByIds], rows: list[_Row], wall: float
    ) -> list[_Row]:
        """Change rows in pieces until BATCH_SECONDS or BATCH_BYTES are used up. Returns the rows up to there."""
        deadline, size = time.monotonic() + BATCH_SECONDS, 0
        for start in range(0, len(rows), PIECE):
            piece = [
                row for row in rows[start : start + PIECE] if not (change.leaves_claimed and row.is_claimed)
            ]
            if piece:
                self._change(change, updates, piece, wall)
            size += sum(row.size for row in piece)
            if time.monotonic() > deadline or size > BATCH_BYTES:
                return rows[: start + PIECE]
        return rows

    def _change(self, change: _Change, updates: list[ByIds], rows: list[_Row], wall: float) -> None:
        if change.event is Event.PURGED:
            ends = [End(row.id, row.hash, row.aor, Ending.PURGED, None, wall) for row in rows]
            self._statements.end(self.db, ends)
        ids = [row.id for row in rows]
        for update in updates:
            self.db.execute(*update.of(ids))
        entries = [HistoryEntry(row.id, row.aor, wall, change.event, actor=self.actor) for row in rows]
        self._history.note(self.db, entries)

    def _execute(self, query: Any) -> None:
        self.db.execute(*built(query))


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

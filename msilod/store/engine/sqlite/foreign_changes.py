"""Foreign changes: commits of other processes, noticed inside the writer's next transaction, told once a second.

So a lost wake-up of the command line loses no change.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final

from msilod.store.engine.sqlite.statements import Statements, aors_of
from msilod.store.jobs import Foreign

# The words of the partial index in the schema.
_WOKEN: Final = "event IN ('released', 'requeued')"


@dataclass(frozen=True, slots=True)
class Seen:
    """The highest ids of a row and of a history entry at the start of a daemon."""

    row: int
    entry: int

    def values(self) -> tuple[int, int]:
        """The form for the writer's process."""
        return self.row, self.entry

    @classmethod
    def now(cls, db: sqlite3.Connection, statements: Statements) -> "Seen":
        """The present highest ids. Raises sqlite3.Error."""
        return cls(statements.last_id(db), _last_entry(db, statements.table))


class ForeignChanges:
    """Gathers changes between two calls of `take`."""

    def __init__(self, db: sqlite3.Connection, statements: Statements) -> None:
        self.statements = statements
        table = statements.table
        self._woken = f"SELECT DISTINCT aor FROM {table}_history WHERE id > ? AND {_WOKEN}"
        self._entry = _last_entry(db, table)
        self._aors: set[str] = set()
        self._stored: set[str] = set()
        self._paused: frozenset[str] | None = None

    def notice(self, db: sqlite3.Connection, last_id: int) -> None:
        """Another process has committed: rows above `last_id` are new, and held or rejected rows may wait again."""
        self._stored.update(self.statements.new_since(db, last_id))
        self._aors.update(aors_of(db.execute(self._woken, (self._entry,))))
        self._entry = _last_entry(db, self.statements.table)
        self._paused = paused(db, self.statements.table)

    def notice_since(self, db: sqlite3.Connection, seen: Seen) -> None:
        """Note commits between `seen` and the start of this process."""
        self._entry = seen.entry
        self.notice(db, seen.row)

    def take(self) -> Foreign:
        """All changes since the last call."""
        found = Foreign(sorted(self._aors), self._paused, sorted(self._stored))
        self._aors.clear()
        self._stored.clear()
        self._paused = None
        return found


def _last_entry(db: sqlite3.Connection, table: str) -> int:
    return int(db.execute(f"SELECT coalesce(max(id), 0) FROM {table}_history").fetchone()[0])


def paused(db: sqlite3.Connection, table: str) -> frozenset[str]:
    """The domains whose deliveries are paused; "*" stands for all."""
    return frozenset(row[0] for row in db.execute(f"SELECT domain FROM {table}_paused"))

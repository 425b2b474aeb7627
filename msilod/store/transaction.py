"""One transaction of the writer: all that waits, committed together, or job by job when one of them fails.

Order in a transaction: ends, then adds, then the rest as it came; so a claim never sees a row that has ended,
and always one that was added before it. Results are told only after the commit (laws 1 and 2).
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from msilod.errors import StoreError
from msilod.silo.stored_message import StoredMessage
from msilod.store.database import translate
from msilod.store.holdings import Holdings
from msilod.store.jobs import Added, AddJob, CallJob, Done, Duplicate, EndJob, Failed, Job
from msilod.store.statements import Statements

Result = tuple[Done, Any]
_SYNC: Final = {True: "PRAGMA synchronous = FULL", False: "PRAGMA synchronous = NORMAL"}


class Transactions:
    """Executes lists of jobs on one connection, which nobody else uses."""

    def __init__(self, db: sqlite3.Connection, statements: Statements, holdings: Holdings) -> None:
        self.db = db
        self.statements = statements
        self.holdings = holdings
        self.is_synced = True
        self.last_id = statements.last_id(db)
        self.foreign: set[str] = set()
        self._data_version = self._read_version()

    def execute(self, jobs: Sequence[Job]) -> list[Result]:
        """Commit the jobs and return whom to tell what."""
        try:
            return self._commit(jobs)
        except Exception as error:
            # Whatever a job raises: the thread that runs this must outlive it, and so must its batch-mates.
            self._rollback()
            if len(jobs) == 1:
                return _failed(jobs[0], error)
        # One bad row must not fail its batch-mates.
        return [result for job in jobs for result in self.execute([job])]

    def _commit(self, jobs: Sequence[Job]) -> list[Result]:
        self._sync(any(job.is_durable for job in jobs))
        self.db.execute("BEGIN IMMEDIATE")
        self._notice_foreign()
        results: list[Result] = []
        ends = [job for job in jobs if isinstance(job, EndJob)]
        if ends:
            self._end(ends, results)
        adds = [job for job in jobs if isinstance(job, AddJob)]
        if adds:
            self._add(adds, results)
        for job in jobs:
            if isinstance(job, CallJob):
                result = job.call(self.db)
                if job.done is not None:
                    results.append((job.done, result))
        self.db.execute("COMMIT")
        return results

    def _sync(self, wanted: bool) -> None:
        if wanted is not self.is_synced:
            self.db.execute(_SYNC[wanted])
            self.is_synced = wanted

    def _rollback(self) -> None:
        self.holdings.forget_all()
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def _read_version(self) -> int:
        return int(self.db.execute("PRAGMA data_version").fetchone()[0])

    def _notice_foreign(self) -> None:
        """Somebody else has committed since: what we remember of quotas is stale, and rows may be new."""
        version = self._read_version()
        if version != self._data_version:
            self._data_version = version
            self.holdings.forget_all()
            self.foreign.update(self.statements.new_since(self.db, self.last_id))
            self.last_id = max(self.last_id, self.statements.last_id(self.db))

    def _end(self, jobs: list[EndJob], results: list[Result]) -> None:
        unique = {job.hash: job for job in jobs}
        self.statements.end(self.db, list(unique.values()))
        for job in jobs:
            self.holdings.forget(job.aor)
            if job.done is not None:
                results.append((job.done, None))

    def _add(self, jobs: list[AddJob], results: list[Result]) -> None:
        known = self.statements.known(self.db, [job.message.hash for job in jobs])
        fresh: dict[bytes, StoredMessage] = {}
        refused: dict[int, Any] = {}
        for place, job in enumerate(jobs):
            message = job.message
            kept = known.get(message.hash)
            if kept is not None:
                refused[place] = Duplicate(*kept)
            elif message.hash not in fresh:
                over = self.holdings.admit(self.db, message)
                if over is None:
                    fresh[message.hash] = message
                else:
                    refused[place] = over
        if fresh:
            self.statements.insert(self.db, list(fresh.values()))
            self.last_id = max(self.last_id, max(message.id for message in fresh.values()))
        for place, job in enumerate(jobs):
            if job.done is not None:
                results.append((job.done, refused.get(place) or _added(job.message, fresh)))


def _added(message: StoredMessage, fresh: dict[bytes, StoredMessage]) -> Added | Duplicate:
    """The second of two copies in one batch is told of the first."""
    kept = fresh[message.hash]
    return Added(kept.id) if kept is message else Duplicate(kept.id, False)


def _failed(job: Job, error: Exception) -> list[Result]:
    if job.done is None:
        return []
    ours = error if isinstance(error, StoreError) else StoreError(str(translate(error, "the silo")))
    return [(job.done, Failed(ours) if isinstance(job, AddJob) else ours)]

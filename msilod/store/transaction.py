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
from msilod.store.devices import Devices
from msilod.store.foreign import ForeignChanges
from msilod.store.history import History
from msilod.store.holdings import Holdings
from msilod.store.jobs import Added, AddJob, CallJob, Done, Duplicate, EndJob, Failed, Job, OverQuota
from msilod.store.quota import Quota
from msilod.store.statements import Statements

Result = tuple[Done, Any]
_SYNC: Final = {True: "PRAGMA synchronous = FULL", False: "PRAGMA synchronous = NORMAL"}


class Transactions:
    """Executes lists of jobs on one connection, which nobody else uses."""

    def __init__(
        self,
        db: sqlite3.Connection,
        statements: Statements,
        holdings: Holdings,
        quota: Quota,
        history: History,
    ) -> None:
        self.db = db
        self.statements = statements
        self.holdings = holdings
        self.quota = quota
        self.history = history
        self.devices = Devices(statements, history)
        self.is_synced = True
        self.last_id = statements.last_id(db)
        self.foreign = ForeignChanges(db, statements)
        self._data_version = self._read_version()

    def execute(self, jobs: Sequence[Job]) -> list[Result]:
        """Commit the jobs and return whom to tell what."""
        try:
            return self._commit_at_once(jobs) or self._commit(jobs)
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

    def _commit_at_once(self, jobs: Sequence[Job]) -> list[Result] | None:
        """The usual batch: new rows and nothing else, in one statement. None: it has to go the long way."""
        adds = [job for job in jobs if isinstance(job, AddJob)]
        if not adds or len(adds) < len(jobs):
            return None
        messages = [job.message for job in adds]
        self._sync(True)
        if not self.quota.is_easy(self.db, messages):
            return None
        self.holdings.learn(self.db, {message.aor for message in messages})
        if all(map(self.holdings.admit_new, messages)) and self._is_inserted(messages):
            self.last_id = messages[-1].id
            return [(job.done, Added(job.message.id)) for job in adds]
        # Some of them are counted; what is forgotten is read again.
        for message in messages:
            self.holdings.forget(message.aor)
        return None

    def _is_inserted(self, messages: list[StoredMessage]) -> bool:
        try:
            return self.statements.insert_undisturbed(self.db, messages, self._data_version)
        except sqlite3.OperationalError:
            # Another's commit came between its reading and its writing; the long way waits for its turn.
            return False

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
            self.foreign.notice(self.db, self.last_id)
            self.last_id = max(self.last_id, self.statements.last_id(self.db))

    def _end(self, jobs: list[EndJob], results: list[Result]) -> None:
        unique = {job.hash: job for job in jobs}
        ended = list(unique.values())
        if self.statements.end(self.db, ended) < len(ended):
            # A late 2xx, and somebody was faster: a message has one end.
            ended = self.history.without_end(self.db, ended)
        self.history.ended(self.db, ended)
        for job in jobs:
            self.holdings.forget(job.aor)
            if job.done is not None:
                results.append((job.done, None))

    def _add(self, jobs: list[AddJob], results: list[Result]) -> None:
        db, messages = self.db, [job.message for job in jobs]
        ended = self.statements.ended(db, [message.hash for message in messages])
        self.holdings.learn(db, {message.aor for message in messages})
        self.quota.begin(db, messages)
        fresh: dict[bytes, StoredMessage] = {}
        outcomes: list[StoredMessage | Duplicate | OverQuota] = []
        for message in messages:
            hash = message.hash
            if hash in ended:
                outcomes.append(Duplicate(ended[hash], True))
            elif hash in fresh:
                outcomes.append(fresh[hash])
            else:
                refused = self._refusal(message)
                outcomes.append(refused or message)
                if refused is None:
                    fresh[hash] = message
                    self.quota.count(message)
        if fresh:
            self.statements.insert(db, list(fresh.values()))
            self.quota.write(db)
            self.last_id = max(self.last_id, max(message.id for message in fresh.values()))
        for job, outcome in zip(jobs, outcomes, strict=True):
            results.append((job.done, _told(job.message, outcome)))

    def _refusal(self, message: StoredMessage) -> Duplicate | OverQuota | None:
        """Whose copy it is, or why it is too many; None: it is counted in."""
        copy = self.holdings.copy_of(self.db, message)
        return copy or self.quota.refusal(message) or self.holdings.admit(self.db, message)


def _told(
    message: StoredMessage, outcome: StoredMessage | Duplicate | OverQuota
) -> Added | Duplicate | OverQuota:
    """The second of two copies in one batch is told of the first."""
    if outcome is message:
        return Added(message.id)
    return Duplicate(outcome.id, False) if isinstance(outcome, StoredMessage) else outcome


def _failed(job: Job, error: Exception) -> list[Result]:
    if job.done is None:
        return []
    ours = error if isinstance(error, StoreError) else StoreError(str(translate(error, "the silo")))
    return [(job.done, Failed(ours) if isinstance(job, AddJob) else ours)]

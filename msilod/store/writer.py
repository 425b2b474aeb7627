"""The writer: one thread that owns a connection and commits for everybody at once (group commit).

Jobs are collected on the daemon's thread and handed over by `flush`, once per drained batch; the thread takes
all that waits, commits it in one transaction and gives all results back with one wake-up. There is no linger:
while one transaction is synced the next one gathers.

`InlineWriter` is the twin without a thread, for tests on a virtual clock: `flush` commits and tells at once.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from msilod.registrar.binding import Binding
from msilod.silo.history import HistoryEntry
from msilod.silo.stored_message import StoredMessage
from msilod.store.foreign import Foreign
from msilod.store.jobs import (
    Added,
    AddJob,
    AddResult,
    BindingChanges,
    CallJob,
    Done,
    Duplicate,
    EndJob,
    Failed,
    Job,
    OverQuota,
)  # fmt: skip
from msilod.store.sweep import Sweep
from msilod.store.transaction import Result, Transactions

__all__ = [
    "AddResult", "Added", "BindingChanges", "Duplicate", "Failed", "InlineWriter", "Job", "OverQuota",
    "StoreWriter", "Writer",
]  # fmt: skip

MAX_BATCH: Final = 512
# After so long without a pause the command line gets its turn.
UNBROKEN: Final = 0.1
PAUSE: Final = 0.002

Deliver = Callable[[Sequence[Result]], None]


class StoreWriter:
    """What both twins offer. `owner` names this daemon in its leases."""

    def __init__(self, transactions: Transactions, owner: str) -> None:
        self._transactions = transactions
        self._statements = transactions.statements
        self._sweep = Sweep(
            transactions.statements, transactions.history, transactions.holdings, transactions.devices
        )
        self._owner = owner
        self._collected: list[Job] = []

    # --- jobs ----------------------------------------------------------------------------------------

    def add(self, message: StoredMessage, done: Callable[[AddResult], None]) -> Job:
        """Insert a row; `done` hears Added, Duplicate, OverQuota or Failed after the commit."""
        job = AddJob(message, done)
        self._collected.append(job)
        return job

    def end(
        self, id: int, hash: bytes, aor: str, how: str, status: int | None, wall: float, done: Done | None,
        contact: str = "",
    ) -> None:  # fmt: skip
        """Delete a row and keep its hash; `done` hears None, or the StoreError. `contact` is who took it."""
        self._collected.append(EndJob(id, hash, aor, how, status, wall, done, contact))

    def claim(
        self, aor: str, limit: int, after: int, ids: Collection[int], wall: float, done: Done,
        with_sips: bool = True,
    ) -> None:  # fmt: skip
        """Lease rows of `aor` with an id above `after`, only `ids` if any are named, oldest first.

        Those that were sent to sips: only `with_sips`. `done` hears the list or the StoreError.
        """
        statements, owner = self._statements, self._owner
        self._call(
            lambda db: statements.claim(db, owner, aor, limit, after, ids, wall, with_sips),
            done,
            is_durable=False,
        )

    def has_waiting(self, aor: str, done: Done) -> None:
        """`done` hears whether a claim of all rows of `aor` would find one, or the StoreError."""
        self._call(lambda db: self._statements.has_waiting(db, aor), done, is_durable=False)

    def release(self, ids: Sequence[int]) -> None:
        """Give leases back."""
        self._call(lambda db: self._statements.release(db, ids), None, is_durable=False)

    def postpone(self, rows: Sequence[StoredMessage], until: float, status: int | None, reason: str) -> None:
        """Give leases back with what the try came to."""
        self._call(lambda db: self._statements.postpone(db, rows, until, status, reason), None)

    def reject(self, id: int, status: int, reason: str, attempts: int) -> None:
        """The row is never sent again."""
        self._call(lambda db: self._statements.reject(db, id, status, reason, attempts), None)

    def hand(self, id: int, status: int, reason: str, done: Done | None) -> None:
        """The row is handed over; as `end`, no sync needed."""
        self._call(lambda db: self._statements.hand(db, id, status, reason), done, is_durable=False)

    def claim_for(
        self, device: str, aor: str, limit: int, after: int, ids: Collection[int], wall: float, done: Done,
        with_sips: bool = True,
    ) -> None:  # fmt: skip
        """As `claim`, for one device of several."""
        devices, owner = self._transactions.devices, self._owner
        self._call(
            lambda db: devices.claim(db, owner, aor, device, limit, after, ids, wall, with_sips),
            done,
            is_durable=False,
        )

    def serve(
        self, row: StoredMessage, device: str, status: int, reason: str, contact: str, wall: float,
        done: Done | None,
    ) -> None:  # fmt: skip
        """One device of several has answered for good; no sync needed, as in `end`."""
        devices = self._transactions.devices
        self._call(
            lambda db: devices.serve(db, row, device, status, reason, contact, wall), done, is_durable=False
        )

    def _bind(self, db: sqlite3.Connection, changes: BindingChanges) -> None:
        self._statements.bindings(db, changes)
        self._transactions.devices.learn(db, [*changes.saved, *changes.removed])

    def note(self, entry: HistoryEntry) -> None:
        """One more entry of the history."""
        self._call(lambda db: self._transactions.history.note(db, (entry,)), None, is_durable=False)

    def renew(self, wall: float) -> None:
        """Our leases last longer."""
        self._call(lambda db: self._statements.renew(db, self._owner, wall), None, is_durable=False)

    def bindings(self, changes: BindingChanges, done: Done | None) -> None:
        """Save and remove bindings; `done` hears None, or the StoreError."""
        self._call(lambda db: self._bind(db, changes), done)

    def refresh(self, bindings: Sequence[Binding]) -> None:
        """Bindings that live longer now, and nothing else of them has changed; no sync needed."""
        self._call(lambda db: self._statements.refresh(db, bindings), None, is_durable=False)

    def clean(self, wall: float, limit: int, done: Done) -> None:
        """Remove up to `limit` expired rows, and what is forgotten by now; `done` hears Cleaned."""
        self._call(lambda db: self._sweep.clean(db, wall, limit), done)

    def due(self, wall: float, limit: int, done: Done) -> None:
        """Scheduled rows that are due become waiting; `done` hears whose. No sync: they fall due again."""
        self._call(lambda db: self._sweep.due(db, wall, limit), done, is_durable=False)

    def unseen(self, after: str, limit: int, has_hop: bool, done: Done) -> None:
        """A page of recipients to probe: `done` hears (AOR, ids of rows with a next hop) or the StoreError."""
        self._call(lambda db: self._statements.unseen(db, after, limit, has_hop), done, is_durable=False)

    def by_next_hop(self, aor: str, done: Done) -> None:
        """The ids of the waiting rows of `aor` that have a next hop of their own."""
        self._call(lambda db: self._statements.by_next_hop(db, aor), done, is_durable=False)

    def poll_foreign(self, done: Callable[[Foreign], None]) -> None:
        """`done` hears what others have done to the silo since it was asked last."""
        self._call(lambda db: self._transactions.foreign.take(), done, is_durable=False)

    def _call(
        self, call: Callable[[sqlite3.Connection], Any], done: Done | None, is_durable: bool = True
    ) -> None:
        self._collected.append(CallJob(call, done, is_durable))

    # --- handing over --------------------------------------------------------------------------------

    def flush(self) -> bool:
        """Hand over what was collected; False when there was nothing."""
        raise NotImplementedError

    def withdraw(self, job: Job) -> bool:
        """True: the writer had not taken the job and never will."""
        raise NotImplementedError

    def close(self) -> None:
        """Finish what waits."""
        raise NotImplementedError


class InlineWriter(StoreWriter):
    """Commits in `flush`, on the caller's thread; results are told before it returns."""

    _is_flushing = False

    def flush(self) -> bool:
        """Commit and tell, until nothing new was asked for."""
        if self._is_flushing or not self._collected:
            return False
        self._is_flushing = True
        try:
            while self._collected:
                jobs, self._collected = self._collected, []
                for done, result in self._transactions.execute(jobs):
                    done(result)
        finally:
            self._is_flushing = False
        return True

    def lose(self) -> None:
        """As a kill would: what was not flushed is gone."""
        self._collected.clear()

    def withdraw(self, job: Job) -> bool:
        """Not flushed yet."""
        return _is_removed(job, self._collected)

    def close(self) -> None:
        """Nothing waits longer than a flush."""
        self.flush()


class Writer(StoreWriter):
    """The thread. `deliver` brings results to the daemon's thread, and calls each (done, result) there."""

    def __init__(self, transactions: Transactions, owner: str, deliver: Deliver) -> None:
        super().__init__(transactions, owner)
        self._deliver = deliver
        self._queue: deque[Job] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="msilod-writer", daemon=True)
        self._thread.start()

    def flush(self) -> bool:
        """Hand over; one wake-up."""
        if not self._collected:
            return False
        jobs, self._collected = self._collected, []
        with self._lock:
            self._queue.extend(jobs)
            self._wake.notify()
        return True

    def withdraw(self, job: Job) -> bool:
        """Under the lock: taken or withdrawn, never both."""
        with self._lock:
            return _is_removed(job, self._collected) or _is_removed(job, self._queue)

    def close(self) -> None:
        """Commit what waits and end the thread."""
        self.flush()
        with self._lock:
            self._is_closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        busy_since = time.monotonic()
        while jobs := self._take():
            results = self._transactions.execute(jobs)
            if results:
                self._deliver(results)
            now = time.monotonic()
            if not self._queue:
                busy_since = now
            elif now - busy_since > UNBROKEN:
                time.sleep(PAUSE)
                busy_since = time.monotonic()

    def _take(self) -> list[Job]:
        """All that waits, at most MAX_BATCH; empty when closing and nothing is left."""
        queue = self._queue
        with self._lock:
            while not queue and not self._is_closing:
                self._wake.wait()
            return [queue.popleft() for _ in range(min(len(queue), MAX_BATCH))]


def _is_removed(job: Job, waiting: list[Job] | deque[Job]) -> bool:
    """Late rows are few, and the late ones wait in front."""
    if job not in waiting:
        return False
    waiting.remove(job)
    return True

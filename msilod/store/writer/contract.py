"""The writer's contract: the jobs of the daemon, committed together (group commit).

Jobs are collected and handed over by `flush`, once per drained batch. The writer's process (parent.py) takes all
waiting jobs, commits one transaction and returns all results together. There is no linger: the next transaction gathers
jobs during the sync of the present one.

`InlineWriter` commits in the process of the daemon, for tests on a virtual clock: `flush` commits and tells at once.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from msilod.counters import Histogram
from msilod.errors import MsilodError
from msilod.registrar.binding import Binding
from msilod.silo.history import HistoryEntry
from msilod.silo.stored_message import StoredMessage
from msilod.store.columns import binding_values
from msilod.store.commit.transaction import Transactions
from msilod.store.jobs import (
    Added,
    AddJob,
    AddResult,
    BindingChanges,
    Call,
    CallJob,
    Done,
    Duplicate,
    End,
    EndJob,
    Failed,
    Foreign,
    Job,
    Keeping,
    OverQuota,
    Result,
    entry_values,
)  # fmt: skip
from msilod.store.times import KeptClock
from msilod.store.writer.parcel import Parcel

__all__ = [
    "AddResult", "Added", "BindingChanges", "Duplicate", "Failed", "InlineWriter", "Job", "OverQuota",
    "StoreWriter",
]  # fmt: skip

# Upper bounds of the counted transactions, in seconds.
COMMIT_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
Deliver = Callable[[Sequence[Result]], None]


class StoreWriter:
    """Common to both writers: jobs are collected, as plain data."""

    def __init__(self) -> None:
        self._collected: list[Job] = []
        # Seconds of each transaction with new rows, measured by the writer's process. The in-line writer measures none.
        self.commits = Histogram(COMMIT_BOUNDS)
        # The reason for the end of all commits.
        self.failure: MsilodError | None = None

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
        """Delete a row and keep the hash; `done` hears None or the StoreError. `contact`: the contact with the 2xx."""
        self._collected.append(EndJob(End(id, hash, aor, how, status, wall, contact), done))

    def claim(
        self, aor: str, limit: int, after: int, ids: Collection[int], wall: float, done: Done,
        with_sips: bool = True,
    ) -> None:  # fmt: skip
        """Lease rows of `aor` with an id above `after`, oldest first; only `ids`, if not empty.

        Without `with_sips` rows for sips: are left out. `done` hears the list or the StoreError.
        """
        self._ask("claim", done, aor, limit, after, list(ids), wall, with_sips)

    def has_waiting(self, aor: str, done: Done) -> None:
        """`done` hears True when a claim of all rows of `aor` would find a row, or the StoreError."""
        self._ask("has_waiting", done, aor)

    def release(self, ids: Sequence[int], done: Done | None = None) -> None:
        """Give leases back; `done`, also in the next two methods, hears None or the StoreError."""
        self._ask("release", done, ids)

    def postpone(
        self,
        tries: Sequence[tuple[int, int]],
        until: float,
        status: int | None,
        reason: str,
        done: Done | None = None,
    ) -> None:
        """Give leases back with the result of the try; `tries` are (id, attempts), `until` is silo time."""
        self._change("postpone", done, tries, until, status, reason)

    def forget_back_off(self, aor: str, spaced: Sequence[int]) -> None:
        """Waiting rows of `aor` may be tried at once, except rows with one of `spaced` as last status."""
        self._ask("forget_back_off", None, aor, spaced)

    def reject(self, id: int, status: int, reason: str, attempts: int, done: Done | None = None) -> None:
        """Mark the row as rejected: never sent again."""
        self._change("reject", done, id, status, reason, attempts)

    def hand(self, id: int, status: int, reason: str, done: Done | None) -> None:
        """Mark the row as handed over; as for `end`, no sync is needed."""
        self._ask("hand", done, id, status, reason)

    def claim_for(
        self, device: str, aor: str, limit: int, after: int, ids: Collection[int], wall: float, done: Done,
        with_sips: bool = True,
    ) -> None:  # fmt: skip
        """As `claim`, for one device of several."""
        self._ask("claim_for", done, aor, device, limit, after, list(ids), wall, with_sips)

    def serve(
        self, id: int, attempts: int, device: str, status: int, reason: str, contact: str, wall: float,
        done: Done | None,
    ) -> None:  # fmt: skip
        """Note the final answer of one device of several; as for `end`, no sync is needed."""
        self._ask("serve", done, id, attempts, device, status, reason, contact, wall)

    def note(self, entry: HistoryEntry) -> None:
        """Write an entry of the history."""
        self._ask("note", None, *entry_values(entry))

    def renew(self, ids: Sequence[int], wall: float) -> None:
        """Extend the leases of these rows."""
        self._ask("renew", None, ids, wall)

    def free_lapsed(self, wall: float, done: Done) -> None:
        """Give back leases past their end; `done` hears the AORs of the rows."""
        self._ask("free_lapsed", done, wall)

    def keep_clock(self, kept: KeptClock) -> None:
        """Where silo time stands, for a restart and for `msilo`."""
        self._ask("keep_clock", None, kept.to_bytes())

    def keep_user_change(self, change: int) -> None:
        """The bindings in the database are those of the users as of this change (daemon/revocation.py).

        No sync: after a loss the next start ends the same bindings once more.
        """
        self._ask("keep_user_change", None, change)

    def bindings(self, changes: BindingChanges, done: Done | None) -> None:
        """Save and remove bindings; `done` hears None, or the StoreError."""
        saved, removed = map(binding_values, changes.saved), map(binding_values, changes.removed)
        self._change("bindings", done, list(saved), list(removed))

    def refresh(self, bindings: Sequence[Binding], done: Done | None = None) -> None:
        """Set the times of kept bindings; no sync is needed.

        `done` hears None or the StoreError.
        """
        self._ask("refresh", done, [(b.cseq, b.expires_at, b.registered_at, b.aor, *b.key) for b in bindings])

    def clean(self, wall: float, limit: int, done: Done) -> None:
        """Remove up to `limit` expired rows, and old hashes and entries; `done` hears Cleaned."""
        self._change("clean", done, wall, limit)

    def expire(self, wall: float, ids: Sequence[int], done: Done) -> None:
        """Remove expired rows among `ids`; `done` hears Cleaned."""
        self._change("expire", done, wall, ids)

    def due(self, system: float, wall: float, ahead: float, limit: int, done: Done) -> None:
        """Scheduled rows that are due become waiting; `done` hears the AOR of each. No sync: after a loss the rows are
        due again.

        `system` is system time, `wall` silo time, `ahead` as in `Sweep.due`.
        """
        self._ask("due", done, system, wall, ahead, limit)

    def unseen(self, after: str, limit: int, has_hop: bool, done: Done) -> None:
        """A page of recipients to probe: `done` hears (AOR, ids of rows with a next hop) or the StoreError."""
        self._ask("unseen", done, after, limit, has_hop)

    def by_next_hop(self, aor: str, done: Done) -> None:
        """`done` hears the ids of the waiting rows of `aor` with a next hop."""
        self._ask("by_next_hop", done, aor)

    def poll_foreign(self, done: Callable[[Foreign], None]) -> None:
        """`done` hears the changes of the silo by other processes since the last call."""
        self._ask("poll_foreign", done)

    def _change(self, name: str, done: Done | None, *arguments: Any) -> None:
        """Collect a call with a synced commit."""
        self._collected.append(CallJob(Call(name, arguments, True), done))

    def _ask(self, name: str, done: Done | None, *arguments: Any) -> None:
        """Collect a call that only reads, or that a power cut may undo."""
        self._collected.append(CallJob(Call(name, arguments, False), done))

    # --- handing over --------------------------------------------------------------------------------

    def configure(self, keeping: Keeping) -> None:
        """Set quotas and memories from the next transaction on."""
        raise NotImplementedError

    def flush(self) -> None:
        """Hand over the collected jobs."""
        raise NotImplementedError

    def withdraw(self, job: Job) -> bool:
        """True: the writer had not taken the job, and never will."""
        raise NotImplementedError

    def close(self) -> None:
        """Finish the waiting jobs."""
        raise NotImplementedError


class InlineWriter(StoreWriter):
    """Commits in `flush`, in the caller's thread; results are told before `flush` returns."""

    def __init__(self, transactions: Transactions) -> None:
        super().__init__()
        self.transactions = transactions
        self._is_flushing = False

    def configure(self, keeping: Keeping) -> None:
        """Set quotas and memories at once."""
        self.transactions.configure(keeping)

    def flush(self) -> None:
        """Commit and tell, until no new job was collected."""
        if self._is_flushing or not self._collected:
            return
        self._is_flushing = True
        try:
            while self._collected:
                parcel = Parcel(self._collected)
                self._collected = []
                for done, result in parcel.results(self.transactions.execute(parcel.batch())):
                    done(result)
        finally:
            self._is_flushing = False

    def lose(self) -> None:
        """Drop jobs before a flush, as a kill would."""
        self._collected.clear()

    def withdraw(self, job: Job) -> bool:
        """True for a job before a flush."""
        return is_removed(job, self._collected)

    def close(self) -> None:
        """Flush: no job waits any longer."""
        self.flush()


def is_removed(job: Job, waiting: list[Job]) -> bool:
    """Remove the job from the waiting jobs; False for a job elsewhere. Few rows are withdrawn, from the front."""
    if job not in waiting:
        return False
    waiting.remove(job)
    return True

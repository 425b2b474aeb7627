"""One transaction of the writer: a batch, committed together, or piece by piece after an error.

The engine commits; this module decides which rows are stored and what each job is told. Results are told only after the
commit (laws 1 and 2). The order in a transaction is ends, rows, calls: so a claim never finds an ended row, and always
finds the rows of the same batch.
"""

from collections.abc import Sequence

from msilod.errors import SiloLost, StoreError, UnknownOutcome
from msilod.silo.stored_message import StoredMessage
from msilod.store.commit.quota import Quota
from msilod.store.engine.base import Engine, Judge, Trouble
from msilod.store.jobs import Added, Batch, Duplicate, Keeping, Outcome, OverQuota
from msilod.store.limits import Limits


class Transactions(Judge):
    """Executes batches on one engine. No other object uses the engine."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self.engine = engine
        self.quota = Quota(engine, limits)
        # For each row of the last batch with rows: the row if inserted, the copied row, or the reason for no insert.
        self._judged: list[StoredMessage | Duplicate | OverQuota] = []

    def configure(self, keeping: Keeping) -> None:
        """Set quotas and memories from the next transaction on."""
        limits = Limits(*keeping.limits)
        self.engine.configure(limits, keeping.history, keeping.device_memory)
        self.quota.limits = limits

    def execute(self, batch: Batch) -> Outcome:
        """Commit the batch and return the result of each job.

        Raises UnknownOutcome after an I/O error at COMMIT, SiloLost for a damaged database, MemoryError.
        """
        try:
            outcome = self._commit(batch)
        except (MemoryError, SiloLost, UnknownOutcome):
            raise
        except Exception as error:
            # An error of a job must fail neither the process nor the other jobs of the batch.
            return self._after(error, batch)
        self.engine.committed()
        return outcome

    def commit_together(self, batch: Batch) -> Outcome:
        """Commit the batch in one transaction, or keep nothing and raise the error of the engine."""
        try:
            outcome = self._commit(batch)
        except BaseException:
            self.engine.roll_back()
            raise
        self.engine.committed()
        return outcome

    def _commit(self, batch: Batch) -> Outcome:
        adds = batch.adds
        # The usual batch has new rows and nothing else.
        if adds and not batch.ends and not batch.calls and self.quota.is_easy(adds) and self.quota.take(adds):
            first = self.engine.commit_new(adds)
            if first:
                return Outcome(first, count=len(adds))
            self.quota.take_back(adds)
        outcome = Outcome(ends=[None] * len(batch.ends), calls=self.engine.commit(batch, self))
        if adds:
            outcome.adds = [
                _told(message, judged) for message, judged in zip(adds, self._judged, strict=True)
            ]
            # The rows hold bodies: forget the rows now, and not with the next batch.
            self._judged = []
        return outcome

    def _after(self, error: Exception, batch: Batch) -> Outcome:
        """The results of a batch after an error in the transaction."""
        engine = self.engine
        ours = engine.translated(error)
        if isinstance(ours, SiloLost):
            raise ours from error
        engine.roll_back()
        if engine.can_try_again(error):
            return self.execute(batch)
        if len(batch) == 1 or engine.trouble_of(error) is Trouble.BUSY:
            # Each job alone would wait for the lock again.
            return batch.failed(error if isinstance(error, StoreError) else StoreError(str(ours)))
        return self._execute_each(batch)

    def _execute_each(self, batch: Batch) -> Outcome:
        """Execute each job alone: a bad row must not fail the other jobs of the batch."""
        whole = Outcome()
        for end in batch.ends:
            whole.ends += self.execute(Batch(ends=[end])).ends
        for message in batch.adds:
            whole.adds += self.execute(Batch([message])).results()
        for call in batch.calls:
            whole.calls += self.execute(Batch(calls=[call])).calls
        return whole

    def judge(self, messages: Sequence[StoredMessage], ended: dict[bytes, int]) -> list[StoredMessage]:
        """The rows to insert: no copies, and no rows refused by a quota."""
        self.quota.begin(messages)
        fresh: dict[bytes, StoredMessage] = {}
        judged: list[StoredMessage | Duplicate | OverQuota] = []
        for message in messages:
            hash = message.hash
            if hash in ended:
                judged.append(Duplicate(ended[hash], True))
            elif hash in fresh:
                judged.append(fresh[hash])
            else:
                refused = self._refusal(message)
                judged.append(refused or message)
                if refused is None:
                    fresh[hash] = message
                    self.quota.count(message)
        self._judged = judged
        return list(fresh.values())

    def _refusal(self, message: StoredMessage) -> Duplicate | OverQuota | None:
        """The row copied by `message`, or the quota that refuses the row; None: the engine has counted the row."""
        copy = self.engine.copy_of(message)
        return copy or self.quota.refusal(message) or self.engine.admit(message)


def _told(
    message: StoredMessage, judged: StoredMessage | Duplicate | OverQuota
) -> Added | Duplicate | OverQuota:
    """The result for a row. The second of two copies in one batch is told the id of the first."""
    if judged is message:
        return Added(message.id, message.delivery_call_id)
    return Duplicate(judged.id, False) if isinstance(judged, StoredMessage) else judged

"""RowEnds: carries out the steps that end rows, in the database, the history, the counters and for watchers.

Law 2 is kept by `settle` and `_settled`: the next MESSAGE leaves to a contact only after the end of the previous row is
committed, because the run waits for `settled`. A run does not wait for Reject, Postpone and Release; failed commits of
these are tried again (giving_back.py).
"""

from collections.abc import Callable, Sequence
from functools import partial

from msilod.clock import Clock
from msilod.counters import Counters
from msilod.delivering.carrying_out import CarryingOut
from msilod.delivering.each_device import EachDevice
from msilod.delivering.giving_back import GivingBack
from msilod.delivering.historian import Historian
from msilod.delivering.watchers import Watchers
from msilod.errors import StoreError
from msilod.log import get_log
from msilod.silo.runs.delivery_run import DeliveryRun, Postpone, Reject, Release, Settle
from msilod.silo.runs.device_runs import is_for_device
from msilod.silo.runs.leased_rows import phrase
from msilod.silo.stored_message import Ending, StoredMessage
from msilod.store.jobs import Done
from msilod.store.writer.contract import StoreWriter
from msilod.tasks import Tasks


class RowEnds:
    """Ends rows. `deliverer` carries out the steps that follow the commit of an end.

    `tell_sender(row, reason, now)` is called for each expired or rejected row.
    """

    def __init__(
        self,
        writer: StoreWriter,
        each: EachDevice,
        historian: Historian,
        watchers: Watchers,
        counters: Counters,
        clock: Clock,
        tasks: Tasks,
        deliverer: CarryingOut,
        giving_back: GivingBack,
    ) -> None:
        self.writer = writer
        self.each = each
        self.historian = historian
        self.watchers = watchers
        self.counters = counters
        self.clock = clock
        self.tasks = tasks
        self._deliverer = deliverer
        self.giving_back = giving_back
        self.tell_sender: Callable[[StoredMessage, str, float], None] = lambda row, reason, now: None

    def settle(self, run: DeliveryRun, step: Settle, now: float) -> None:
        """Commit the end of a row, at `step.at` after a failed commit, else at once."""
        if step.at > self.clock.wall():
            self.tasks.later(step.at - self.clock.wall(), partial(self._settle_now, run, step))
            return
        row = step.row
        if step.how == Ending.EXPIRED:
            self.counters.expired_messages += 1
            self.tell_sender(row, "expired", now)
        else:
            self.counters.dumped_messages += 1
        self.watchers.tell(row.aor, row, str(step.how), step.status, None)
        done = partial(self._settled, run, row.id)
        if step.how == Ending.HANDED:
            status = step.status or 0
            self.writer.hand(row.id, status, phrase(status), done)
            self.historian.handed(row, status, step.contact)
            return
        if is_for_device(run.aor) and step.how == Ending.DELIVERED:
            self.each.serve(run.aor, row.id, row.attempts, step.status or 0, step.contact, done)
            return
        wall = self.clock.wall()
        self.writer.end(row.id, row.hash, row.aor, step.how, step.status, wall, done, step.contact)

    def _settle_now(self, run: DeliveryRun, step: Settle, now: float) -> None:
        step.at = 0.0
        self.settle(run, step, now)

    def _settled(self, run: DeliveryRun, row_id: int, error: StoreError | None) -> None:
        if error is not None:
            get_log().error("a row's end could not be committed", id=row_id, reason=str(error))
        self._deliverer.carry_out(
            run, run.settled(row_id, error is None, self.clock.wall()), self.clock.now()
        )

    def reject(self, run: DeliveryRun, step: Reject, now: float) -> None:
        """Reject a row. With devices = "each": record the rejection as the answer of one device."""
        self.watchers.tell(step.row.aor, step.row, "rejected", step.status, None)
        if is_for_device(run.aor):
            serve = partial(self._serve, run.aor, step.row.attempts, step.status)
            self.giving_back.begin(step.row.aor, (step.row.id,), serve, is_final=True)
            return
        self.rejected(step.row, step.status, step.reason, now)

    def rejected(self, row: StoredMessage, status: int, reason: str, now: float) -> None:
        """Mark the row as rejected and tell the sender. The row stays in the silo and is not sent again."""
        self.counters.rejected_messages += 1
        reject = partial(self._reject, status, reason, row.attempts)
        self.giving_back.begin(row.aor, (row.id,), reject, is_final=True)
        self.historian.rejected(row, status, reason)
        self.tell_sender(row, f"{status} {reason}", now)

    def postpone(self, run: DeliveryRun, step: Postpone, now: float) -> None:
        """Give rows back with the time of the next attempt."""
        self.counters.failed_messages += sum(1 for row in step.rows if step.status is not None)
        for row in step.rows:
            self.watchers.tell(row.aor, row, "retry", step.status, step.until)
        rows = step.rows
        attempts = {row.id: row.attempts for row in rows}
        issue = partial(self._postpone, attempts, step.until, step.status, step.reason)
        self.giving_back.begin(rows[0].aor, [row.id for row in rows], issue)

    def release(self, run: DeliveryRun, step: Release, now: float) -> None:
        """Give rows back unchanged."""
        for row in step.rows:
            self.watchers.tell(row.aor, row, "skipped", None, None)
        rows = step.rows
        self.giving_back.begin(rows[0].aor, [row.id for row in rows], self.writer.release)

    def delivered_elsewhere(self, row: StoredMessage, status: int) -> None:
        """End the row after a 2xx outside any run."""
        self.counters.dumped_messages += 1
        end = partial(self._end, row.hash, row.aor, status, self.clock.wall())
        self.giving_back.begin(row.aor, (row.id,), end, is_final=True)

    # --- jobs of the writer, repeated until written; without the message --------------------------------

    def _serve(self, run: str, attempts: int, status: int, ids: Sequence[int], done: Done) -> None:
        self.each.serve(run, ids[0], attempts, status, "", done)

    def _reject(self, status: int, reason: str, attempts: int, ids: Sequence[int], done: Done) -> None:
        self.writer.reject(ids[0], status, reason, attempts, done)

    def _postpone(
        self, attempts: dict[int, int], until: float, status: int | None, reason: str, ids: Sequence[int], done: Done
    ) -> None:  # fmt: skip
        self.writer.postpone([(id, attempts[id]) for id in ids], until, status, reason, done)

    def _end(self, hash: bytes, aor: str, status: int, wall: float, ids: Sequence[int], done: Done) -> None:
        self.writer.end(ids[0], hash, aor, Ending.DELIVERED, status, wall, done)

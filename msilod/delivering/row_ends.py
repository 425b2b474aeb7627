"""RowEnds: carries out the steps that end rows, in the database, the history, the counters and for watchers.

Law 2 is kept by `settle` and `_settled`: the next MESSAGE leaves to a contact only after the end of the previous row is
committed, because the run waits for `settled`. A run does not wait for Reject, Postpone and Release; failed commits of
these are tried again (giving_back.py).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from msilod.clock import Clock
from msilod.counters import Counters, Histogram
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

# Upper bounds of the latencies of delivered messages: from a fraction of a second, for a phone that registers at once,
# to the three days that a message lives by default.
LATENCY_BOUNDS: Final = (
    0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0
)  # fmt: skip


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
        # From the arrival of a message to the 2xx of a device.
        self.latency = Histogram(LATENCY_BOUNDS)
        self.clock = clock
        self.tasks = tasks
        self._deliverer = deliverer
        self.giving_back = giving_back
        self.tell_sender: Callable[[StoredMessage, str, float], None] = lambda row, reason, now: None

    def settle(self, run: DeliveryRun, step: Settle, now: float) -> None:
        """Commit the end of a row, at `step.at` after a failed commit, else at once.

        The end is counted, and the sender and watchers are told, before the first commit only.
        """
        if step.at:
            self.tasks.later(max(0.0, step.at - self.clock.wall()), partial(self._commit_end, run, step))
            return
        row = step.row
        if step.how == Ending.EXPIRED:
            self.counters.expired_messages += 1
            self.tell_sender(row, "expired", now)
        else:
            self._count_delivered(row)
        self.watchers.tell(row.aor, row, str(step.how), step.status, None)
        self._commit_end(run, step, now)

    def _count_delivered(self, row: StoredMessage) -> None:
        """Count a 2xx. The latency of a scheduled message counts from the time when the message became due."""
        self.counters.dumped_messages += 1
        since = row.received_at
        if row.due_at is not None:
            # `due_at` is system time.
            since = max(since, row.due_at - self.clock.ahead)
        self.latency.observe(self.clock.wall() - since)

    def _commit_end(self, run: DeliveryRun, step: Settle, now: float) -> None:
        row = step.row
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
        self._count_delivered(row)
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

"""One alarm for all timers of the transaction layer, and for deliveries that wait after a REGISTER: sleep until the
next deadline, then let them act.
"""

from collections.abc import Callable
from math import inf
from typing import Final

import trio

from msilod.reaching.apart import Apart
from msilod.transaction.layer import TransactionLayer

# So late a timer may fire. The next deadline is mostly that of a transaction which has ended, and under load
# there is one in every batch: the alarm rang beside each of them, for nothing.
GRAIN: Final = 0.01


class Alarm:
    """Runs `layer.handle_timeout` and that of `apart` when due. `after` hands over the jobs and bytes of both."""

    def __init__(self, layer: TransactionLayer, apart: Apart, after: Callable[[], None]) -> None:
        self.layer = layer
        self.apart = apart
        self.after = after
        self._scope = trio.CancelScope()
        self._not_before = -inf

    def rearm(self) -> None:
        """Called after each batch: wake earlier if an earlier deadline has come up."""
        deadline = self._deadline()
        if deadline < self._scope.deadline:
            self._scope.deadline = deadline

    async def run(self) -> None:
        """Forever; one task."""
        while True:
            with trio.CancelScope(deadline=self._deadline()) as self._scope:
                await trio.sleep_forever()
            now = trio.current_time()
            self._not_before = now + GRAIN
            self.layer.handle_timeout(now)
            self.apart.handle_timeout(now)
            self.after()
            await trio.lowlevel.checkpoint()

    def _deadline(self) -> float:
        deadline = self.layer.next_deadline()
        if self.apart.queue:
            at = self.apart.queue[0][0]
            deadline = at if deadline is None else min(deadline, at)
        return inf if deadline is None else max(deadline, self._not_before)

"""Alarm: one timer for the whole transaction layer, and for deliveries held apart after a REGISTER."""

from collections.abc import Callable
from math import inf
from typing import Final

import trio

from msilod.reaching.apart import Apart
from msilod.transaction.layer import TransactionLayer

# Seconds by which a timer may fire late. Most next deadlines belong to transactions that have ended. Under load each
# batch has one, and without the grain the task woke up for each batch without any work to do.
GRAIN: Final = 0.01


class Alarm:
    """Calls `handle_timeout` of `layer` and of `apart` at their next deadline.

    `after` ends a batch: the collected jobs go to the writer, the bytes to the sockets.
    """

    def __init__(self, layer: TransactionLayer, apart: Apart, after: Callable[[], None]) -> None:
        self.layer = layer
        self.apart = apart
        self.after = after
        self._scope = trio.CancelScope()
        self._not_before = -inf

    def rearm(self) -> None:
        """Move the wake-up forward when a batch has brought an earlier deadline; called after each batch."""
        deadline = self._deadline()
        if deadline < self._scope.deadline:
            self._scope.deadline = deadline

    async def run(self) -> None:
        """Sleep until the next deadline, again and again, until cancelled; one task."""
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

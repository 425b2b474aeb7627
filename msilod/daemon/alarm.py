"""One alarm for all timers of the transaction layer: sleep until its next deadline, then let it act."""

from collections.abc import Callable

import trio

from msilod.transaction.layer import TransactionLayer


class Alarm:
    """Runs `layer.handle_timeout` when due. `after` hands over what that produced."""

    def __init__(self, layer: TransactionLayer, after: Callable[[], None]) -> None:
        self.layer = layer
        self.after = after
        self._scope = trio.CancelScope()

    def rearm(self) -> None:
        """Called after each batch: wake earlier if an earlier deadline has come up."""
        deadline = self.layer.next_deadline()
        if deadline is not None and deadline < self._scope.deadline:
            self._scope.deadline = deadline

    async def run(self) -> None:
        """Forever; one task."""
        while True:
            deadline = self.layer.next_deadline()
            with trio.CancelScope(deadline=float("inf") if deadline is None else deadline) as self._scope:
                await trio.sleep_forever()
            self.layer.handle_timeout(trio.current_time())
            self.after()
            await trio.lowlevel.checkpoint()

"""Tasks: starts tasks that run beside the batches of messages."""

from collections.abc import Awaitable, Callable
from typing import Any

import trio


class Tasks:
    """Starts tasks in the daemon's nursery.

    `after` ends a batch: the collected jobs go to the writer, the bytes to the sockets. Each action calls `after` at
    its end. wiring.py sets `after` before the first task runs.
    """

    after: Callable[[], None]

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    def start(self, run: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        """Start `run(*arguments)` as a task, cancelled at the end of the daemon."""
        self._nursery.start_soon(run, *arguments)

    def later(self, seconds: float, action: Callable[[float], None]) -> None:
        """Call `action(now)` once after `seconds`. `now`: monotonic seconds."""
        self._nursery.start_soon(self._later, seconds, action)

    def repeat(self, seconds: float, action: Callable[[float], bool]) -> None:
        """Call `action(now)` every `seconds` until it returns False."""
        self._nursery.start_soon(self._repeat, seconds, action)

    async def _later(self, seconds: float, action: Callable[[float], None]) -> None:
        await trio.sleep(seconds)
        action(trio.current_time())
        self.after()

    async def _repeat(self, seconds: float, action: Callable[[float], bool]) -> None:
        goes_on = True
        while goes_on:
            await trio.sleep(seconds)
            goes_on = action(trio.current_time())
            self.after()

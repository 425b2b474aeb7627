"""Writer results: receives the results of the writer's process, and sends frames when the socket has room again.

This is the event loop's part of store/writer/parent.py. When the writer's process ends, the daemon ends at once, with a
line in the log and an exit code: without a commit there is no 202 (law 1).
"""

import time
from collections.abc import Callable, Sequence
from math import inf
from typing import Final

import trio

from msilod.errors import StoreError
from msilod.log import get_log
from msilod.store.jobs import Result
from msilod.store.writer.parent import ProcessWriter

# Seconds between two log lines about failed jobs.
LOGGED_EVERY: Final = 10.0


class WriterResults:
    """Passes results to the callbacks of the jobs, until `end`."""

    def __init__(self) -> None:
        self._is_over = False
        self._failures = 0
        # time.monotonic() of the last log line.
        self._logged_at = -inf

    def end(self) -> None:
        """Drop all later results: the daemon ends, and no caller waits for a result. Commits stay committed."""
        self._is_over = True

    def tell(self, results: Sequence[Result]) -> None:
        """Call the callback of each result. An exception of one callback is logged, and the others are called."""
        if self._is_over:
            return
        for done, result in results:
            try:
                done(result)
            except MemoryError:
                raise
            except StoreError as error:
                self._failed(error)
            except Exception as error:
                get_log().error("a commit's result could not be used", exc_info=error)

    def _failed(self, error: StoreError) -> None:
        """Log failed jobs without a waiter, at most every LOGGED_EVERY seconds: a full disk fails many a second."""
        self._failures += 1
        now = time.monotonic()
        if now - self._logged_at >= LOGGED_EVERY:
            get_log().error(
                "changes could not be written to the silo", reason=str(error), failures=self._failures
            )
            self._failures, self._logged_at = 0, now


async def receive_results(writer: ProcessWriter, after: Callable[[], None]) -> None:
    """Receive results until cancelled. `after` ends a batch of callbacks: the new jobs and bytes are handed over.

    Raises StoreError when the writer's process ends.
    """
    while True:
        await trio.lowlevel.wait_readable(writer.socket)
        writer.receive()
        after()


async def make_room(writer: ProcessWriter) -> None:
    """Send the rest of a frame when the socket has room again, until cancelled.

    Bodies are up to 64 kB, and a slow disk fills the socket.
    """
    wanted = trio.Event()
    writer.when_full = lambda: wanted.set()
    while True:
        await wanted.wait()
        wanted = trio.Event()
        while writer.wants_room:
            await trio.lowlevel.wait_writable(writer.socket)
            writer.push()

"""Delivery of what the writer's process has committed, and room for what it is to commit: the loop's part of
store/writer/parent.py.

Rule: without its writer the daemon is of no use, and a MESSAGE that nobody can commit must not wait for its 202:
the end of that process is the end of this one, at once with the line and the code of an error.
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

# Seconds between two log lines about jobs that have failed.
LOGGED_EVERY: Final = 10.0


class WriterResults:
    """Tells those who asked, until the end."""

    def __init__(self) -> None:
        self._is_over = False
        self._failures = 0
        # When a failure was logged last, by time.monotonic().
        self._logged_at = -inf

    def end(self) -> None:
        """From here on nobody waits for an answer; what was committed is committed."""
        self._is_over = True

    def tell(self, results: Sequence[Result]) -> None:
        """Call everybody."""
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
        """Log a job that has failed and that has no waiter. A full disk fails many of them a second."""
        self._failures += 1
        now = time.monotonic()
        if now - self._logged_at >= LOGGED_EVERY:
            get_log().error(
                "the silo did not take what it was told", reason=str(error), failures=self._failures
            )
            self._failures, self._logged_at = 0, now


async def receive_results(writer: ProcessWriter, after: Callable[[], None]) -> None:
    """Until cancelled; `after` hands over what was asked for meanwhile. Raises StoreError when the process ends."""
    while True:
        await trio.lowlevel.wait_readable(writer.socket)
        writer.receive()
        after()


async def make_room(writer: ProcessWriter) -> None:
    """Go on with a frame for which the socket had no room: bodies are up to 64 kB, and a disk may be slow."""
    wanted = trio.Event()
    writer.when_full = lambda: wanted.set()
    while True:
        await wanted.wait()
        wanted = trio.Event()
        while writer.wants_room:
            await trio.lowlevel.wait_writable(writer.socket)
            writer.push()

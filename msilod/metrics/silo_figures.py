"""SiloFigures: the figures that only the database knows, read in a thread and kept for a few seconds.

A scrape never walks over all rows: the number of messages is one row and a short tail, the states other than `waiting`
are counted in their index, and the oldest message is looked for in pages, from the place of the last look.
"""

from collections.abc import Callable, Iterator
from typing import Final

import trio

from msilod.clock import Clock
from msilod.errors import MsilodError
from msilod.log import get_log
from msilod.metrics.figures import Sample
from msilod.metrics.table import PREFIX
from msilod.silo.stored_message import State
from msilod.store.engine.hold import Reads

# Seconds between two reads. After a slow read the pause is longer: reads take at most a twentieth of the time.
KEPT: Final = 5.0
SHARE: Final = 20
# Seconds that a scrape waits for a read.
PATIENCE: Final = 2.0
# Rows in a page of the look for the oldest message, and pages in a read: 20 pages take about 40 ms.
PAGE: Final = 500
PAGES: Final = 20
# Seconds after which the look starts again at the first row: a row behind the place may wait again after a requeue.
AGAIN: Final = 300.0
UNDELIVERED: Final = frozenset((State.WAITING, State.SENDING))


class Oldest:
    """Looks for the oldest row that waits for delivery. `page` is `Reads.page`."""

    def __init__(self, page: Callable[[int, int], list[tuple[int, str, float]]]) -> None:
        self._page = page
        # Rows up to this id do not wait.
        self._after = 0
        self._begun = 0.0

    def look(self, now: float) -> float | None:
        """The arrival (silo time) of the oldest row that waits; None for none.

        In front of many rows that do not wait, a look ends after PAGES pages with the arrival of the last row seen: the
        oldest row that waits is younger. The next look goes on there.
        """
        if now - self._begun > AGAIN:
            self._begun, self._after = now, 0
        at: float | None = None
        for _ in range(PAGES):
            rows = self._page(self._after, PAGE)
            for id, state, received_at in rows:
                if state in UNDELIVERED:
                    return received_at
                self._after, at = id, received_at
            if len(rows) < PAGE:
                return None
        # The look is not at its end: it begins again AGAIN seconds after its end.
        self._begun = now
        return at


class SiloFigures:
    """The figures of the last read. `refresh` is called before a scrape is answered."""

    def __init__(self, reads: Reads, clock: Clock) -> None:
        self._reads = reads
        self._clock = clock
        self._oldest = Oldest(reads.page)
        # One read at a time: a database that hangs holds one thread.
        self._limiter = trio.CapacityLimiter(1)
        self._read: dict[str, float] = {}
        self._states: dict[str, int] = {}
        self._at: float | None = None
        self._oldest_at: float | None = None
        self._next = 0.0
        self._reading: trio.Event | None = None

    def samples(self) -> Iterator[Sample]:
        """The figures of the last read, and their age; nothing before the first read."""
        if self._at is None:
            return
        yield f"{PREFIX}silo_figures_age_seconds", (), self._clock.now() - self._at
        for state in State:
            yield f"{PREFIX}messages", (state,), self._states.get(state, 0)
        age = 0.0 if self._oldest_at is None else max(0.0, self._clock.wall() - self._oldest_at)
        yield f"{PREFIX}oldest_message_age_seconds", (), age
        for name, value in self._read.items():
            yield f"{PREFIX}{name}", (), value

    async def refresh(self, nursery: trio.Nursery) -> None:
        """Read when the figures are old, in `nursery`. Returns after PATIENCE seconds at the latest."""
        if self._reading is None and self._clock.now() >= self._next:
            self._reading = trio.Event()
            nursery.start_soon(self._run)
        if self._reading is not None:
            with trio.move_on_after(PATIENCE):
                await self._reading.wait()

    async def _run(self) -> None:
        began = self._clock.now()
        try:
            # Abandoned when the daemon ends: a database that hangs must not hold the end.
            await trio.to_thread.run_sync(self._look, began, limiter=self._limiter, abandon_on_cancel=True)
            self._at = self._clock.now()
        except MsilodError as error:
            get_log().warning("the figures of the silo could not be read", reason=str(error))
        except MemoryError:
            raise
        except Exception as error:
            # For example a row of another program with a text for a time. The daemon must not end because of a figure.
            get_log().error("the figures of the silo could not be read", exc_info=error)
        finally:
            now = self._clock.now()
            self._next = now + max(KEPT, SHARE * (now - began))
            if self._reading is not None:
                self._reading.set()
                self._reading = None

    def _look(self, now: float) -> None:
        """In a thread. Assignments of whole values: the event loop may read in between."""
        self._states = self._reads.counts()
        self._oldest_at = self._oldest.look(now)
        found: dict[str, float] = {"message_bytes": self._reads.total_bytes()}
        free = self._reads.free_bytes()
        if free is not None:
            found["silo_free_bytes"] = free
        self._read = found

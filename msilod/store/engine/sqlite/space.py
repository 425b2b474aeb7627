"""Space: free bytes on the disk of the silo, the length of the log, and a reserve for a full disk.

The writer looks at the disk once a second. The log is copied into the file and cut in three cases: when space is short,
when the silo is idle, and, by SQLite, at the length of a quarter of the free bytes. Free pages inside the file count as
free space, since new rows use free pages. The reserve is a file of up to RESERVE bytes beside the silo. On a full disk
the reserve is removed, so that deliveries, ends, registrations, purge and a start have room, and is made again later.
"""

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from msilod.ownership import adopt_file
from msilod.store.engine.sqlite.connection import CHECKPOINT_PAGES, FEWEST_PAGES, log_pages
from msilod.store.engine.sqlite.reserve import free_bytes, reserve_path
from msilod.store.engine.sqlite.room import LOOK_EVERY, Room
from msilod.store.engine.sqlite.watch import FileWatch

RESERVE: Final = 8 << 20
# Bytes. A shorter log is not worth a checkpoint.
SHORT_LOG: Final = 1 << 18
# The least number of bytes written between two looks at the disk.
STEP: Final = 1 << 20
# Looks without a change of a row until the silo is idle.
IDLE_LOOKS: Final = 5


class Space:
    """Belongs to the writer's process. Sets `room.is_found_full`: then new rows are refused."""

    def __init__(self, db: sqlite3.Connection, path: Path, room: Room, watch: FileWatch) -> None:
        self._db = db
        self._path = path
        self._reserve = reserve_path(path)
        self._room = room
        self._watch = watch
        self._looked = -LOOK_EVERY
        self._limits = room.limits
        self._taken = 0
        self._step = STEP
        self._pages = CHECKPOINT_PAGES
        self._changes = db.total_changes
        self._idle = 0
        self._page = int(db.execute("PRAGMA page_size").fetchone()[0])

    def look(self, now: float, count: int) -> None:
        """Called before a transaction: looks once in LOOK_EVERY seconds, and for every quarter of min_free_bytes.

        `now` is time.monotonic(), `count` the approximate number of bytes about to be written.
        """
        limits = self._room.limits
        self._taken += count
        if now - self._looked < LOOK_EVERY and self._taken < self._step and limits is self._limits:
            return
        self._looked, self._taken, self._limits = now, 0, limits
        self._step = max(limits.min_free_bytes // 4, STEP)
        # A look that fails is repeated at the next call.
        with suppress(OSError, sqlite3.Error):
            self._look()

    def _look(self) -> None:
        wanted = self._room.limits.min_free_bytes
        free = free_bytes(self._path)
        if free < wanted or self._is_idle():
            self._copy_log()
            free = free_bytes(self._path)
        if free < wanted // 4 and self._release():
            self._copy_log()
            free = free_bytes(self._path)
        held = self._held()
        reusable = int(self._db.execute("PRAGMA freelist_count").fetchone()[0]) * self._page
        if free < wanted // 2 <= free + held and free + held + reusable >= wanted and self._release():
            # Rows have filled the disk and were removed. The file does not shrink, so the log needs the reserve.
            free, held = free_bytes(self._path), 0
        self._limit_log(free - wanted)
        # Free pages and the reserve count, but half of min_free_bytes must be free on the disk: the log needs it.
        self._room.is_found_full = free + held + reusable < wanted or free < wanted // 2
        if not held and free >= wanted + self._size():
            self._make()

    def make_room(self) -> bool:
        """After SQLITE_FULL: True when more room was made. New rows are refused until the next look."""
        had = self._watch.log_bytes()
        is_released = self._release()
        self._copy_log()
        if is_released or self._watch.log_bytes() < had:
            self._room.is_found_full = True
            self._looked = time.monotonic()
            return True
        return False

    def _is_idle(self) -> bool:
        changes, self._changes = self._changes, self._db.total_changes
        self._idle = self._idle + 1 if changes == self._changes else 0
        return self._idle == IDLE_LOOKS

    def _copy_log(self) -> None:
        """Copy the log into the file and cut the log. Readers or a full disk may prevent both until a later look."""
        if self._watch.log_bytes() < SHORT_LOG:
            return
        with suppress(sqlite3.Error):
            ((timeout,),) = self._db.execute("PRAGMA busy_timeout").fetchall()
            # A reader must not hold up the writer.
            self._db.execute("PRAGMA busy_timeout = 0")
            try:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self._db.execute(f"PRAGMA busy_timeout = {int(timeout)}")

    def _limit_log(self, left: int) -> None:
        pages = log_pages(left)
        if not self._pages // 2 < pages <= self._pages * 2 or pages in (FEWEST_PAGES, CHECKPOINT_PAGES):
            if pages == self._pages:
                return
            self._pages = pages
            self._db.execute(f"PRAGMA wal_autocheckpoint = {pages}")

    # --- the reserve ---------------------------------------------------------------------------------

    def _size(self) -> int:
        return min(RESERVE, self._room.limits.min_free_bytes // 2)

    def _held(self) -> int:
        try:
            return self._reserve.stat().st_size
        except OSError:
            return 0

    def _release(self) -> bool:
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def _make(self) -> None:
        """All blocks or no file: without blocks the file is no reserve."""
        if not self._size():
            return
        with suppress(OSError):
            descriptor = os.open(self._reserve, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                adopt_file(descriptor, self._reserve.parent)
                os.posix_fallocate(descriptor, 0, self._size())
            except OSError:
                self._reserve.unlink()
            finally:
                os.close(descriptor)

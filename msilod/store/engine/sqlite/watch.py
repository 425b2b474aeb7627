"""The watch over the silo's files: whether the open database is still the file of the path, with a whole write-ahead
log.

SQLite does not notice a deleted, moved or overwritten database file, nor a cut log, and goes on writing to the open
files. `FileWatch.check` compares device, inode and size of the three files (database, -wal, -shm) with the open files
and with the index of the log (-shm). The writer's process calls `check` once per transaction, before the answers leave.
A check takes 4 us.

The three names are looked up only after a change of their directory: the kernel sets the directory's st_ctime when a
name in the directory is made, removed or renamed (POSIX, unlink and rename), and no program can set st_ctime back.

The layout of the index is part of SQLite's documented format (sqlite.org/walformat.html, "WAL-Index File Format").
"""

import errno
import os
import sqlite3
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from msilod.errors import SiloLost
from msilod.ownership import FILE_MODE

INDEX_BYTES: Final = 136
# Page size, number of frames, and the salts at the begin of each frame of this log.
_INDEX: Final = struct.Struct("=14xHI12x8s")
# Frames copied by checkpoints, and frames to be copied by the running checkpoint.
_COPIED: Final = struct.Struct("=I")
COPIED_AT: Final = 96
ATTEMPTED_AT: Final = 128
LOG_HEADER: Final = 32
FRAME_HEADER: Final = 24
SALTS: Final = slice(8, 16)
FILE_HEADER: Final = 100
# Reads of the index: another process may write the index at the same moment.
TRIES: Final = 5
LARGEST_PAGE: Final = 65536
# Nanoseconds. A change of the directory must be older than the steps of time stamps, else a later change may have the
# same time stamp. A step is at most 10 ms (the kernel's tick), or 2 s on file systems without fractions of a second.
FINE: Final = 50_000_000
COARSE: Final = 2_500_000_000
SECOND: Final = 1_000_000_000

Identity = tuple[int, int]


class FileWatch:
    """Made after the open of the database in WAL mode: all three files exist.

    The descriptors are never closed: closing any descriptor of a file drops all POSIX locks of the process on the file,
    SQLite's included. Raises SiloLost when a file is gone already.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._name, self._log_name, self._index_name = (f"{path}{end}" for end in ("", "-wal", "-shm"))
        try:
            opened = [
                os.open(name, os.O_RDONLY | os.O_CLOEXEC)
                for name in (self._name, self._log_name, self._index_name)
            ]
        except FileNotFoundError as error:
            raise SiloLost(f"{error.filename} has been removed") from error
        self._file, self._log, self._index = opened
        self._identities = [_identity(os.fstat(descriptor)) for descriptor in opened]
        self._directory = os.path.dirname(self._name) or "."
        # Identity and st_ctime_ns of the directory at the last look at the names.
        self._unchanged = (0, 0, 0)
        self._is_log_whole = True
        self._last = (0, b"")
        self._seen = (0, 0)
        self._mark: tuple[object, ...] = ()
        self._head = b""
        self.check()

    @property
    def log(self) -> int:
        """The descriptor of the log, to sync earlier commits without a sync."""
        return self._log

    def log_bytes(self) -> int:
        """The length of the log on the disk."""
        return os.fstat(self._log).st_size

    def check(self) -> None:
        """Raises SiloLost when a file is not the opened file any more, or the log lacks frames."""
        try:
            index = os.pread(self._index, INDEX_BYTES, 0)
            around = os.stat(self._directory)
            change = (around.st_dev, around.st_ino, around.st_ctime_ns)
            if change != self._unchanged:
                self._look_at_names(change)
            size = os.lseek(self._log, 0, os.SEEK_END)
            found = os.fstat(self._file)
        except OSError as error:
            name = self._name if error.filename == self._directory else error.filename
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                raise SiloLost(f"{name} has been removed or moved") from error
            raise SiloLost(f"{name or self._index_name}: {error.strerror}") from error
        if not self._is_whole(index, size):
            self._look_again()
        if (found.st_mtime_ns, found.st_size) != self._seen:
            self._look_at_file()

    def _look_at_names(self, change: tuple[int, int, int]) -> None:
        """Raises SiloLost for a name of another file, OSError for a missing name. `change` is of the directory."""
        now = time.time_ns()
        names = (self._name, self._log_name, self._index_name)
        for name, identity in zip(names, self._identities, strict=True):
            if _identity(os.stat(name)) != identity:
                raise SiloLost(f"{name} has been replaced by another file")
        if now - change[2] > (FINE if change[2] % SECOND else COARSE):
            self._unchanged = change

    def _is_whole(self, index: bytes, size: int) -> bool:
        """True when all frames counted by the index exist, and the last frame of the check before is unchanged.

        Then the last frame is remembered for the next check.
        """
        if len(index) < INDEX_BYTES:
            return False
        page, frames, salts = _INDEX.unpack_from(index)
        frame = FRAME_HEADER + (page if page > 1 else LARGEST_PAGE)
        if frames and size < LOG_HEADER + frames * frame:
            return False
        last, of = self._last
        # A cut log with new frames at the old end is long enough, with a hole of zeros.
        if last and of == salts and last <= frames:
            header = os.pread(self._log, FRAME_HEADER, LOG_HEADER + (last - 1) * frame)
            if header[SALTS] != salts:
                return False
        self._last = (frames, salts)
        return True

    def _look_again(self) -> None:
        """Another process may commit or truncate between two reads. Raises SiloLost after equal reads."""
        for _ in range(TRIES):
            index = os.pread(self._index, INDEX_BYTES, 0)
            if self._is_whole(index, self.log_bytes()):
                return
            if index == os.pread(self._index, INDEX_BYTES, 0):
                break
        self._is_log_whole = False
        raise SiloLost(f"{self._log_name} has been cut: committed messages are missing from it")

    def _look_at_file(self) -> None:
        """The file was written. Only a checkpoint may write the file, and leaves a mark in the index."""
        for _ in range(TRIES):
            index = os.pread(self._index, INDEX_BYTES, 0)
            found = os.fstat(self._file)
            head = os.pread(self._file, FILE_HEADER, 0)
            if index == os.pread(self._index, INDEX_BYTES, 0):
                break
        else:
            return
        (copied,) = _COPIED.unpack_from(index, COPIED_AT)
        (attempted,) = _COPIED.unpack_from(index, ATTEMPTED_AT)
        mark = (_INDEX.unpack_from(index)[2], copied, attempted)
        if self._seen != (0, 0) and mark == self._mark and copied == attempted and head != self._head:
            self._identities[0] = (0, 0)
            raise SiloLost(f"{self._name} has been overwritten by another program")
        self._seen, self._mark, self._head = (found.st_mtime_ns, found.st_size), mark, head

    # --- after a loss --------------------------------------------------------------------------------

    def save(self, db: sqlite3.Connection) -> str:
        """After SiloLost: save messages, and return the place for the operator; "" for no news.

        A whole log is copied into the open file, under any name. A file without a name is copied to PATH.rescued. A log
        of another file than the file with the name now is put aside: SQLite would read the frames into the wrong file.
        When a file cannot be read, nothing is changed.
        """
        try:
            return self._save(db)
        except OSError as error:
            return f"nothing was saved ({error.strerror})"

    def _save(self, db: sqlite3.Connection) -> str:
        said = []
        is_ours = self._identities[0] != (0, 0)
        is_copied = self._is_log_whole and is_ours and self._is_index_ours() and _checkpoint(db)
        if is_copied and not os.fstat(self._file).st_nlink:
            said.append(self._rescue(db))
        if not is_copied and (not self._is_paired() or self._is_behind()):
            said.append(self._put_log_aside())
        return "; ".join(filter(None, said))

    def _is_index_ours(self) -> bool:
        """Without a common index other processes may write at the same time."""
        return _found(self._index_name) == self._identities[2]

    def _is_paired(self) -> bool:
        return _found(self._name) == self._identities[0]

    def _is_behind(self) -> bool:
        """True when the cut log ends before frames that a checkpoint has copied: a replay would go back."""
        index = os.pread(self._index, INDEX_BYTES, 0)
        if self._is_log_whole or len(index) < INDEX_BYTES:
            return False
        page, frames, salts = _INDEX.unpack_from(index)
        (copied,) = _COPIED.unpack_from(index, COPIED_AT)
        frame = FRAME_HEADER + (page if page > 1 else LARGEST_PAGE)
        whole = 0
        while whole < frames:
            at = LOG_HEADER + whole * frame
            if os.pread(self._log, FRAME_HEADER, at)[SALTS] != salts or self.log_bytes() < at + frame:
                break
            whole += 1
        return whole <= int(copied)

    def _rescue(self, db: sqlite3.Connection) -> str:
        target = Path(f"{self._name}.rescued")
        try:
            descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE)
            os.fchmod(descriptor, FILE_MODE)
            os.close(descriptor)
            db.execute("VACUUM INTO ?", (str(target),))
        except (OSError, sqlite3.Error) as error:
            return f"its messages could not be saved to {target} ({error})"
        return f"its messages are in {target}"

    def _put_log_aside(self) -> str:
        aside = f"{self._log_name}.lost"
        if _found(self._log_name) != self._identities[1] or not self.log_bytes():
            return ""
        with suppress(OSError):
            os.rename(self._log_name, aside)
            return f"its log is now {aside}"
        return ""


def _checkpoint(db: sqlite3.Connection) -> bool:
    """Copy the whole log; True when no frame is left to copy."""
    with suppress(sqlite3.Error):
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.execute("PRAGMA busy_timeout = 500")
        db.execute("PRAGMA synchronous = FULL")
        return not db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return False


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino


def _found(name: str) -> Identity | None:
    try:
        return _identity(os.stat(name))
    except OSError:
        return None

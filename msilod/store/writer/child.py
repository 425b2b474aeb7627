"""The writer's process: one engine, one loop, no threads. Takes all waiting frames, commits, answers.

The process ends when the daemon closes the other end of the socket or is dead, after a commit of all whole frames.
Signals are for the daemon and are blocked here. The process holds the daemon's lock as well: no other daemon opens the
database while the process may commit.

After a loss or damage of the database, an I/O error at COMMIT or a lack of memory, the last frame says so, and the
process ends without a close of the database: SQLite's close would copy the log into the file.
"""

import gc
import os
import select
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NoReturn

import msgspec

from msilod.errors import MsilodError, SiloLost, StoreError, UnavailableError, UnknownOutcome
from msilod.store.commit.transaction import Transactions
from msilod.store.engine.base import Engine
from msilod.store.engine.choice import open_engine
from msilod.store.jobs import Batch
from msilod.store.limits import Limits
from msilod.store.writer.pipe import Frames, pack_answer, pack_end, pack_refusal, read_opening, unpack_batch

# Seconds of work without a pause; then the command line gets the lock for PAUSE seconds.
UNBROKEN: Final = 0.1
PAUSE: Final = 0.002
# Seconds without frames; after more the files are checked before a transaction, too. A check takes 4 us.
UNCHECKED: Final = 0.001
READ: Final = 1 << 18
GC_THRESHOLD: Final = (50_000, 50, 50)
FAILED: Final = 1
LOST: Final = UnavailableError.exit_code
# A number above the number of open batches: the outcome of all is unknown.
UNKNOWN: Final = 1 << 30
OUT_OF_MEMORY: Final = "the process that writes the silo is out of memory"


class Child:
    """Executes the frames on `pipe` until the end of the pipe."""

    def __init__(self, pipe: socket.socket, engine: Engine) -> None:
        self._pipe = pipe
        self._engine = engine
        self._transactions = Transactions(engine, Limits())
        self._frames = Frames()
        self._buffer = memoryview(bytearray(READ))
        self._is_open = True
        self._readable = select.poll()
        self._readable.register(pipe, select.POLLIN)
        # The number of batches without an answer.
        self._taken = 0

    def run(self) -> None:
        """Serve until the daemon closes or is dead, then leave a file without a log."""
        try:
            self._serve()
            self._engine.check()
        except SiloLost as error:
            saved = self._engine.save()
            self._end(f"{error}; {saved}" if saved else str(error), LOST, True)
        except UnknownOutcome as error:
            self._end(str(error), LOST, False)
        self._engine.close()

    def _end(self, reason: str, code: int, wants_check: bool) -> NoReturn:
        with suppress(OSError):
            self._pipe.settimeout(1.0)
            self._pipe.sendall(pack_end(self._taken, reason, code, wants_check))
        os._exit(code)

    def _serve(self) -> None:
        busy_since = time.monotonic()
        while self._is_open:
            frames = self._read(socket.MSG_DONTWAIT)
            now = time.monotonic()
            if not frames:
                self._wait()
                frames = self._read(0)
                busy_since = time.monotonic()
                # The files are checked after each transaction, before the answers. This check finds a loss between
                # transactions, before the commit of new frames: the senders get 503 instead of no answer.
                if busy_since - now > UNCHECKED:
                    self._check_before(frames)
            elif now - busy_since > UNBROKEN:
                time.sleep(PAUSE)
                busy_since = time.monotonic()
            if frames:
                self._engine.look(now, sum(map(len, frames)))
                self._commit(frames)
                self._engine.sync_if_due(time.monotonic())

    def _wait(self) -> None:
        """Wait for more frames, and sync commits without a sync in time."""
        left = self._engine.seconds_to_sync(time.monotonic())
        if left is not None and not self._readable.poll(left * 1000):
            self._engine.sync()

    def _check_before(self, frames: Sequence[bytearray]) -> None:
        """Raises SiloLost; then no frame is committed, and the jobs are told so."""
        try:
            self._engine.check()
        except SiloLost as error:
            for frame in frames:
                with suppress(msgspec.MsgspecError):
                    batch = unpack_batch(frame)
                    self._answer(pack_answer(1, batch.failed(StoreError(str(error)))))
            raise

    def _read(self, flags: int) -> list[bytearray]:
        """All whole frames. The daemon bounds the number of frames on the way."""
        frames: list[bytearray] = []
        count = READ
        while count == READ:
            try:
                count = self._pipe.recv_into(self._buffer, READ, flags)
            except BlockingIOError:
                break
            except ConnectionResetError:
                count = 0
            self._is_open = count > 0
            frames += self._frames.feed(self._buffer[:count])
            flags = socket.MSG_DONTWAIT
        return frames

    def _commit(self, frames: Sequence[bytearray]) -> None:
        """Commit the frames in one transaction, except unreadable frames."""
        try:
            batches = [unpack_batch(frame) for frame in frames]
        except msgspec.MsgspecError as error:
            if len(frames) == 1:
                self._answer(pack_refusal(str(error)))
                return
            for frame in frames:
                self._commit([frame])
            return
        for batch in batches:
            if batch.keeping is not None:
                self._transactions.configure(batch.keeping)
        self._taken = len(batches)
        began = time.monotonic()
        outcome = self._transactions.execute(Batch.of(batches))
        seconds = time.monotonic() - began
        self._taken = 0
        self._answer(pack_answer(len(batches), outcome, seconds))

    def _answer(self, answer: bytes) -> None:
        # The daemon may be dead. Frames sent before that are committed all the same.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._pipe.sendall(answer)


def main(descriptor: str) -> None:
    """Serve the daemon on the socket with this descriptor; the first frame names the database."""
    gc.set_threshold(*GC_THRESHOLD)
    pipe = socket.socket(fileno=int(descriptor))
    opening = read_opening(pipe)
    try:
        engine = open_engine(opening.url, opening.table, opening.owner, opening.seen)
        Child(pipe, engine).run()
    except MemoryError:
        _last_words(pipe, OUT_OF_MEMORY, FAILED)
    except MsilodError as error:
        _last_words(pipe, str(error), LOST)


def _last_words(pipe: socket.socket, reason: str, code: int) -> NoReturn:
    """Tell the daemon that the outcome of all open batches is unknown, and end with `code`, without any close."""
    with suppress(OSError, MemoryError):
        pipe.settimeout(1.0)
        pipe.sendall(pack_end(UNKNOWN, reason, code, False))
    os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The writer's process: one connection, one loop, no threads: takes all that waits, commits it, answers.

Rules: it ends when the daemon closes its end of the socket, or is no more, after committing what had arrived whole.
Signals are the daemon's affair and come here blocked. It holds the daemon's lock with it, so that no other daemon
opens the file while it still commits.
"""

import gc
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from msilod.store.database import open_sqlite, raw
from msilod.store.jobs import Batch
from msilod.store.pipe import Frames, pack_answer, pack_refusal, unpack_batch
from msilod.store.transaction import Transactions
from msilod.store.work import transactions_on

# After so long without a pause the command line gets its turn.
UNBROKEN: Final = 0.1
PAUSE: Final = 0.002
READ: Final = 1 << 18
GC_THRESHOLD: Final = (50_000, 50, 50)


class Child:
    """Executes what comes on `pipe` until its end."""

    def __init__(self, pipe: socket.socket, transactions: Transactions) -> None:
        self._pipe = pipe
        self._transactions = transactions
        self._frames = Frames()
        self._buffer = memoryview(bytearray(READ))
        self._is_open = True

    def run(self) -> None:
        """Until the daemon closes, or is no more."""
        busy_since = time.monotonic()
        while self._is_open:
            frames = self._read(socket.MSG_DONTWAIT)
            now = time.monotonic()
            if not frames:
                frames = self._read(0)
                busy_since = time.monotonic()
            elif now - busy_since > UNBROKEN:
                time.sleep(PAUSE)
                busy_since = time.monotonic()
            if frames:
                self._answer(self._committed(frames))

    def _read(self, flags: int) -> list[bytearray]:
        """All that waits, as far as it is whole; how much that may be, the daemon sees to."""
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

    def _committed(self, frames: Sequence[bytearray]) -> bytes:
        """In one transaction, but for what cannot be read."""
        try:
            batches = [unpack_batch(frame) for frame in frames]
        except msgspec.MsgspecError as error:
            if len(frames) == 1:
                return pack_refusal(str(error))
            return b"".join(self._committed([frame]) for frame in frames)
        for batch in batches:
            if batch.keeping is not None:
                self._transactions.configure(batch.keeping)
        return pack_answer(len(batches), self._transactions.execute(Batch.of(batches)))

    def _answer(self, answer: bytes) -> None:
        # A daemon that is no more hears nothing; what it had sent is committed all the same.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._pipe.sendall(answer)


def main(descriptor: str, silo: str, table: str, owner: str) -> None:
    """The daemon's `python -m`: the socket's descriptor, the file, its table, the name for leases."""
    gc.set_threshold(*GC_THRESHOLD)
    transactions = transactions_on(raw(open_sqlite(Path(silo))), Path(silo), table, owner)
    Child(socket.socket(fileno=int(descriptor)), transactions).run()


if __name__ == "__main__":
    main(*sys.argv[1:])

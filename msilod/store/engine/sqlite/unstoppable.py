"""Short transactions of the command line without a stop by Ctrl-Z.

A stopped process keeps the write lock of the file, and all senders wait for the lock. The signals of a terminal for a
stop wait for the end of the transaction. SIGSTOP cannot wait; a transaction of the command line takes 20 ms.
"""

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STOPS: Final = frozenset((signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))


@contextmanager
def unstoppable() -> Iterator[None]:
    """Hold back a terminal's stop signals until the end of the block."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


@contextmanager
def immediate(db: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE, then COMMIT, or ROLLBACK after an error in the block or at COMMIT; without stop signals."""
    with unstoppable():
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            # A full disk or a failed write has rolled back already.
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

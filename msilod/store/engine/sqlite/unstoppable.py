"""Short transactions of the command line that Ctrl-Z cannot stop halfway.

A stopped process keeps the write lock of the file, and all senders wait for it. The signals that stop a process wait
for the end of the transaction. SIGSTOP cannot be held back; a transaction of the command line takes 20 ms.
"""

import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STOPS: Final = frozenset((signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))


@contextmanager
def unstoppable() -> Iterator[None]:
    """Hold back the signals by which a terminal stops a process until the end of the block."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


@contextmanager
def immediate(db: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE, then COMMIT, or ROLLBACK when the block or the commit fails; never across a stop signal."""
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

"""Work: what calls by name do, and all that works on one connection.

A call travels as its name and plain arguments, so that one table serves the writer in a process of its own and its
in-line twin. Each operation runs inside the writer's transaction and returns plain data.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msilod.silo.history import HistoryEntry
from msilod.store.commit.quota import Quota
from msilod.store.commit.transaction import Operation, Transactions
from msilod.store.engine.sqlite.history import History
from msilod.store.engine.sqlite.holdings import Holdings
from msilod.store.engine.sqlite.statements import Statements
from msilod.store.engine.sqlite.sweep import Sweep
from msilod.store.jobs import Foreign
from msilod.store.limits import Limits
from msilod.store.times import ClockRow


def transactions_on(db: sqlite3.Connection, path: Path, table: str, owner: str) -> Transactions:
    """The transactions of the daemon `owner`, as its leases name it. Quotas and memories are yet to be configured."""
    statements, limits = Statements(table), Limits()
    holdings, quota = Holdings(statements, limits), Quota(path, table, limits)
    made = Transactions(db, statements, holdings, quota, History(table, 0.0))
    made.operations = _operations(made, owner)
    return made


def _operations(transactions: Transactions, owner: str) -> dict[str, Operation]:
    statements, devices, holdings = transactions.statements, transactions.devices, transactions.holdings
    sweep = Sweep(statements, transactions.history, holdings, devices)
    return {
        "claim": partial(_owned, statements.claim, owner),
        "has_waiting": statements.has_waiting,
        "release": statements.release,
        "postpone": statements.postpone,
        "forget_back_off": statements.forget_back_off,
        "reject": partial(_changed, statements.reject, holdings.forget_senders),
        "hand": partial(_changed, statements.hand, holdings.forget_senders),
        "claim_for": partial(_owned, devices.claim, owner),
        "serve": partial(_changed, devices.serve, holdings.forget),
        "note": partial(_note, transactions.history),
        "renew": statements.renew,
        "free_lapsed": statements.free_lapsed,
        "keep_user_change": statements.keep_user_change,
        "keep_clock": ClockRow(statements.table).write,
        "bindings": partial(_bind, transactions),
        "refresh": statements.refresh,
        "clean": sweep.clean,
        "expire": sweep.expire,
        "due": sweep.due,
        "unseen": statements.unseen,
        "by_next_hop": statements.by_next_hop,
        "poll_foreign": partial(_poll_foreign, transactions),
    }


def _owned(operation: Callable[..., Any], owner: str, db: sqlite3.Connection, *arguments: Any) -> Any:
    return operation(db, owner, *arguments)


def _changed(
    operation: Callable[..., str], forget: Callable[[str], None], db: sqlite3.Connection, *arguments: Any
) -> None:
    """What is remembered of the recipient of a row is not so any more."""
    aor = operation(db, *arguments)
    if aor:
        forget(aor)


def _note(history: History, db: sqlite3.Connection, *entry: Any) -> None:
    history.note(db, (HistoryEntry(*entry),))


def _bind(
    transactions: Transactions,
    db: sqlite3.Connection,
    saved: Sequence[Sequence[Any]],
    removed: Sequence[Sequence[Any]],
) -> None:
    transactions.statements.bindings(db, saved, removed)
    transactions.devices.learn(db, [*saved, *removed])


def _poll_foreign(transactions: Transactions, _: sqlite3.Connection) -> Foreign:
    return transactions.foreign.take()

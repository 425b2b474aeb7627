"""Operations: the function for each name of a call (`CALLS` in engine/base.py).

A call travels as a name and plain arguments, so the writer's process and the in-line writer use the same table. Each
operation runs inside the writer's transaction and returns plain data.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msilod.silo.history import HistoryEntry
from msilod.store.engine.base import Operation
from msilod.store.engine.sqlite.devices import Devices
from msilod.store.engine.sqlite.foreign_changes import ForeignChanges
from msilod.store.engine.sqlite.history import History
from msilod.store.engine.sqlite.holdings import Holdings
from msilod.store.engine.sqlite.statements import Statements
from msilod.store.engine.sqlite.sweep import Sweep
from msilod.store.jobs import Foreign


def operations(
    owner: str,
    statements: Statements,
    devices: Devices,
    holdings: Holdings,
    history: History,
    foreign: ForeignChanges,
) -> dict[str, Operation]:
    """The table of the daemon `owner`, as its leases name it."""
    sweep = Sweep(statements, history, holdings, devices)
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
        "note": partial(_note, history),
        "renew": statements.renew,
        "free_lapsed": statements.free_lapsed,
        "keep_user_change": statements.keep_user_change,
        "keep_clock": statements.keep_clock,
        "bindings": partial(_bind, statements, devices),
        "refresh": statements.refresh,
        "clean": sweep.clean,
        "expire": sweep.expire,
        "due": sweep.due,
        "unseen": statements.unseen,
        "by_next_hop": statements.by_next_hop,
        "poll_foreign": partial(_poll_foreign, foreign),
    }


def _owned(operation: Callable[..., Any], owner: str, db: sqlite3.Connection, *arguments: Any) -> Any:
    return operation(db, owner, *arguments)


def _changed(
    operation: Callable[..., str], forget: Callable[[str], None], db: sqlite3.Connection, *arguments: Any
) -> None:
    """Execute a change of a row, then forget the counts of the row's recipient."""
    aor = operation(db, *arguments)
    if aor:
        forget(aor)


def _note(history: History, db: sqlite3.Connection, *entry: Any) -> None:
    history.note(db, (HistoryEntry(*entry),))


def _bind(
    statements: Statements,
    devices: Devices,
    db: sqlite3.Connection,
    saved: Sequence[Sequence[Any]],
    removed: Sequence[Sequence[Any]],
) -> None:
    statements.bindings(db, saved, removed)
    devices.learn(db, [*saved, *removed])


def _poll_foreign(foreign: ForeignChanges, _: sqlite3.Connection) -> Foreign:
    return foreign.take()

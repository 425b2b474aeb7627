"""The table of users: HA1 values, never a password, and the list of what has changed (schema 4 and 8).

The daemon reads through `UserReads`, all users at its start and then what is new; the command line writes through
`UserTable`, each change in one short transaction.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

from msilod.store.engine.sqlite.connection import open_sqlite, raw, translated
from msilod.store.engine.sqlite.unstoppable import immediate, unstoppable
from msilod.store.schema.migrate import prepare

PAGE: Final = 5000
# A daemon that has missed more of them reads all users again.
CHANGES_KEPT: Final = 10_000

_COLUMNS: Final = "aor, algorithm, realm, ha1, ha1_at_domain, ha1_at_realm"

Execute = Callable[[str, tuple[object, ...]], list[Any]]


@dataclass(frozen=True, slots=True)
class UserRow:
    """The HA1 values of one user for one algorithm.

    `ha1` is made of the user part, `ha1_at_domain` of `user@domain`, `ha1_at_realm` of `user@realm` where the realm is
    another than the domain. The latter two are b"" for users from before schema 8, until their next password.
    """

    aor: str
    algorithm: str
    realm: str
    ha1: bytes
    ha1_at_domain: bytes = b""
    ha1_at_realm: bytes = b""


class UserReads:
    """`execute` runs one SELECT, on whatever thread it is called from."""

    def __init__(self, execute: Execute, table: str) -> None:
        self._execute = execute
        self._table = table

    def last_change(self) -> int:
        """The number of the newest change; 0 when there has never been a user."""
        found = self._execute(f"SELECT coalesce(max(id), 0) FROM {self._table}_user_change", ())  # noqa: S608
        return int(found[0][0])

    def applied(self) -> int | None:
        """What `StoreWriter.keep_user_change` has kept; None when it has kept nothing yet."""
        found = self._execute(f"SELECT value FROM {self._table}_secret WHERE name = 'user-change'", ())  # noqa: S608
        return int(bytes(found[0][0])) if found else None

    def changed_since(self, change: int) -> list[tuple[int, str]] | None:
        """(number, AOR) of each change after `change`; None when they are no longer known."""
        if change <= 0:
            return None
        rows = self._execute(
            f"SELECT id, aor FROM {self._table}_user_change WHERE id >= ? ORDER BY id",  # noqa: S608
            (change,),
        )
        # The change itself is still there, or those that followed it have gone with it.
        return [(id, str(aor)) for id, aor in rows[1:]] if rows and rows[0][0] == change else None

    def of(self, aor: str) -> list[UserRow]:
        """The values of one user; empty for somebody who is none."""
        sql = f"SELECT {_COLUMNS} FROM {self._table}_user WHERE aor = ?"  # noqa: S608
        return [_row(row) for row in self._execute(sql, (aor,))]

    def all(self) -> Iterator[UserRow]:
        """Everybody, by address, in pages."""
        after = ("", "")
        while page := self._execute(
            f"SELECT {_COLUMNS} FROM {self._table}_user WHERE (aor, algorithm) > (?, ?) "  # noqa: S608
            "ORDER BY aor, algorithm LIMIT ?",
            (*after, PAGE),
        ):
            yield from map(_row, page)
            after = page[-1][:2]


class UserTable:
    """What `msilo user` works on. Raises UnavailableError when there is no silo, SchemaError, PermissionDenied."""

    def __init__(self, path: Path, table: str) -> None:
        self._path = path
        self._table = table
        self._database = open_sqlite(path)
        prepare(self._database, path, table, create=False)
        self._db: sqlite3.Connection = raw(self._database)
        self.reads = UserReads(self._select, table)

    def set(self, aor: str, rows: Sequence[UserRow]) -> None:
        """Add the user, or put these values in the place of those that the user has. Raises BusyError.

        Values that are the same as before are no change: the daemon would end the bindings of the user.
        """
        if sorted(map(astuple, self.reads.of(aor))) == sorted(map(astuple, rows)):
            return
        values = [
            (
                row.aor,
                row.algorithm,
                row.realm,
                row.ha1.hex(),
                row.ha1_at_domain.hex(),
                row.ha1_at_realm.hex(),
            )
            for row in rows
        ]
        self._change(aor, lambda: self._insert(values))

    def remove(self, aor: str) -> None:
        """Remove the user. Raises BusyError."""
        self._change(aor, lambda: None)

    def close(self) -> None:
        """Let go of the file."""
        with unstoppable():
            self._database.close()

    def _insert(self, values: Sequence[tuple[str, ...]]) -> None:
        sql = f"INSERT INTO {self._table}_user ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608
        self._db.executemany(sql, values)

    def _change(self, aor: str, insert: Callable[[], None]) -> None:
        db, changes = self._db, f"{self._table}_user_change"
        with translated(self._path), immediate(db):
            db.execute(f"DELETE FROM {self._table}_user WHERE aor = ?", (aor,))  # noqa: S608
            insert()
            made = db.execute(f"INSERT INTO {changes} (aor, at) VALUES (?, ?)", (aor, time.time()))  # noqa: S608
            db.execute(f"DELETE FROM {changes} WHERE id <= ?", ((made.lastrowid or 0) - CHANGES_KEPT,))  # noqa: S608

    def _select(self, sql: str, values: tuple[object, ...]) -> list[Any]:
        with translated(self._path):
            return self._db.execute(sql, values).fetchall()


def _row(row: Any) -> UserRow:
    aor, algorithm, realm, *values = row
    return UserRow(str(aor), str(algorithm), str(realm), *map(_unhexed, values))


def _unhexed(text: Any) -> bytes:
    try:
        return bytes.fromhex(text)
    except (TypeError, ValueError):
        # A wrong value that was written by hand lets no client in; other users are served.
        return b""

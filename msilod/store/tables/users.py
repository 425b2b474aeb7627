"""Users: the table of HA1 values (never a password), and the list of changed users.

The daemon reads with `UserReads`: all users at the start, later only changed users. The command line writes with
`UserTable`. Each change is one short transaction.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

import peewee
from peewee import fn

from msilod.store.columns import SecretColumns, UserChangeColumns, UserColumns, built, columns_of, table_of
from msilod.store.engine.sqlite.connection import open_sqlite, raw, translated
from msilod.store.engine.sqlite.unstoppable import immediate, unstoppable
from msilod.store.schema.migrate import prepare

PAGE: Final = 5000
# A daemon that has missed more changes reads all users again.
CHANGES_KEPT: Final = 10_000

# Executes one SELECT and returns its rows.
Execute = Callable[[str, tuple[Any, ...]], list[Any]]


@dataclass(frozen=True, slots=True)
class UserRow:
    """The HA1 values of one user for one algorithm (RFC 7616 §3.4.2).

    `ha1` is made of the user part, `ha1_at_domain` of `user@domain`, `ha1_at_realm` of `user@realm` where the realm is
    not the domain. `ha1_at_domain` and `ha1_at_realm` are b"" for users from before schema 8, until the next password
    is set.
    """

    aor: str
    algorithm: str
    realm: str
    ha1: bytes
    ha1_at_domain: bytes = b""
    ha1_at_realm: bytes = b""


class UserReads:
    """Reads of the users in the silo `table`, on the thread of the caller.

    `execute` runs each SELECT and raises MsilodError. The SQL is built for `database` (see `table_of`).
    """

    def __init__(self, execute: Execute, table: str, database: peewee.Database | None = None) -> None:
        self._execute = execute
        self._users = table_of(UserColumns, table, database)
        self._changes = table_of(UserChangeColumns, table, database)
        self._secrets = table_of(SecretColumns, table, database)

    def last_change(self) -> int:
        """The number of the newest change; 0 when there has never been a user."""
        ((last,),) = self._select(self._changes.select(fn.COALESCE(fn.MAX(self._changes.id), 0)))
        return int(last)

    def applied(self) -> int | None:
        """The number kept by `StoreWriter.keep_user_change`; None for no number."""
        secrets = self._secrets
        found = self._select(secrets.select(secrets.value).where(secrets.name == "user-change"))
        return int(bytes(found[0][0])) if found else None

    def changed_since(self, change: int) -> list[tuple[int, str]] | None:
        """(number, AOR) of each change after `change`; None when these changes are no longer kept."""
        if change <= 0:
            return None
        changes = self._changes
        rows = self._select(
            changes.select(changes.id, changes.aor).where(changes.id >= change).order_by(changes.id)
        )
        # Old changes are deleted in order. The row of `change` proves that no later row is missing.
        return [(id, str(aor)) for id, aor in rows[1:]] if rows and rows[0][0] == change else None

    def of(self, aor: str) -> list[UserRow]:
        """The values of one user; empty for an unknown user."""
        return [_row(row) for row in self._select(self._users.select().where(self._users.aor == aor))]

    def all(self) -> Iterator[UserRow]:
        """All users, ordered by AOR, read in pages of PAGE rows."""
        users, after = self._users, ("", "")
        while page := self._select(
            # Not `(aor, algorithm) > (?, ?)`: MariaDB reads the whole table for a comparison of rows.
            users.select()
            .where(users.aor >= after[0], (users.aor > after[0]) | (users.algorithm > after[1]))
            .order_by(users.aor, users.algorithm)
            .limit(PAGE)
        ):
            yield from map(_row, page)
            after = page[-1][:2]

    def _select(self, query: Any) -> list[Any]:
        return self._execute(*built(query))


class UserTable:
    """The users as `msilo user` reads and changes them.

    Raises UnavailableError when there is no silo, SchemaError, PermissionDenied.
    """

    def __init__(self, path: Path, table: str) -> None:
        self._path = path
        self._database = open_sqlite(path)
        prepare(self._database, path, table, create=False)
        self._db: sqlite3.Connection = raw(self._database)
        self._users = table_of(UserColumns, table, self._database)
        self._columns = [getattr(self._users, name) for name in columns_of(UserColumns)]
        self._changes = table_of(UserChangeColumns, table, self._database)
        self.reads = UserReads(self._select, table, self._database)

    def set(self, aor: str, rows: Sequence[UserRow]) -> None:
        """Add the user `aor`, or replace all values of the user. Raises BusyError.

        Equal values are not written: the daemon ends the bindings of a changed user.
        """
        if sorted(map(astuple, self.reads.of(aor))) != sorted(map(astuple, rows)):
            self._change(aor, rows)

    def remove(self, aor: str) -> None:
        """Remove the user. Raises BusyError."""
        self._change(aor, ())

    def close(self) -> None:
        """Close the file."""
        with unstoppable():
            self._database.close()

    def _change(self, aor: str, rows: Sequence[UserRow]) -> None:
        users, changes = self._users, self._changes
        with translated(self._path), immediate(self._db):
            self._execute(users.delete().where(users.aor == aor))
            if rows:
                self._execute(users.insert(list(map(_values, rows)), columns=self._columns))
            self._execute(changes.insert({changes.aor: aor, changes.at: time.time()}))
            self._execute(changes.delete().where(changes.id <= self.reads.last_change() - CHANGES_KEPT))

    def _execute(self, query: Any) -> None:
        self._db.execute(*built(query))

    def _select(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        with translated(self._path):
            return self._db.execute(sql, values).fetchall()


def _values(row: UserRow) -> tuple[str, ...]:
    """The values of a row in the order of the columns; HA1 values in hex."""
    return (
        row.aor,
        row.algorithm,
        row.realm,
        row.ha1.hex(),
        row.ha1_at_domain.hex(),
        row.ha1_at_realm.hex(),
    )


def _row(row: Any) -> UserRow:
    aor, algorithm, realm, *values = row
    return UserRow(str(aor), str(algorithm), str(realm), *map(_unhexed, values))


def _unhexed(text: Any) -> bytes:
    try:
        return bytes.fromhex(text)
    except (TypeError, ValueError):
        # A value written by hand that is not hex lets no client in. Other users are not affected.
        return b""

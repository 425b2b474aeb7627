"""Damage: the faults of a silo's file, and the number of messages that can still be read.

For the start of the daemon after a loss of files, and for `msilo db check`. Reads only.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from msilod.errors import MsilodError
from msilod.store.engine.sqlite.connection import open_reader

FAULTS: Final = 20
PAGE: Final = 500


def damage(path: Path, table: str) -> str:
    """One line with the result of `PRAGMA integrity_check` and the number of readable messages; "" for a sound file."""
    try:
        with closing(open_reader(path)) as db:
            found = faults(db)
            return f"{path} is damaged: {found[0]}{_more(found)}; {readable(db, table)}" if found else ""
    except (MsilodError, sqlite3.Error) as error:
        return f"{path} is damaged: {error}; no message can be read (restore a backup)"


def _more(found: list[str]) -> str:
    return f" and {len(found) - 1} more (msilo db check)" if len(found) > 1 else ""


def faults(db: sqlite3.Connection) -> list[str]:
    """The faults that SQLite finds, at most FAULTS lines; empty for a sound file."""
    try:
        # The first row may hold several lines.
        rows = [str(row[0]) for row in db.execute(f"PRAGMA integrity_check({FAULTS})")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    found = [line.strip() for row in rows for line in row.splitlines() if line.strip()]
    found = [line for line in found if line != "ok" and not line.startswith("*** in database")]
    return found[:FAULTS]


def readable(db: sqlite3.Connection, table: str) -> str:
    """The number of readable messages in order of their ids, as `msilo export` reads, and the next step."""
    count, last = 0, 0
    try:
        while True:
            rows = db.execute(
                f"SELECT id, headers, body FROM {table} NOT INDEXED WHERE id > ? ORDER BY id LIMIT {PAGE}",
                (last,),
            )
            before = count
            for id, _, _ in rows:
                count, last = count + 1, int(id)
            if count == before:
                break
    except sqlite3.DatabaseError:
        if not count:
            return "no message can be read (restore a backup)"
        return f"{count} messages, up to id {last}, can be read: save them with msilo export, then restore a backup"
    return (
        f"all {count} messages can be read: save them with msilo export, then restore a backup or start anew"
    )

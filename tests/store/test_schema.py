"""Schema: models and SQL have the same columns, released files do not change, other databases are refused."""

import hashlib
import sqlite3
from pathlib import Path

import pytest

from msilod.errors import BusyError, PermissionDenied, SchemaError, StoreError, UnavailableError
from msilod.store.columns import TABLES, columns_of
from msilod.store.engine.sqlite.connection import open_sqlite, translate
from msilod.store.engine.sqlite.lock import DaemonLock
from msilod.store.schema.migrate import migrations, prepare, statements
from tests.store.rows import open_silo, query

pytestmark = pytest.mark.sqlite

RELEASED: dict[str, str] = {}


def test_models_and_sql_have_the_same_columns(tmp_path: Path) -> None:
    open_silo(tmp_path).close()
    for ending, model in TABLES.items():
        found = [line[1] for line in query(tmp_path, f"PRAGMA table_info(silo{ending})")]
        assert found == columns_of(model)


def test_numbers_are_in_a_row_and_released_files_do_not_change() -> None:
    found = migrations()
    assert [number for number, _, _ in found] == list(range(1, len(found) + 1))
    for _, name, sql in found:
        assert (
            RELEASED.get(name, hashlib.sha256(sql.encode()).hexdigest())
            == hashlib.sha256(sql.encode()).hexdigest()
        )


def test_the_tables_are_named_after_db_table() -> None:
    made = " ".join(statements(migrations()[0][2], "mail"))
    assert "CREATE TABLE mail (" in made
    assert "mail_location" in made
    assert "silo" not in made
    assert "--" not in made


def test_a_newer_an_older_and_a_foreign_database_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "silo.db"
    open_silo(tmp_path).close()
    for version, word in ((99, "newer"), (1, "msilo db upgrade")):
        with sqlite3.connect(path) as other:
            other.execute("DELETE FROM silo_schema_version")
            other.execute("INSERT INTO silo_schema_version VALUES (?, 'x', 'x', 0)", (version,))
        other.close()
        database = open_sqlite(path)
        with pytest.raises(SchemaError, match=word):
            prepare(database, path, "silo", create=True)
        database.close()


def test_the_command_line_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="msilod start creates it"):
        open_sqlite(tmp_path / "silo.db")
    assert not (tmp_path / "silo.db").exists()
    with pytest.raises(UnavailableError, match="directory"):
        open_sqlite(tmp_path)


def test_modes(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    open_sqlite(folder / "silo.db", create=True).close()
    assert folder.stat().st_mode & 0o7777 == 0o2770
    assert (folder / "silo.db").stat().st_mode & 0o777 == 0o660


def test_one_daemon_per_file(tmp_path: Path) -> None:
    first = DaemonLock(tmp_path / "silo.db")
    with pytest.raises(UnavailableError, match=r"pid \d+"):
        DaemonLock(tmp_path / "silo.db")
    first.release()
    DaemonLock(tmp_path / "silo.db").release()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("database is locked", BusyError),
        ("file is not a database", UnavailableError),
        ("database disk image is malformed", UnavailableError),
        ("attempt to write a readonly database", PermissionDenied),
        ("unable to open database file", UnavailableError),
        ("database or disk is full", StoreError),
        ("something else", StoreError),
    ],
)
def test_one_border_for_foreign_errors(text: str, kind: type[Exception]) -> None:
    made = translate(sqlite3.OperationalError(text), "x.db")
    assert type(made) is kind
    assert "x.db" in str(made)
    assert "\n" not in str(made)


def test_every_file_has_a_number_of_its_own_and_none_is_missing() -> None:
    assert [number for number, _, _ in migrations()] == list(range(1, len(migrations()) + 1))

"""The file as a whole: upgrade from older schemas, check, backup."""

import hashlib
import sqlite3
from pathlib import Path

import pytest

from msilod.errors import BusyError, SchemaError, StoreError, UnavailableError
from msilod.store.engine.sqlite.lock import DaemonLock
from msilod.store.engine.sqlite.statements import total
from msilod.store.schema.maintenance import Maintenance
from msilod.store.schema.migrate import migrations, statements
from tests.store.rows import add, open_silo, query, row

pytestmark = pytest.mark.sqlite


def make_first_version(folder: Path, table: str = "silo") -> None:
    """A silo of schema 1 with two messages."""
    make_version(folder, 1, table)


def make_version(folder: Path, version: int, table: str = "silo") -> None:
    """A silo of an older schema with two messages."""
    with sqlite3.connect(folder / "silo.db") as db:
        for number, name, sql in migrations()[:version]:
            digest = hashlib.sha256(sql.encode()).hexdigest()
            for statement in statements(sql, table):
                db.execute(statement)
            db.execute(f"INSERT INTO {table}_schema_version VALUES (?, ?, ?, 0)", (number, name, digest))
        for size in (3, 5):
            db.execute(
                f"INSERT INTO {table} (aor, sender, received_at, expires_at, request_uri, from_header, to_header, "
                "call_id, cseq, content_type, headers, size, hash, body) "
                "VALUES ('bob@example.test', 'a', 1, 2, x'', x'', x'', x'', 1, x'', x'', ?, randomblob(16), ?)",
                (size, b"x" * size),
            )
    db.close()


def schema_of(folder: Path) -> set[tuple[str, str]]:
    return {(kind, name) for kind, name in query(folder, "SELECT type, name FROM sqlite_master")}


def test_an_older_schema_is_upgraded_in_one_go(tmp_path: Path) -> None:
    make_first_version(tmp_path)
    maintenance = Maintenance(tmp_path / "silo.db", "silo")
    assert (maintenance.condition().schema, maintenance.condition().wanted) == (1, len(migrations()))
    assert maintenance.upgrade()[0] == "0002_states"
    assert maintenance.upgrade() == []
    assert query(tmp_path, "SELECT messages, bytes FROM silo_total") == [(2, 8)]
    fresh = tmp_path / "fresh"
    Maintenance(fresh / "silo.db", "silo").upgrade()
    assert schema_of(tmp_path) == schema_of(fresh)
    open_silo(tmp_path).close()


def test_an_upgrade_that_fails_leaves_the_old_schema(tmp_path: Path) -> None:
    make_first_version(tmp_path)
    with sqlite3.connect(tmp_path / "silo.db") as db:
        db.execute("CREATE TABLE silo_total (mine)")
    db.close()
    before = schema_of(tmp_path)
    with pytest.raises(StoreError, match="silo_total"):
        Maintenance(tmp_path / "silo.db", "silo").upgrade()
    assert schema_of(tmp_path) == before
    assert query(tmp_path, "SELECT max(version) FROM silo_schema_version") == [(1,)]


def test_no_upgrade_while_a_daemon_has_the_silo(tmp_path: Path) -> None:
    make_first_version(tmp_path)
    lock = DaemonLock(tmp_path / "silo.db")
    with pytest.raises(BusyError, match=r"pid \d+"):
        Maintenance(tmp_path / "silo.db", "silo").upgrade()
    lock.release()


def test_a_newer_and_a_foreign_database_are_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "silo.db") as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    maintenance = Maintenance(tmp_path / "silo.db", "silo")
    for call in (maintenance.upgrade, maintenance.check, maintenance.condition):
        with pytest.raises(SchemaError):
            call()
    assert schema_of(tmp_path) == {("table", "theirs")}
    with pytest.raises(UnavailableError):
        Maintenance(tmp_path / "none.db", "silo").check()


def test_totals_follow_every_writer(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    add(silo, *(row(n, body=b"x" * n) for n in range(1, 101)))
    silo.writer.end(100, row(100).hash, "bob@example.test", "delivered", 200, 0.0, None)
    silo.close()
    with sqlite3.connect(tmp_path / "silo.db") as db:
        db.execute("DELETE FROM silo WHERE id <= 10")
    db.close()
    assert query(tmp_path, total("silo")) == [(89, 5050 - 100 - 55)]
    assert Maintenance(tmp_path / "silo.db", "silo").check() == []


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        ("UPDATE silo_total SET messages = 7", "totals"),
        ("UPDATE silo SET size = 1 WHERE id = 1", "sizes"),
        ("UPDATE silo SET state = 'odd' WHERE id = 1", "states"),
        ("UPDATE silo SET state = 'scheduled' WHERE id = 1", "due"),
        ("UPDATE silo SET hash = x'00'", "twice"),
        ("UPDATE silo_schema_version SET sha256 = 'x' WHERE version = 1", "0001_silo"),
    ],
)
def test_check_finds(tmp_path: Path, damage: str, word: str) -> None:
    silo = open_silo(tmp_path)
    add(silo, row(1), row(2))
    silo.close()
    with sqlite3.connect(tmp_path / "silo.db") as db:
        db.execute(damage)
    db.close()
    found = Maintenance(tmp_path / "silo.db", "silo").check()
    assert any(word in line for line in found), found


def test_check_finds_a_damaged_index(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    add(silo, row(1), row(2))
    silo.close()
    db = sqlite3.connect(tmp_path / "silo.db")
    db.execute("PRAGMA writable_schema = 1")
    db.execute(
        "UPDATE sqlite_master SET sql = replace(sql, '(expires_at)', '(received_at)') WHERE name = 'silo_by_expiry'"
    )
    db.commit()
    db.close()
    assert any("SQLite" in line for line in Maintenance(tmp_path / "silo.db", "silo").check())


def test_a_backup_is_a_silo_and_takes_no_name_twice(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    add(silo, row(1), row(2))
    target = tmp_path / "copy" / "silo.db"
    target.parent.mkdir()
    maintenance = Maintenance(tmp_path / "silo.db", "silo")
    assert maintenance.backup(target) == target.stat().st_size
    add(silo, row(3))
    silo.close()
    with pytest.raises(StoreError, match="exists"):
        maintenance.backup(target)
    assert [path.name for path in target.parent.iterdir()] == ["silo.db"]
    assert Maintenance(target, "silo").check() == []
    again = open_silo(target.parent)
    assert again.counts() == {"waiting": 2}
    again.close()

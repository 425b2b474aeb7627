"""Reliability 18: the write-ahead log is cut under the running daemon.

No further 202, one line, no checkpoint into the database file. A start with a damaged file prints the results of
`msilo db check` and the number of readable messages.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from msilod.errors import SiloLost, UnavailableError
from msilod.sip.message import Response
from msilod.store.engine.choice import sqlite_url
from msilod.store.engine.sqlite.connection import open_sqlite, raw
from msilod.store.engine.sqlite.damage import damage
from msilod.store.engine.sqlite.watch import FileWatch
from msilod.store.limits import Limits
from msilod.store.schema.maintenance import Maintenance
from msilod.store.silo import Silo
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import PATIENCE, Phone
from tests.store.rows import add, open_silo, query, row

Watched = tuple[Path, sqlite3.Connection, FileWatch]


@pytest.fixture
def silo(tmp_path: Path) -> Iterator[Watched]:
    path = tmp_path / "silo.db"
    Maintenance(path, "silo").upgrade()
    database = open_sqlite(path)
    db = raw(database)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    yield path, db, FileWatch(path)
    database.close()


def _write(db: sqlite3.Connection, *names: str) -> None:
    for name in names:
        db.execute("INSERT OR REPLACE INTO silo_secret VALUES (?, randomblob(3000))", (name,))


def _cut(path: Path, part: float) -> None:
    log = path.with_name(path.name + "-wal")
    os.truncate(log, int(log.stat().st_size * part))


@pytest.mark.parametrize("part", [0.0, 0.5, 0.999])
def test_a_cut_is_seen_before_the_next_transaction_and_after_it(silo: Watched, part: float) -> None:
    path, db, watch = silo
    _write(db, *"abcdefgh")
    watch.check()
    _cut(path, part)
    with pytest.raises(SiloLost, match="cut"):
        watch.check()


@pytest.mark.parametrize("part", [0.0, 0.5])
def test_a_cut_log_that_was_written_on_is_seen_by_its_hole(silo: Watched, part: float) -> None:
    path, db, watch = silo
    _write(db, *"abcdefgh")
    watch.check()
    _cut(path, part)
    _write(db, "i")
    with pytest.raises(SiloLost, match="cut"):
        watch.check()


def test_the_file_is_not_touched_and_what_the_log_still_has_is_read(silo: Watched) -> None:
    path, db, watch = silo
    _write(db, *"abcdefgh")
    watch.check()
    before = path.read_bytes()
    _cut(path, 0.5)
    with pytest.raises(SiloLost):
        watch.check()
    assert watch.save(db) == ""
    assert path.read_bytes() == before, "no checkpoint"
    assert path.with_name("silo.db-wal").exists()


def test_a_log_that_ends_before_the_last_checkpoint_is_put_aside(silo: Watched) -> None:
    """The frames are older than the file: a replay would mix two states."""
    path, db, watch = silo
    _write(db, *"abcd")
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        # A reader keeps the log from starting again, so later frames follow the copied ones.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM silo_secret").fetchone()
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        _write(db, *"efgh")
        watch.check()
        _cut(path, 0.2)
        with pytest.raises(SiloLost):
            watch.check()
        assert "silo.db-wal.lost" in watch.save(db)


def test_a_daemon_gives_no_202_and_the_next_start_reads_a_sound_file(daemon: Daemon) -> None:
    process = daemon.process
    assert process is not None
    with Phone("alice", daemon.address) as alice:
        for number in range(5):
            assert alice.text("bob", f"message {number}").status == 202
        _cut(daemon.silo, 0.7)
        alice.send(alice.message("bob", b"late"))
        assert process.wait(PATIENCE) == 69
        with suppress(TimeoutError):
            answer = alice.receive(0.2)
            assert isinstance(answer, Response)
            assert answer.status == 503
    log = (daemon.folder / "log").read_text()
    assert [line for line in log.splitlines() if line.startswith("msilod:")] == [
        f"msilod: {daemon.silo}-wal has been cut: committed messages are missing from it"
    ]
    assert "has been cut" in daemon.msilo("status").stderr
    daemon.stop()
    daemon.start()
    assert Maintenance(daemon.silo, "silo").check() == []
    bodies = [body.decode() for (body,) in query(daemon.folder, "SELECT CAST(body AS BLOB) FROM silo")]
    assert bodies == [f"message {number}" for number in range(len(bodies))], "the first ones, in order"


def test_term_right_after_a_cut_copies_no_hole(daemon: Daemon) -> None:
    with Phone("alice", daemon.address) as alice:
        for number in range(5):
            assert alice.text("bob", f"message {number}").status == 202
    _cut(daemon.silo, 0.5)
    daemon.stop()
    with closing(sqlite3.connect(daemon.silo)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _damage(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * page)
        file.write(b"\xff" * 4096)


def _page_of_rows(path: Path, id: int) -> int:
    """The leaf page with row `id` of the table of messages."""
    content = path.read_bytes()
    at = content.index(b"the body of %d." % id)
    return at // 4096


def test_a_start_with_a_damaged_file_says_what_is_found_and_what_can_be_read(tmp_path: Path) -> None:
    silo = open_silo(tmp_path)
    add(silo, *(row(n, body=(b"the body of %d." % n).ljust(2000, b"x")) for n in range(1, 61)))
    silo.close()
    path = tmp_path / "silo.db"
    _damage(path, _page_of_rows(path, 40))
    said = damage(path, "silo")
    assert "is damaged" in said
    count = int(said.split("; ")[-1].split()[0])
    assert 30 <= count < 40
    assert "msilo export" in said
    found = Maintenance(path, "silo").check()
    assert any(line.startswith("SQLite: ") for line in found)
    assert any(f"{count} messages" in line for line in found)
    (tmp_path / "silo.db.lock").write_text("1\nthe log has been cut\ncheck\n")
    for _ in range(2):
        with pytest.raises(UnavailableError, match=f"is damaged: .*{count} messages"):
            Silo(sqlite_url(path), "silo", Limits())


def test_a_start_after_a_loss_with_a_sound_file_goes_on(tmp_path: Path) -> None:
    open_silo(tmp_path).close()
    (tmp_path / "silo.db.lock").write_text("1\nthe log has been cut\ncheck\n")
    open_silo(tmp_path).close()
    assert "check" not in (tmp_path / "silo.db.lock").read_text()


def test_a_start_with_a_file_whose_schema_is_damaged_is_one_line(tmp_path: Path) -> None:
    open_silo(tmp_path).close()
    path = tmp_path / "silo.db"
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 300)
    with pytest.raises(UnavailableError, match=r"is damaged: .*restore a backup") as caught:
        Silo(sqlite_url(path), "silo", Limits())
    assert "\n" not in str(caught.value)

"""Operator 5: a backup is private from the first byte, replaces no file, and a failed backup leaves no file."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from msilod.errors import StoreError, UnavailableError
from msilod.store.schema import maintenance as module
from msilod.store.schema.maintenance import Maintenance
from tests.store.rows import add, open_silo, row


@pytest.fixture
def silo(tmp_path: Path) -> Maintenance:
    folder = tmp_path / "state"
    folder.mkdir()
    opened = open_silo(folder)
    add(opened, row(1))
    opened.close()
    return Maintenance(folder / "silo.db", "silo")


def test_the_copy_is_private_while_it_grows(
    silo: Maintenance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    finish = module._finish

    def look(part: Path, path: Path) -> int:
        modes.append(stat.S_IMODE(part.stat().st_mode))
        assert part.parent == tmp_path
        return finish(part, path)

    monkeypatch.setattr(module, "_finish", look)
    umask = os.umask(0)
    try:
        silo.backup(tmp_path / "copy.db")
    finally:
        os.umask(umask)
    assert modes == [0o600]
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o660
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "state"]
    with sqlite3.connect(tmp_path / "copy.db") as db:
        assert db.execute("SELECT count(*) FROM silo").fetchone() == (1,)
    db.close()


def test_a_failure_leaves_nothing(silo: Maintenance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(part: Path, path: Path) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_finish", fail)
    with pytest.raises(UnavailableError, match="No space"):
        silo.backup(tmp_path / "copy.db")
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_ctrl_c_stops_the_copy_and_leaves_nothing(
    silo: Maintenance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        def set_progress_handler(self, *_: object) -> None:
            """As sqlite3 does when Ctrl-C is raised in a progress handler."""

        def execute(self, sql: str, *_: object) -> None:
            if sql.startswith("VACUUM"):
                raise sqlite3.OperationalError("interrupted")

    monkeypatch.setattr(module, "raw", lambda database: Interrupted())
    monkeypatch.setattr(Maintenance, "_version", lambda *_: 1)
    with pytest.raises(KeyboardInterrupt):
        silo.backup(tmp_path / "copy.db")
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_nothing_is_replaced(silo: Maintenance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "copy.db.part").symlink_to(precious)
    (tmp_path / "link").symlink_to("not-yet")
    os.mkfifo(tmp_path / "fifo")
    for name in ("precious", "link", "fifo"):
        with pytest.raises(StoreError, match="exists already"):
            silo.backup(tmp_path / name)
    silo.backup(tmp_path / "copy.db")
    assert precious.read_text() == "precious"
    assert (tmp_path / "link").is_symlink()
    finish = module._finish

    def take_the_name(part: Path, path: Path) -> int:
        (tmp_path / "late").write_text("late")
        return finish(part, path)

    monkeypatch.setattr(module, "_finish", take_the_name)
    with pytest.raises(StoreError, match="exists already"):
        silo.backup(tmp_path / "late")
    assert (tmp_path / "late").read_text() == "late"
    assert not list(tmp_path.glob(".msilo-*"))

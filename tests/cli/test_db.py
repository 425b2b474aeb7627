"""msilo db, with and without a daemon."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.conftest import Daemon, daemon, start_daemon
from tests.store.test_maintenance import make_first_version

__all__ = ["daemon", "start_daemon"]


def test_status_check_and_backup_beside_a_daemon(daemon: Daemon, tmp_path: Path) -> None:
    assert daemon.msilo("inject", "bob@example.test", "hello").returncode == 0
    told = json.loads(daemon.msilo("db", "status", "--json").stdout)
    assert told["schema"] == told["wanted"]
    assert (told["messages"], told["bytes"], told["path"]) == (1, 5, str(daemon.silo))
    assert "messages  1, 5 B" in daemon.msilo("db", "status").stdout
    done = daemon.msilo("db", "check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "ok\n")
    copy = tmp_path / "copy.db"
    assert daemon.msilo("-q", "db", "backup", str(copy)).returncode == 0
    again = daemon.msilo("db", "backup", str(copy))
    assert (again.returncode, again.stdout) == (1, "")
    assert "exists" in again.stderr
    listed = daemon.msilo("--db-url", f"sqlite:///{copy}", "list", "--ids")
    assert listed.stdout == "1\n", listed.stderr


def test_an_older_silo_is_refused_by_everybody_and_upgraded_by_one_command(
    tmp_path: Path, start_daemon: Callable[..., Daemon]
) -> None:
    make_first_version(tmp_path)
    one = Daemon(tmp_path)
    for arguments in (["list"], ["db", "check"]):
        done = one.msilo(*arguments)
        assert done.returncode == 78
        assert "msilo db upgrade" in done.stderr
    with pytest.raises(AssertionError, match="msilo db upgrade"):
        start_daemon()
    assert "schema    1, this msilo wants" in one.msilo("db", "status").stdout
    done = one.msilo("db", "upgrade")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0002_states\n")
    assert one.msilo("db", "check").returncode == 0
    assert start_daemon().msilo("list", "--ids").stdout == "1\n2\n"


def test_no_upgrade_under_a_running_daemon(daemon: Daemon) -> None:
    done = daemon.msilo("db", "upgrade")
    assert done.returncode == 75
    assert "pid" in done.stderr


def test_upgrade_makes_a_silo_and_the_others_do_not(tmp_path: Path) -> None:
    one = Daemon(tmp_path)
    for arguments in (["status"], ["check"], ["backup", "x"]):
        done = one.msilo("db", *arguments)
        assert done.returncode == 69
        assert not one.silo.exists()
    assert one.msilo("db", "upgrade").returncode == 0
    assert one.msilo("list").returncode == 0


def test_a_damaged_silo_is_1_with_a_line_for_each_fault(daemon: Daemon) -> None:
    daemon.msilo("inject", "bob@example.test", "hello")
    daemon.stop()
    with sqlite3.connect(daemon.silo) as db:
        db.execute("UPDATE silo_total SET bytes = 99")
    db.close()
    done = daemon.msilo("db", "check")
    assert done.returncode == 1
    assert "totals" in done.stdout
    assert "damaged" in done.stderr

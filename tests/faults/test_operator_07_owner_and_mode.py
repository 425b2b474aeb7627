"""Operator 7: commands run by root or by a member of the group leave files usable by the service."""

import os
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from msilod import ownership
from msilod.store.engine.sqlite.lock import DaemonLock
from tests.faults.other_user import python_for
from tests.scenarios.conftest import Daemon

UID, GID = 64_321, 64_322
by_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder open to other users; pytest's own folders are for one user only."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def of_the_service(folder: Path) -> Path:
    """A directory as made by systemd's StateDirectory=."""
    state = folder / "state"
    state.mkdir()
    os.chown(state, UID, GID)
    state.chmod(0o2770)
    return state


def found(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def daemon_in(state: Path) -> Daemon:
    one = Daemon(state)
    one.config.chmod(0o644)
    return one


@by_root
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_roots_commands_leave_the_silo_to_the_service(folder: Path, umask: int) -> None:
    state = of_the_service(folder)
    one = daemon_in(state)
    former = os.umask(umask)
    try:
        assert one.msilo("db", "upgrade").returncode == 0
        assert one.msilo("user", "add", "alice@example.test", stdin="secret\n").returncode == 0
        assert one.msilod("check").returncode == 0
        one.start()
        while_it_runs = {path.name: found(path) for path in state.iterdir()}
        assert one.stop() == 0
    finally:
        os.umask(former)
    for name in ("silo.db", "silo.db-wal", "silo.db-shm", "silo.db.lock", "control.sock"):
        assert while_it_runs[name] == (UID, GID, 0o660), name
    assert found(state) == (UID, GID, 0o2770)
    for path in state.glob("silo.db*"):
        assert found(path) == (UID, GID, 0o660), path


@by_root
def test_what_an_earlier_version_left_is_repaired(folder: Path) -> None:
    state = of_the_service(folder)
    one = daemon_in(state)
    assert one.msilo("db", "upgrade").returncode == 0
    lock = state / "silo.db.lock"
    for path in (lock, state / "silo.db"):
        os.chown(path, 0, 0)
        path.chmod(0o640)
    assert one.msilo("list").returncode == 0
    assert found(lock) == found(state / "silo.db") == (UID, GID, 0o660)


@by_root
def test_a_directory_that_root_makes_is_the_services(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "_account", lambda: (UID, GID))
    made = folder / "made"
    made.mkdir()
    ownership.adopt_directory(made)
    assert found(made) == (UID, GID, 0o2770)
    os.chown(made, 0, 0)
    made.chmod(0o2770)
    ownership.repair_directory(made)
    assert found(made) == (UID, GID, 0o2770)
    runtime = folder / "run"
    runtime.mkdir(0o755)
    ownership.adopt_runtime_directory(runtime)
    assert found(runtime)[:2] == (UID, GID)
    # A directory of another user stays unchanged; a file in the directory gets the group of the service.
    other = folder / "other"
    other.mkdir(0o755)
    other.chmod(0o755)
    ownership.repair_directory(other)
    assert found(other) == (0, 0, 0o755)
    DaemonLock(other / "silo.db").release()
    assert found(other / "silo.db.lock") == (0, GID, 0o660)


@by_root
def test_no_link_is_followed(folder: Path) -> None:
    state = of_the_service(folder)
    precious = folder / "precious"
    precious.write_text("precious")
    precious.chmod(0o600)
    (state / "silo.db.lock").symlink_to(precious)
    os.link(precious, state / "silo.db-shm")
    for name in ("silo.db.lock", "silo.db-shm"):
        ownership.adopt_existing(state / name, state)
    assert found(precious) == (0, 0, 0o600)


@by_root
def test_the_service_starts_after_root_has(folder: Path) -> None:
    state = of_the_service(folder)
    one = daemon_in(state)
    one.start()
    assert one.stop(signal.SIGKILL) == -signal.SIGKILL
    with python_for(UID, GID) as (python, environment):
        process = subprocess.Popen(
            [python, "-m", "msilod", "start", "--domain", "example.test", "--listen", "udp:127.0.0.1:0"],
            env=one.environment | environment, user=UID, group=GID, extra_groups=[], cwd="/",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        ready = process.stdout.readline()
        process.terminate()
        errors = process.communicate(timeout=30)[1]
    assert "ready" in ready, errors
    assert process.returncode == 0, errors


def test_a_narrow_umask_changes_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    one = Daemon(state)
    (tmp_path / "new").mkdir()
    one.environment["STATE_DIRECTORY"] = str(tmp_path / "new" / "state")
    former = os.umask(0o077)
    try:
        assert one.msilo("db", "upgrade").returncode == 0
    finally:
        os.umask(former)
    new = tmp_path / "new" / "state"
    assert stat.S_IMODE(new.stat().st_mode) == 0o2770
    for name in ("silo.db", "silo.db.lock"):
        assert stat.S_IMODE((new / name).stat().st_mode) == 0o660

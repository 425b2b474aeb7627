"""Reliability 2: the daemon recovers from a disk filled by the write-ahead log or by another program.

On a small disk the log is copied and cut in time. On a full disk deliveries, ends, registrations, purge and a start
work; new messages get 503, and 202 again when there is room.
"""

from collections.abc import Callable
from pathlib import Path

from msilod.store.engine.sqlite.reserve import reserve_path
from tests.faults.conftest import FaultyDaemon
from tests.faults.disk import FaultyDisk
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

MB = 1 << 20
CONFIG = "[silo]\nmin_free_bytes = 4_000_000\n"


def _used(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("silo.db*"))


def _until(phone: Phone, condition: Callable[[], bool]) -> None:
    """Wait for a condition: the daemon looks at the disk once a second."""
    for _ in range(300):
        if condition():
            return
        assert phone.is_silent(0.1)
    raise AssertionError("it has not come to pass")


def _is_stored(phone: Phone) -> bool:
    return phone.text("carol", "again").status == 202


def test_a_small_disk_is_filled_emptied_and_filled_again(on_disk: FaultyDaemon, disk: FaultyDisk) -> None:
    disk.set("size", 16 * MB)
    daemon = on_disk(CONFIG)
    for _ in range(2):
        with Phone("alice", daemon.address) as alice:
            statuses = [alice.text(f"user{n}", "x" * 30_000).status for n in range(600)]
            assert set(statuses) == {202, 503}
            assert statuses.count(202) > 150, "most of the disk holds messages, not the log"
            assert daemon.msilo("purge", "--all", "--yes").returncode == 0
            _until(alice, lambda: _is_stored(alice))
    daemon.stop()
    daemon.start()


def test_on_a_full_disk_all_but_new_messages_works(on_disk: FaultyDaemon, disk: FaultyDisk) -> None:
    disk.set("size", 64 * MB)
    daemon = on_disk(CONFIG)
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        for number in range(20):
            assert alice.text("bob", f"message {number}").status == 202
            assert alice.text("carol", "x" * 2000).status == 202
        _until(alice, lambda: reserve_path(daemon.silo).exists())
        assert reserve_path(daemon.silo).stat().st_size == 2_000_000
        disk.set("size", _used(daemon.folder))
        _until(alice, lambda: alice.text("carol", "too many").status == 503)
        assert bob.register().status == 200
        for number in range(20):
            message = bob.request()
            assert message.body == b"message %d" % number
            bob.answer(message)
        assert daemon.msilo("purge", "carol@example.test", "--yes").returncode == 0
        _until(alice, lambda: not daemon.rows())
        disk.set("size", 64 * MB)
        _until(alice, lambda: _is_stored(alice))
        _until(alice, lambda: reserve_path(daemon.silo).exists())


def test_a_start_on_a_full_disk(on_disk: FaultyDaemon, disk: FaultyDisk) -> None:
    disk.set("size", 64 * MB)
    daemon = on_disk(CONFIG)
    with Phone("alice", daemon.address) as alice, Phone("bob", daemon.address) as bob:
        assert alice.text("bob", "waits").status == 202
        _until(alice, lambda: reserve_path(daemon.silo).exists())
        daemon.kill()
        disk.set("size", _used(daemon.folder))
        daemon.start()
        assert bob.register().status == 200
        message = bob.request()
        assert message.body == b"waits"
        bob.answer(message)
        _until(alice, lambda: not daemon.rows())
    assert daemon.stop() == 0


def test_an_idle_daemon_leaves_no_long_log(on_disk: FaultyDaemon, disk: FaultyDisk) -> None:
    daemon: Daemon = on_disk()
    log = daemon.silo.with_name("silo.db-wal")
    with Phone("alice", daemon.address) as alice:
        for number in range(40):
            assert alice.text(f"user{number}", "x" * 30_000).status == 202
        assert log.stat().st_size > MB
        _until(alice, lambda: log.stat().st_size < MB)

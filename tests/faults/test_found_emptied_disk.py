"""A disk that messages have filled stays full after a purge: the silo's file does not shrink.

The free pages in the file have room for new rows. The log needs free bytes on the disk, and only the reserve has them.
"""

import pytest

from tests.faults.conftest import FaultyDaemon
from tests.faults.disk import FaultyDisk
from tests.faults.test_reliability_02_full_disk import _is_stored, _until
from tests.scenarios.phone import Phone

MB = 1 << 20


@pytest.mark.parametrize("size", [8_000, 1_000])
def test_new_messages_are_taken_after_a_purge(on_disk: FaultyDaemon, disk: FaultyDisk, size: int) -> None:
    """With the default min_free_bytes of 10 MB. The disk may be of any size."""
    disk.set("size", 20 * MB)
    daemon = on_disk("")
    with Phone("alice", daemon.address) as alice:
        for _ in range(2):
            stored = number = 0
            while alice.text(f"user{number // 100}", f"{number}".ljust(size)).status == 202:
                stored, number = stored + 1, number + 1
            assert stored * size > 3_000_000
            _until(alice, lambda: not _is_stored(alice))
            assert daemon.msilo("purge", "--all", "--yes").returncode == 0
            _until(alice, lambda: _is_stored(alice))
    log = (daemon.folder / "log").read_text()
    assert "disk" in log
    assert len(log.splitlines()) < 20
    assert not daemon.stop()
    daemon.start()

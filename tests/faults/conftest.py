"""Fixtures for faults: a daemon on a disk that fails on request."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.disk import FaultyDisk, disk, disk_library
from tests.scenarios.conftest import Daemon, daemon, start_daemon

__all__ = ["daemon", "disk", "disk_library", "start_daemon"]

FaultyDaemon = Callable[..., Daemon]


@pytest.fixture
def on_disk(tmp_path: Path, disk: FaultyDisk) -> Iterator[FaultyDaemon]:
    """Starts daemons with the silo on `disk`, and stops running daemons at the end of the test."""
    made: list[Daemon] = []

    def start(config: str = "") -> Daemon:
        made.append(Daemon(tmp_path, config))
        made[-1].environment |= disk.environment
        return made[-1].start()

    yield start
    for one in made:
        if one.process is not None:
            one.end()

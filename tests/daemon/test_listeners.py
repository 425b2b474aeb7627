"""Limits of the listeners by configuration and process: files, connections, times."""

import resource
from collections.abc import Iterator

import pytest

from msilod.config import Config, ListenConfig
from msilod.daemon.listeners import raise_file_limit, stream_limits
from msilod.transport.streams import RESERVED_FILES


@pytest.fixture
def file_limits() -> Iterator[tuple[int, int]]:
    """Soft and hard limit; put back afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_file_limit_is_raised_to_what_the_administrator_allows(file_limits: tuple[int, int]) -> None:
    _, hard = file_limits
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, hard))
    raise_file_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    raise_file_limit()


def test_connections_never_take_the_files_that_the_silo_needs(file_limits: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, file_limits[1]))
    assert stream_limits(Config()).connections == 1000 - RESERVED_FILES
    few = Config(listen=ListenConfig(max_connections=10, max_per_address=3, idle_timeout=64))
    limits = stream_limits(few)
    assert (limits.connections, limits.per_address, limits.idle) == (10, 3, 64)

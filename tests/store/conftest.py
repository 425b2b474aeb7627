"""The fixture `database`: a test with this fixture runs once for each engine.

A test about one engine has a marker with the name of the engine, as `pytest.mark.sqlite`, and runs for no other.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from msilod.store.silo import Silo
from msilod.store.tables.queue import Queue
from tests.store.databases import ENGINES, Database


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each engine, or for the engines named by markers."""
    if "engine_name" in metafunc.fixturenames:
        named = [name for name in ENGINES if metafunc.definition.get_closest_marker(name)]
        metafunc.parametrize("engine_name", named or list(ENGINES))


@pytest.fixture
def database(engine_name: str, tmp_path: Path) -> Database:
    """An empty database of the engine under test."""
    return ENGINES[engine_name](tmp_path)


@pytest.fixture
def silo(database: Database) -> Iterator[Silo]:
    """A silo with the in-line writer."""
    opened = database.open()
    yield opened
    opened.close()


@pytest.fixture
def queue(silo: Silo, database: Database) -> Iterator[Queue]:
    """The same silo as the command line opens it."""
    opened = database.queue()
    yield opened
    opened.close()

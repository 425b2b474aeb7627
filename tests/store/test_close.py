"""The end of the daemon's hold."""

import threading
import time
from pathlib import Path

import pytest

from msilod.errors import StoreError
from tests.store.rows import open_silo

LONG = (
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100000000) SELECT count(*) FROM c"
)


@pytest.mark.sqlite
def test_a_close_does_not_wait_for_a_long_read(tmp_path: Path) -> None:
    """A figure for a scrape, abandoned in its thread, held the end of the daemon."""
    silo = open_silo(tmp_path)
    failed: list[StoreError] = []

    def read() -> None:
        try:
            silo.reads.read(LONG)
        except StoreError as error:
            failed.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    silo.close()
    took = time.monotonic() - began
    thread.join()
    assert took < 2.0
    assert failed

"""A second open of the silo keeps the locks of the process (fcntl(2), POSIX locks)."""

import subprocess
import sys
from pathlib import Path

import pytest

from msilod.store.engine.sqlite.connection import open_sqlite, raw

pytestmark = pytest.mark.sqlite

OTHER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("INSERT INTO t VALUES (2)")
db.close()
"""


def test_a_second_connection_leaves_the_first_its_wal(tmp_path: Path) -> None:
    """Without locks the first connection lost the log: the other process, as the last one on the file, removed the
    log.
    """
    path = tmp_path / "silo.db"
    first = open_sqlite(path, create=True)
    raw(first).execute("CREATE TABLE t (n INTEGER)")
    raw(first).execute("INSERT INTO t VALUES (1)")
    second = open_sqlite(path)
    subprocess.run([sys.executable, "-c", OTHER, str(path)], check=True, timeout=60)
    assert path.with_name("silo.db-wal").exists()
    assert raw(first).execute("SELECT n FROM t ORDER BY n").fetchall() == [(1,), (2,)]
    first.close()
    second.close()

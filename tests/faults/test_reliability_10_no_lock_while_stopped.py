"""Reliability 10: a command of msilo stopped by Ctrl-Z holds no write lock."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from msilod.store.engine.sqlite import unstoppable
from msilod.store.tables.operator import Operator
from msilod.store.tables.queue import Queue
from msilod.store.tables.selection import Selection
from tests.scenarios.conftest import Daemon
from tests.store.rows import add, open_silo, row

# Ctrl-Z comes during each transaction: after BEGIN, or after the only statement.
STOPPED = """
import os, signal, sys
from msilod.store.engine.sqlite import connection as database
from msilo_cli.__main__ import main
real = database.raw
class Connection:
    def __init__(self, db):
        self.__dict__["db"] = db
    def __getattr__(self, name):
        return getattr(self.db, name)
    def __setattr__(self, name, value):
        setattr(self.db, name, value)
    def execute(self, sql, *values):
        found = self.db.execute(sql, *values)
        if sql == "BEGIN IMMEDIATE" or sql.startswith("INSERT INTO silo ("):
            os.kill(os.getpid(), signal.SIGTSTP)
        return found
from msilod.store.schema import maintenance, migrate
from msilod.store.tables import queue, users
for room in (queue, users, maintenance, migrate):
    room.raw = lambda database: Connection(real(database))
sys.argv = ["msilo", *sys.argv[1:]]
main()
"""


@pytest.fixture
def one(tmp_path: Path) -> Daemon:
    made = Daemon(tmp_path)
    silo = open_silo(tmp_path)
    for number in range(30):
        add(silo, row(number))
    silo.close()
    return made


@pytest.mark.interpreted
@pytest.mark.parametrize(
    "words",
    [
        ["hold", "--all"], ["purge", "--all", "--yes"], ["purge", "--expired"], ["pause"], ["resume"],
        ["inject", "bob@example.test", "x"], ["import", "FILE"], ["db", "upgrade"],
        ["user", "add", "alice@example.test"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_stopped_command_holds_no_lock(one: Daemon, words: list[str]) -> None:
    file = one.folder / "lines"
    file.write_text('{"aor": "bob@example.test", "from": "<sip:a@b>", "call_id": "c", "body": "x"}\n')
    if "--expired" in words:
        with sqlite3.connect(one.silo) as db:
            db.execute("UPDATE silo SET expires_at = 1")
        db.close()
    command = [sys.executable, "-c", STOPPED, *(str(file) if word == "FILE" else word for word in words)]
    # In an own process group, in the session of a parent: the kernel drops SIGTSTP for an orphaned group.
    process = subprocess.Popen(
        command, env=one.environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, process_group=0
    )
    assert process.stdin is not None
    process.stdin.write(b"secret\n")
    process.stdin.close()
    stops = 0
    while True:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            break
        stops += 1
        with sqlite3.connect(one.silo, timeout=0, isolation_level=None) as db:
            # Raises OperationalError while another process has the lock.
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")
        db.close()
        os.kill(process.pid, signal.SIGCONT)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert stops >= 1


def test_a_failed_transaction_is_rolled_back_and_the_signals_are_let_through(one: Daemon) -> None:
    queue = Queue(one.silo, "silo")
    operator: Operator = queue.operator("x")
    with pytest.raises(ZeroDivisionError), unstoppable.immediate(operator.db):
        list(range(1 // 0))
    assert not operator.db.in_transaction
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()).isdisjoint(unstoppable.STOPS)
    assert sum(batch.count for batch in operator.hold(Selection(), 1.0)) == 30
    queue.close()

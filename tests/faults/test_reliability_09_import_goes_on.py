"""Reliability 9: an interrupted import can be repeated: no message is stored twice or left out."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from msilo_cli.commands.exchange_cmds import ROWS_A_BATCH
from msilod.store.commit.imports import HELD, mark_of
from msilod.store.silo import Silo
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone
from tests.store.rows import ask, open_silo, row

COUNT = 3 * ROWS_A_BATCH + 50


def lines(count: int = COUNT, **more: object) -> list[str]:
    return [
        json.dumps(
            {"aor": f"sip:user{n % 50}@example.test", "from": "<sip:a@example.test>", "call_id": f"c{n}"}
            | {"body": str(n)}
            | more
        )
        for n in range(count)
    ]  # fmt: skip


def make(tmp_path: Path, config: str = "") -> Daemon:
    folder = tmp_path / "state"
    folder.mkdir()
    one = Daemon(folder, config)
    assert one.msilo("db", "upgrade").returncode == 0
    return one


def query(one: Daemon, sql: str, *values: object) -> list[tuple[object, ...]]:
    with sqlite3.connect(one.silo) as db:
        found = db.execute(sql, values).fetchall()
    db.close()
    return found


def is_asleep(pid: int) -> bool:
    """True while the process sleeps, here for more input."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_delivered_and_repeated(tmp_path: Path, sign: signal.Signals) -> None:
    one = make(tmp_path)
    # The command reads a pipe, so the interruption comes at a known place: after two and a half batches.
    command = [sys.executable, "-m", "msilo_cli", "import", "-"]
    process = subprocess.Popen(
        command, env=one.environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write("".join(text + "\n" for text in lines()[: 2 * ROWS_A_BATCH + 100]))
    process.stdin.flush()
    while query(one, "SELECT count(*) FROM silo") != [(2 * ROWS_A_BATCH,)] or not is_asleep(process.pid):
        assert process.poll() is None
    process.send_signal(sign)
    errors = process.communicate()[1]
    assert process.returncode != 0
    if sign != signal.SIGKILL:
        assert f"stopped after line {2 * ROWS_A_BATCH}: {2 * ROWS_A_BATCH} stored" in errors
    assert "Traceback" not in errors
    # Some messages are delivered, and the hashes forgotten as after two minutes.
    one.start()
    with Phone("user7", one.address) as phone:
        phone.register()
        for _ in range(2 * ROWS_A_BATCH // 50):
            phone.take()
        assert phone.is_silent()
    one.stop()
    left = 2 * ROWS_A_BATCH - 2 * ROWS_A_BATCH // 50
    with sqlite3.connect(one.silo) as db:
        db.execute("DELETE FROM silo_ended")
    db.close()
    file = tmp_path / "all"
    file.write_text("\n".join(lines()))
    done = one.msilo("import", str(file))
    assert done.returncode == 0, done.stderr
    rest = COUNT - 2 * ROWS_A_BATCH
    ended = 2 * ROWS_A_BATCH // 50
    assert done.stderr == (
        f"{rest} stored, {left} known already, 0 expired, {ended} ended already (--again stores them), 0 failed\n"
    )
    found = {str(body) for (body,) in query(one, "SELECT CAST(body AS TEXT) FROM silo")}
    assert len(found) == COUNT - ended
    assert found | {str(n) for n in range(7, 2 * ROWS_A_BATCH, 50)} == {str(n) for n in range(COUNT)}


def test_marks_live_as_long_as_the_messages(tmp_path: Path) -> None:
    one = make(tmp_path)
    now = time.time()
    lasts = {"expires_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 10_000))}
    file = tmp_path / "some"
    file.write_text("\n".join(lines(20, **lasts)))
    assert one.msilo("import", str(file)).returncode == 0
    ((least, most),) = query(one, "SELECT min(until), max(until) FROM silo_imported")
    # The offset from silo time to system time comes from two readings of clocks, a moment apart on a busy machine.
    assert [least, most] == pytest.approx([int(now + 10_000)] * 2, abs=1)
    silo = open_silo(one.folder)

    def clean(silo: Silo, wall: float) -> None:
        ask(silo, lambda done: silo.writer.clean(wall, 1000, done))

    clean(silo, now + 9_000)
    assert query(one, "SELECT count(*) FROM silo_imported") == [(20,)]
    clean(silo, now + 10_002)
    assert query(one, "SELECT count(*) FROM silo_imported") == [(0,)]
    silo.close()


def test_a_refused_row_leaves_no_mark(tmp_path: Path) -> None:
    one = make(tmp_path, "[silo]\nmax_messages = 2\n")
    file = tmp_path / "some"
    file.write_text("\n".join(lines(5, aor="sip:bob@example.test")))
    assert one.msilo("import", str(file)).returncode == 1
    assert query(one, "SELECT count(*) FROM silo_imported") == [(2,)]
    assert one.msilo("purge", "--all", "--yes").returncode == 0
    done = one.msilo("import", str(file))
    assert done.stderr.splitlines()[-2].startswith("2 stored, 0 known already, 0 expired, 2 ended already")


def test_a_held_row_is_marked_for_a_year() -> None:
    held = row(1)
    held.state = "held"
    assert mark_of(held)[2] >= held.expires_at + HELD


def test_a_locked_silo_says_how_far_it_got(tmp_path: Path) -> None:
    one = make(tmp_path)
    file = tmp_path / "some"
    file.write_text("\n".join(lines(5)))
    with sqlite3.connect(one.silo, isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        done = one.msilo("import", str(file))
        db.execute("ROLLBACK")
    db.close()
    assert done.returncode == 75
    assert done.stderr.startswith("stopped after line 0: 0 stored")
    assert os.stat(file).st_size

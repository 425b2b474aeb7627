"""Operator 3: an import says which messages are left out and why, accepts purged ones, and the dry run is exact."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest

from msilo_cli.__main__ import main
from tests.scenarios.conftest import Daemon, start_daemon
from tests.scenarios.phone import Phone

__all__ = ["start_daemon"]


def msilo(one: Daemon, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command in this process: a process for each command took minutes in all."""
    handlers = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGHUP)}
    out, err, code = StringIO(), StringIO(), 0
    with (
        patch.dict(os.environ, one.environment, clear=True),
        patch.object(sys, "argv", ["msilo", *arguments]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    for sign, handler in handlers.items():
        signal.signal(sign, handler)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def make(folder: Path, config: str = "") -> Daemon:
    """A silo without a daemon."""
    folder.mkdir(exist_ok=True)
    one = Daemon(folder, config)
    assert msilo(one, "db", "upgrade").returncode == 0
    return one


def line(number: int, user: str = "bob", sender: str = "alice", size: int = 5) -> str:
    return json.dumps(
        {
            "aor": f"sip:{user}@example.test", "from": f"<sip:{sender}@example.test>;tag=t", "call_id": f"c{number}",
            "body": "x" * size,
        }
    )  # fmt: skip


def rows(one: Daemon) -> list[int]:
    with sqlite3.connect(one.silo) as db:
        found = [id for (id,) in db.execute("SELECT id FROM silo ORDER BY id")]
    db.close()
    return found


def bodies(one: Daemon) -> list[str]:
    return [json.loads(line)["body"] for line in msilo(one, "list", "--json").stdout.splitlines()]


def summary(one: Daemon, *arguments: str) -> str:
    done = msilo(one, "import", *arguments)
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1 if done.returncode == 0 else -2]


@pytest.mark.parametrize("with_daemon", [True, False])
def test_export_purge_import(start_daemon: Callable[..., Daemon], tmp_path: Path, with_daemon: bool) -> None:
    one = start_daemon()
    with Phone("alice", one.address) as alice:
        for text in ("one", "two", "three"):
            assert alice.text("bob", text).status == 202
    if not with_daemon:
        one.stop()
    file = str(tmp_path / "e")
    assert msilo(one, "export", "-o", file).returncode == 0
    same = "0 stored, 3 known already, 0 expired, 0 failed"
    assert summary(one, file) == same
    assert summary(one, file, "--dry-run") == same.replace("stored", "would be stored")
    assert msilo(one, "purge", "--all", "--yes").returncode == 0
    gone = "0 stored, 0 known already, 0 expired, 3 ended already (--again stores them), 0 failed"
    assert summary(one, file) == gone
    assert summary(one, file, "--dry-run") == gone.replace("0 stored", "0 would be stored")
    assert rows(one) == []
    assert (
        summary(one, file, "--again", "--dry-run")
        == "3 would be stored, 0 known already, 0 expired, 0 failed"
    )
    assert rows(one) == []
    assert summary(one, file, "--again") == "3 stored, 0 known already, 0 expired, 0 failed"
    assert bodies(one) == ["one", "two", "three"]
    # Messages in the silo are never stored twice, also with --again.
    assert summary(one, file, "--again") == same
    assert msilo(one, "purge", "--all", "--yes").returncode == 0
    assert msilo(one, "db", "check").returncode == 0


def test_what_comes_back_is_delivered_once(start_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    one = start_daemon()
    file = str(tmp_path / "e")
    assert msilo(one, "inject", "bob@example.test", "hello").returncode == 0
    assert msilo(one, "export", "-o", file).returncode == 0
    assert msilo(one, "purge", "--all", "--yes").returncode == 0
    assert one.msilo("import", "--again", file).returncode == 0
    with Phone("bob", one.address) as bob:
        bob.register()
        assert bob.take().body == b"hello"
        assert bob.is_silent()
    assert rows(one) == []
    shown = json.loads(msilo(one, "show", "2", "--json").stdout)
    assert shown["state"] == "delivered"


CONFIGS = [
    "[silo]\nmax_messages = 4\n",
    "[silo]\nmax_bytes = 40\nmax_messages = 100\n",
    "[silo]\nmax_total_bytes = 150\n",
    "[silo]\nmax_messages = 30\nsender_share = 0.4\n",
]


@pytest.mark.parametrize("number", range(len(CONFIGS)))
def test_the_dry_run_says_what_the_run_does(tmp_path: Path, number: int) -> None:
    chance = random.Random(number)
    one = make(tmp_path / "state", CONFIGS[number])
    file = tmp_path / "e"
    for _ in range(2):
        lines = [
            line(chance.randrange(40), chance.choice(("bob", "carol")), chance.choice(("a", "b")), 5)
            for _ in range(60)
        ]
        lines[3] = "{"
        lines[5] = json.dumps(json.loads(line(99)) | {"expires_at": "2001-01-01T00:00:00Z"})
        lines[7] = json.dumps(json.loads(line(98)) | {"state": "rejected"})
        file.write_text("\n".join(lines) + "\n")
        before = rows(one)
        rehearsed = msilo(one, "import", "--dry-run", str(file))
        assert rows(one) == before
        done = msilo(one, "import", str(file))
        assert (
            rehearsed.stderr.replace("would be stored", "stored").replace("would not be", "were not")
            == done.stderr
        )
        assert (rehearsed.returncode, done.returncode) == (1, 1)
        assert msilo(one, "purge", "bob@example.test", "--limit", "2", "--yes").returncode == 0


def test_a_thousand_refusals_of_a_kind_are_a_few_lines(tmp_path: Path) -> None:
    one = make(tmp_path / "state", "[silo]\nmax_messages = 1\n")
    file = tmp_path / "e"
    file.write_text("\n".join(line(number) for number in range(1001)))
    done = msilo(one, "import", str(file))
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "line 2: mailbox full"
    assert lines[-2] == "1 stored, 0 known already, 0 expired, 1000 failed (1000 mailbox full)"
    assert len(lines) < 20

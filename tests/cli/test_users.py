"""`msilo user`: passwords come from a prompt or standard input, and are never printed."""

import contextlib
import hashlib
import json
import os
import pty
import select
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.conftest import Daemon

ALICE = "alice@example.test"


@pytest.fixture
def silo(tmp_path: Path) -> Daemon:
    """An empty silo without a daemon."""
    one = Daemon(tmp_path)
    assert one.msilo("db", "upgrade").returncode == 0
    return one


def kept(silo: Daemon) -> dict[str, str]:
    """Algorithm to HA1, as in the database."""
    with sqlite3.connect(silo.silo) as db:
        found = dict(db.execute("SELECT algorithm, ha1 FROM silo_user WHERE aor = ?", (ALICE,)))
    db.close()
    return found


def ha1(password: str) -> dict[str, str]:
    return {"MD5": hashlib.md5(f"alice:example.test:{password}".encode()).hexdigest()}


def test_only_ha1_values_are_kept_one_per_algorithm(silo: Daemon) -> None:
    done = silo.msilo("-v", "user", "add", f"sip:{ALICE}", "-", stdin="pa ss; wört\r\nrest")
    assert done.returncode == 0, done.stderr
    assert kept(silo) == ha1("pa ss; wört")
    assert "wört" not in done.stdout + done.stderr
    assert "wört".encode() not in silo.silo.read_bytes()
    listed = json.loads(silo.msilo("user", "list", "--json").stdout)
    assert (listed["user"], listed["algorithms"]) == (ALICE, ["MD5"])
    assert silo.msilo("user", "list").stdout == f"{ALICE}\texample.test\tMD5\n"


def test_a_password_is_asked_for_twice_on_a_terminal_and_not_shown(silo: Daemon) -> None:
    assert answering_prompts(silo, "secret", "other")[0] == 2
    assert kept(silo) == {}
    code, shown = answering_prompts(silo, "secret", "secret")
    assert code == 0, shown
    assert "Password of alice@example.test:" in shown
    assert "secret" not in shown
    assert kept(silo) == ha1("secret")


def answering_prompts(silo: Daemon, *words: str) -> tuple[int, str]:
    """Run `msilo user add` on a pseudo-terminal, and answer each prompt."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "msilo_cli", "user", "add", ALICE],
        stdin=child, stdout=child, stderr=child, env=silo.environment, start_new_session=True,
    )  # fmt: skip
    os.close(child)
    shown, answers = b"", list(words)
    with contextlib.suppress(OSError):
        while select.select([parent], [], [], 60)[0] and (data := os.read(parent, 65536)):
            shown += data
            if data.endswith(b": ") and answers:
                os.write(parent, f"{answers.pop(0)}\n".encode())
    os.close(parent)
    return process.wait(60), shown.decode()


def test_passwd_and_remove_want_a_user_and_add_wants_none(silo: Daemon) -> None:
    assert silo.msilo("user", "passwd", ALICE, stdin="x\n").returncode == 1
    assert silo.msilo("user", "remove", ALICE).returncode == 1
    assert silo.msilo("user", "add", ALICE, stdin="one\n").returncode == 0
    again = silo.msilo("user", "add", ALICE, stdin="two\n")
    assert (again.returncode, "passwd" in again.stderr) == (1, True)
    assert kept(silo) == ha1("one")
    assert silo.msilo("user", "passwd", ALICE, "--stdin", stdin="two\n").returncode == 0
    assert kept(silo) == ha1("two")
    assert silo.msilo("user", "remove", ALICE).returncode == 0
    assert kept(silo) == {}


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        (("add", ALICE, "hunter2"), ""), (("add", ALICE), "\n"), (("add", ALICE), ""), (("add", "*@example.test"), "x"),
        (("add", "example.test"), "x"), (("add", ALICE), "x" * 2000),
    ],
)  # fmt: skip
def test_what_is_no_user_or_no_password_is_2_and_changes_nothing(
    silo: Daemon, words: tuple[str, ...], stdin: str
) -> None:
    done = silo.msilo("user", *words, stdin=stdin)
    assert done.returncode == 2
    assert "hunter2" not in done.stderr
    assert kept(silo) == {}


def test_a_realm_and_algorithms_of_the_configuration_are_used(silo: Daemon) -> None:
    silo.config.write_text('[auth]\nrealm = "office"\nalgorithms = ["SHA-256", "MD5"]\n')
    assert silo.msilo("user", "add", ALICE, stdin="x\n").returncode == 0
    assert kept(silo) == {
        "MD5": hashlib.md5(b"alice:office:x").hexdigest(),
        "SHA-256": hashlib.sha256(b"alice:office:x").hexdigest(),
    }
    assert silo.msilo("user", "list").stdout == f"{ALICE}\toffice\tMD5 SHA-256\n"


def test_without_a_silo_it_is_69(tmp_path: Path) -> None:
    assert Daemon(tmp_path).msilo("user", "list").returncode == 69

"""Found: a standard stream that is closed, full or not UTF-8 ended commands and the daemon by a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from msilo_cli.exchange import BadLine, imported
from msilod.streams import discard
from tests.scenarios.conftest import Daemon

NO_SPACE, CLOSED = "No space left on device", "Bad file descriptor"


@pytest.fixture(scope="module")
def silo(tmp_path_factory: pytest.TempPathFactory) -> Daemon:
    """A silo with one message, without a daemon."""
    one = Daemon(tmp_path_factory.mktemp("silo"), 'domains = ["example.test"]\n')
    assert one.msilo("db", "upgrade").returncode == 0
    assert one.msilo("inject", "bob@example.test", "Grüße, 你好").returncode == 0
    return one


def by_shell(one: Daemon, module: str, words: str, **more: str) -> "subprocess.CompletedProcess[bytes]":
    """A command line with redirections of a shell."""
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m {module} {words}', sys.executable], env=one.environment | more,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("module", "words", "status", "said"),
    [
        ("msilo_cli", "list >/dev/full", 1, NO_SPACE),
        ("msilo_cli", "export >/dev/full", 1, NO_SPACE),
        ("msilo_cli", "--help >/dev/full", 1, NO_SPACE),
        ("msilo_cli", "list >&-", 1, CLOSED),
        ("msilo_cli", "list <&- >&- 2>&-", 1, ""),
        ("msilo_cli", "show - <&-", 1, CLOSED),
        ("msilo_cli", "inject bob@example.test - <&-", 1, CLOSED),
        ("msilo_cli", "inject bob@example.test - </dev/zero", 1, "413"),
        ("msilo_cli", "inject bob@example.test --file /dev/zero", 1, "413"),
        ("msilo_cli", "show 99 2>/dev/full", 66, ""),
        ("msilo_cli", "-q purge --expired >&-", 0, ""),
        ("msilod", "check >/dev/full", 69, NO_SPACE),
        ("msilod", "check --config /none 2>/dev/full", 78, ""),
    ],
)
def test_a_command_ends_by_one_line(silo: Daemon, module: str, words: str, status: int, said: str) -> None:
    done = by_shell(silo, module, words)
    errors = done.stderr.decode()
    assert (done.returncode, "Traceback" in errors) == (status, False), errors
    assert errors.count("\n") == (1 if said else 0), errors
    assert said in errors


@pytest.mark.parametrize("words", ["list --format table", "show 1", "export", "list --json"])
def test_an_encoding_that_lacks_the_characters(silo: Daemon, words: str) -> None:
    done = by_shell(silo, "msilo_cli", words, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    if words != "list --format table":
        assert "Grüße" in done.stdout.decode()


def test_an_import_does_not_stop_because_nobody_hears_it(silo: Daemon, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_text("nonsense\n" * 3)
    assert by_shell(silo, "msilo_cli", f"import {lines} 2>/dev/full").returncode == 1
    exported = by_shell(silo, "msilo_cli", "export").stdout
    assert by_shell(silo, "msilo_cli", "purge --all --yes").returncode == 0
    lines.write_bytes(b"\xef\xbb\xbf" + b"nonsense\n" * 20 + exported)
    assert by_shell(silo, "msilo_cli", f"import --again {lines} 2>/dev/full").returncode == 1
    assert by_shell(silo, "msilo_cli", "export").stdout.count(b"\n") == exported.count(b"\n") > 0


@pytest.mark.parametrize("redirection", [">&- 2>/dev/full", ">/dev/full 2>&-"])
def test_the_daemon_does_not_end_because_its_log_is_full(tmp_path: Path, redirection: str) -> None:
    one = Daemon(tmp_path, 'domains = ["example.test"]\n[listen]\nudp = ["127.0.0.1:0"]\ntcp = []\n')
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$0" -m msilod start {redirection}', sys.executable], env=one.environment
    )
    try:
        # `status` answers when the daemon is ready, after the first line of the log.
        for _ in range(60):
            if one.msilo("status").returncode == 0:
                break
            assert process.poll() is None, "it has ended"
        one.config.write_text("nonsense")
        process.send_signal(signal.SIGHUP)
        # The refused reload also logs a line. Then the daemon still answers, and ends normally.
        assert one.msilo("status").returncode in (0, 78)
        one.config.write_text('domains = ["example.test"]\n')
        assert one.msilo("inject", "bob@example.test", "hello").returncode == 0
        assert one.msilo("status").returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "wrong", ['"state":["a"]', '"state":{"a":1}', '"headers":1', '"headers":true', '"headers":[1]']
)
def test_a_member_of_another_type_is_a_bad_line(wrong: str) -> None:
    line = f'{{"aor":"bob@example.test","from":"<sip:a@example.test>;tag=1","call_id":"x",{wrong}}}'.encode()
    with pytest.raises(BadLine):
        imported(line, lambda aor: aor, lambda sender: sender, 1.8e9, 60.0, 100)


def test_what_is_discarded_does_not_fail_later() -> None:
    with open("/dev/full", "w") as full:
        full.write("text")
        discard(full)
        full.flush()
        assert os.readlink(f"/proc/self/fd/{full.fileno()}") == os.devnull

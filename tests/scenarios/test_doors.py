"""Listeners beyond loopback: with users, or with `mode = "off"` in so many words, or not at all (exit 78)."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.scenarios.account import add_user
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import PATIENCE

WIDE = "domains = ['example.test']\n[listen]\nudp = ['0.0.0.0:0']\ntcp = []\n"


def test_beyond_loopback_users_make_the_difference(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, WIDE)
    refused = daemon.msilod("start")
    assert refused.returncode == 78
    assert "msilo user add alice@example.test" in refused.stderr
    assert daemon.msilod("check").returncode == 78
    assert daemon.msilo("db", "upgrade").returncode == 0
    assert daemon.msilod("check").returncode == 78, "a silo without users changes nothing"
    done = daemon.msilo("user", "add", "alice@example.test", stdin="secret\n")
    assert done.returncode == 0, done.stderr
    assert daemon.msilod("check").returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "msilod", "start"], env=daemon.environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert "ready: udp:0.0.0.0:" in process.stdout.readline()
    finally:
        process.terminate()
        process.wait(PATIENCE)
        if process.stdout is not None:
            process.stdout.close()


def test_a_reload_does_not_open_the_door(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, WIDE + "[auth]\nmode = 'off'\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "msilod", "start"],
        env=daemon.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        daemon.config.write_text(WIDE)
        refused = control(daemon, "reload")
        assert "there are no users" in refused
        add_user(daemon, "alice")
        assert "wants_restart" in control(daemon, "reload")
    finally:
        process.terminate()
        process.wait(PATIENCE)
        if process.stdout is not None:
            process.stdout.close()


def control(daemon: Daemon, method: str) -> str:
    """The answer of the control socket, result or error."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(os.fspath(daemon.folder / "control.sock"))
        sock.sendall(b'{"jsonrpc":"2.0","id":1,"method":"%b"}\n' % method.encode())
        return sock.recv(65536).decode()

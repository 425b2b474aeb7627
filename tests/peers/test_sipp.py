"""SIPp: stores, registers and receives, over UDP and TCP; registers, refreshes and leaves with a password."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.conftest import program
from tests.ports import free_port
from tests.scenarios.account import add_user
from tests.scenarios.conftest import Daemon

HERE = Path(__file__).parent
MESSAGES = 20

pytestmark = pytest.mark.peer


def sipp(daemon: Daemon, scenario: str, *options: str) -> list[str]:
    return [
        program("sipp"), f"127.0.0.1:{daemon.port}", "-sf", str(HERE / scenario), "-i", "127.0.0.1",
        "-nostdin", "-timeout", "30", "-timeout_error", *options,
    ]  # fmt: skip


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_sipp_stores_registers_and_receives(daemon: Daemon, tmp_path: Path, transport: str) -> None:
    run(sipp(daemon, "store.xml", "-t", transport, "-m", str(MESSAGES), "-r", "100"), tmp_path)
    assert len(daemon.rows("bob@example.test")) == MESSAGES
    port = free_port()
    receive = sipp(daemon, "receive.xml", "-m", str(MESSAGES), "-p", str(port))
    receive.remove(f"127.0.0.1:{daemon.port}")
    phone = subprocess.Popen(
        receive, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        run(sipp(daemon, "register.xml", "-m", "1", "-key", "contact_port", str(port)), tmp_path)
        output, _ = phone.communicate(timeout=40)
        assert phone.returncode == 0, output[-3000:]
    finally:
        phone.kill()
        phone.wait()
    assert daemon.rows() == []


@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_sipp_registers_with_a_password(
    start_daemon: Callable[..., Daemon], tmp_path: Path, transport: str
) -> None:
    # SIPp 3.6.1 looks at the first challenge only, and knows MD5 only.
    daemon = start_daemon('[auth]\nalgorithms = ["MD5"]\n')
    add_user(daemon, "bob")
    run(sipp(daemon, "password.xml", "-t", transport, "-m", "1"), tmp_path)
    assert daemon.msilo("bindings").stdout == ""

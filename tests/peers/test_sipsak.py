"""sipsak: pings, registers, texts. Its Via port is not its source port (clients.md, item 5)."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.conftest import program
from tests.scenarios.account import add_user
from tests.scenarios.conftest import Daemon

BODY = "from a script"

pytestmark = pytest.mark.peer


def sipsak(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [program("sipsak"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """On a port of four digits: sipsak 0.9.8 cuts longer ones off."""
    one = Daemon(tmp_path)
    one.port = next(port for port in range(7000, 9999) if _is_free(port))
    one.start()
    yield one
    one.end()


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        try:
            udp.bind(("127.0.0.1", port))
            tcp.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def test_sipsak_pings(daemon: Daemon) -> None:
    done = sipsak("-vv", "-s", f"sip:127.0.0.1:{daemon.port}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "200 OK" in done.stdout


def test_sipsak_registers(daemon: Daemon) -> None:
    uri = f"sip:carol@127.0.0.1:{daemon.port}"
    done = sipsak("-U", "-C", "sip:carol@127.0.0.1:5099", "-x", "600", "-s", uri)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = daemon.msilo("bindings", "carol@example.test")
    assert "sip:carol@127.0.0.1:5099" in listed.stdout, "our address is an alias of our first domain"


def a_message(daemon: Daemon, folder: Path) -> Path:
    """What sipsak -f sends."""
    file = folder / "message"
    file.write_text(
        f"MESSAGE sip:bob@127.0.0.1:{daemon.port} SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 127.0.0.1:5098;branch=z9hG4bKsak1;rport\r\n"
        "Max-Forwards: 70\r\n"
        "From: <sip:sak@example.test>;tag=sak\r\n"
        "To: <sip:bob@example.test>\r\n"
        "Call-ID: sak-1\r\n"
        "CSeq: 1 MESSAGE\r\n"
        "Content-Type: text/plain\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n{BODY}",
        newline="",
    )
    return file


def test_sipsak_texts_somebody_who_is_away(daemon: Daemon, tmp_path: Path) -> None:
    file = a_message(daemon, tmp_path)
    done = sipsak("-vv", "-f", str(file), "-s", f"sip:bob@127.0.0.1:{daemon.port}")
    assert "202 Accepted" in done.stdout, done.stdout + done.stderr
    assert [row["body"] for row in daemon.rows("bob@example.test")] == [BODY]


def test_sipsak_with_a_password_and_with_a_wrong_one(daemon: Daemon, tmp_path: Path) -> None:
    # sipsak 0.9.8 looks at the first challenge only, knows MD5 only, and without -u calls itself "sak@".
    daemon.config.write_text('[auth]\nalgorithms = ["MD5"]\n')
    add_user(daemon, "sak")
    add_user(daemon, "bob")
    daemon.stop()
    daemon.start()
    uri = f"sip:sak@127.0.0.1:{daemon.port}"
    register = ("-U", "-C", "sip:sak@127.0.0.1:5099", "-x", "600", "-u", "sak", "-s", uri)
    assert sipsak(*register, "-a", "wrong").returncode != 0
    assert daemon.msilo("bindings").stdout == ""
    done = sipsak(*register, "-a", "secret")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sip:sak@127.0.0.1:5099" in daemon.msilo("bindings", "sak@example.test").stdout
    file = str(a_message(daemon, tmp_path))
    text = ("-vv", "-f", file, "-u", "sak", "-s", f"sip:bob@127.0.0.1:{daemon.port}")
    assert "202 Accepted" not in sipsak(*text, "-a", "wrong").stdout
    assert "202 Accepted" in sipsak(*text, "-a", "secret").stdout
    assert [row["body"] for row in daemon.rows("bob@example.test")] == [BODY]

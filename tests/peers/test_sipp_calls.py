"""SIPp calls SIPp through us: a call, a fork with CANCEL, failures, lost datagrams, and REGISTER again and again."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers.test_sipp import HERE, run, sipp
from tests.ports import free_port
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone

CALLS = 20

pytestmark = pytest.mark.peer


def changed(folder: Path, scenario: str, *changes: tuple[str, str]) -> str:
    """A scenario in other words, in the test's own folder."""
    text = (HERE / scenario).read_text()
    for old, new in changes:
        text = text.replace(old, new)
    path = folder / f"changed_{scenario}"
    path.write_text(text)
    return str(path)


@contextmanager
def phone(daemon: Daemon, folder: Path, scenario: str, transport: str = "u1") -> Iterator[None]:
    """A SIPp that is called, and registered as bob; it must end as its scenario says."""
    port = free_port()
    called = sipp(daemon, scenario, "-t", transport, "-m", str(CALLS), "-p", str(port))
    called.remove(f"127.0.0.1:{daemon.port}")
    process = subprocess.Popen(
        called, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        with Phone("bob", daemon.address) as bob:
            tail = ";transport=tcp" if transport == "t1" else ""
            assert bob.register(contact=f"<sip:bob@127.0.0.1:{port}{tail}>").status == 200
        yield
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output[-3000:]
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_p5_calls_by_their_route_set(daemon: Daemon, tmp_path: Path, transport: str) -> None:
    with phone(daemon, tmp_path, "answer.xml", transport):
        run(sipp(daemon, "call.xml", "-t", transport, "-m", str(CALLS), "-r", "20"), tmp_path)


def test_p5_a_call_from_tcp_to_udp(daemon: Daemon, tmp_path: Path) -> None:
    """Two Record-Route values, one for each side (RFC 5658 §3.1)."""
    with phone(daemon, tmp_path, "answer.xml", "u1"):
        run(sipp(daemon, "call.xml", "-t", "t1", "-m", str(CALLS), "-r", "20"), tmp_path)


def test_x2_calls_with_a_fifth_of_all_datagrams_lost(daemon: Daemon, tmp_path: Path) -> None:
    lossy = changed(
        tmp_path,
        "call.xml",
        ("<send retrans", '<send lost="20" retrans'),
        ('<recv response="200"', '<recv lost="20" response="200"'),
        ('<recv response="100"/>', '<recv response="100" optional="true"/>'),
        ('<recv response="180"/>', '<recv response="180" optional="true"/>'),
    )
    with phone(daemon, tmp_path, "answer.xml"):
        run(sipp(daemon, lossy, "-m", str(CALLS), "-r", "20"), tmp_path)


def test_p8_a_fork_whose_loser_is_cancelled(daemon: Daemon, tmp_path: Path) -> None:
    later = changed(
        tmp_path, "answer.xml", ('<send retrans="500">', '<pause milliseconds="500"/><send retrans="500">')
    )
    with phone(daemon, tmp_path, "ring.xml"), phone(daemon, tmp_path, later):
        run(sipp(daemon, "call.xml", "-m", str(CALLS), "-r", "10"), tmp_path)


def test_x9_a_caller_who_gives_up(daemon: Daemon, tmp_path: Path) -> None:
    with phone(daemon, tmp_path, "ring.xml"):
        run(sipp(daemon, "call_cancelled.xml", "-m", str(CALLS), "-r", "20"), tmp_path)


def test_x7_a_busy_phone(daemon: Daemon, tmp_path: Path) -> None:
    with phone(daemon, tmp_path, "refuse.xml"):
        run(sipp(daemon, "call_refused.xml", "-m", str(CALLS), "-r", "20"), tmp_path)


@pytest.mark.parametrize("transport", ["u1", "t1"])
def test_r5_registers_again_and_again(daemon: Daemon, tmp_path: Path, transport: str) -> None:
    run(sipp(daemon, "reregister.xml", "-t", transport, "-m", "50", "-r", "50"), tmp_path)
    assert daemon.msilo("bindings").stdout == ""

"""A real daemon with [metrics]: scraped, with a writer that hangs, while it drains, and with a key that is wrong."""

import os
import signal
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

from tests.metrics.test_exposition import parsed
from tests.ports import free_port
from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import Phone
from tests.transport.authority import Authority

Start = Callable[..., Daemon]


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def scrape(port: int) -> dict[str, dict[tuple[str, ...], float]]:
    status, page = get(port, "/metrics")
    assert status == 200
    return parsed(page)


def test_stores_deliveries_and_commits_are_counted(
    start_daemon: Start, tmp_path: Path, authority: Authority
) -> None:
    port = free_port()
    tls = f'[tls]\ncertificate = "{tmp_path}/server.pem"\nprivate_key = "{tmp_path}/server.key"\n'
    daemon = start_daemon(f'[metrics]\nlisten = "127.0.0.1:{port}"\n{tls}')
    alice, bob = Phone("alice", daemon.address), Phone("bob", daemon.address)
    with alice.socket, bob.socket:
        assert get(port, "/readyz") == (200, b"ready\n")
        before = scrape(port)
        assert before["msilod_silo_up"] == {(): 1}
        assert before["msilod_messages"]["waiting",] == 0
        assert before["msilod_certificate_not_after_seconds"][()] > before["process_start_time_seconds"][()]
        for number in range(3):
            assert alice.text("bob", f"{number}").status == 202
        found = scrape(port)
        assert found["msilod_stored_messages_total"] == {(): 3}
        assert found["msilod_commit_seconds_count"][()] == 3
        assert 0 < found["msilod_commit_seconds_sum"][()] < 30
        bob.register()
        for _ in range(3):
            bob.take()
        assert bob.is_silent()
        found = scrape(port)
        assert found["msilod_dumped_messages_total"] == {(): 3}
        assert found["msilod_delivery_seconds_count"] == {(): 3}
        assert found["msilod_bindings"] == {(): 1}
        assert found["msilod_writer_process_resident_memory_bytes"][()] > 0


def _writer_of(daemon: Daemon) -> int:
    assert daemon.process is not None
    pid = daemon.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


def test_a_writer_that_hangs_keeps_no_page_from_its_readers(start_daemon: Start) -> None:
    port = free_port()
    daemon = start_daemon(f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
    writer = _writer_of(daemon)
    os.kill(writer, signal.SIGSTOP)
    try:
        assert get(port, "/healthz") == (200, b"ok\n")
        assert scrape(port)["msilod_stored_messages_total"] == {(): 0}
    finally:
        os.kill(writer, signal.SIGCONT)


def test_a_daemon_that_drains_is_not_ready(start_daemon: Start) -> None:
    port = free_port()
    daemon = start_daemon(f'drain = 5\n[metrics]\nlisten = "127.0.0.1:{port}"\n')
    alice, bob = Phone("alice", daemon.address), Phone("bob", daemon.address)
    with alice.socket, bob.socket:
        bob.register()
        alice.send(alice.message("bob", b"x"))
        request = bob.request()
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGTERM)
        while get(port, "/readyz")[0] == 200:
            pass
        assert get(port, "/readyz") == (503, b"draining\n")
        assert get(port, "/healthz")[0] == 200
        bob.answer(request)
    assert daemon.stop() == 0


def test_a_wrong_key_and_a_taken_port_are_told(start_daemon: Start, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, '[metrics]\nlisten = "9160"\n')
    done = daemon.msilod("check")
    assert done.returncode == 78
    assert "line 2: metrics.listen" in done.stderr
    assert "127.0.0.1:9160" in done.stderr
    (tmp_path / "first").mkdir()
    port = free_port()
    daemon = start_daemon(f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
    other = Daemon(tmp_path / "first", f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
    done = other.msilod("start", "--listen", f"udp:127.0.0.1:{free_port()}")
    assert done.returncode == 69
    assert f"cannot listen on metrics:127.0.0.1:{port}: the port is taken" in done.stderr


def test_another_listener_wants_a_restart(start_daemon: Start) -> None:
    daemon = start_daemon("[metrics]\n")
    daemon.config.write_text(f'[metrics]\nlisten = "127.0.0.1:{free_port()}"\n')
    done = daemon.msilo("reload")
    assert done.returncode == 0
    assert "metrics.listen" in done.stdout + done.stderr

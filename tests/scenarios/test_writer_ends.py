"""The writer's process is killed: the daemon ends at once with a reason, and all answered messages are stored."""

import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

from tests.scenarios.conftest import Daemon
from tests.scenarios.phone import PATIENCE, Phone


def _writer_of(daemon: Daemon) -> int:
    assert daemon.process is not None
    pid = daemon.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    (writer,) = map(int, children)
    return writer


def test_a_daemon_without_its_writer_ends_with_a_line(daemon: Daemon, phone: Callable[[str], Phone]) -> None:
    alice = phone("alice")
    assert alice.text("bob", "first").status == 202
    writer = _writer_of(daemon)
    os.kill(writer, signal.SIGSTOP)
    alice.send(alice.message("bob", b"second"))
    assert alice.is_silent(0.2), "answered before the commit"
    os.kill(writer, signal.SIGKILL)
    process = daemon.process
    assert process is not None
    assert process.wait(PATIENCE) == 1
    lines = [line for line in (daemon.folder / "log").read_text().splitlines() if "has ended" in line]
    assert len(lines) == 1
    assert alice.is_silent(0.2), "nobody knows what became of it: a retransmission will ask"
    daemon.stop()
    daemon.start()
    assert [row["size"] for row in daemon.rows()] == [5]


def test_the_writer_has_no_socket_of_the_daemons_and_ends_with_it(daemon: Daemon) -> None:
    writer = _writer_of(daemon)
    sockets = [one for one in Path(f"/proc/{writer}/fd").iterdir() if os.readlink(one).startswith("socket:")]
    assert len(sockets) == 1, "the one to the daemon"
    gone = os.pidfd_open(writer)
    # Signal the whole group, as systemd or a terminal does. Only the daemon acts on the signal.
    os.kill(writer, signal.SIGTERM)
    assert not select.select([gone], [], [], 0.1)[0]
    daemon.stop()
    assert select.select([gone], [], [], PATIENCE)[0]
    os.close(gone)

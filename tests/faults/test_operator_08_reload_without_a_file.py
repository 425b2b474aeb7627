"""Operator 8 and reliability 17: a reload with a missing, empty or broken file keeps the configuration in force."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from msilod.control.protocol import ControlClient, ControlError
from msilod.daemon.reload import check_still_there
from msilod.errors import ConfigError
from msilod.settings import load
from msilod.transport.tls import MAX_PEM, BadTlsFile, load_certificates
from tests.scenarios.conftest import Daemon, start_daemon
from tests.scenarios.phone import Phone
from tests.transport.authority import Authority

__all__ = ["start_daemon"]
CONFIG = "[silo]\nmax_body = 10\n"


def reload(daemon: Daemon) -> str:
    """The answer of the control method, or the error."""
    with ControlClient(daemon.folder / "control.sock") as client:
        try:
            return str(client.call("reload"))
        except ControlError as error:
            return f"{error.exit_code}: {error}"


def test_missing_empty_and_broken_files_change_nothing(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon(CONFIG)
    log = daemon.folder / "log"

    def remove() -> None:
        daemon.config.unlink()

    spoil: list[tuple[Callable[[], object], str]] = [
        (remove, "no such file"),
        (lambda: daemon.config.write_text(""), "has no key any more"),
        (lambda: daemon.config.write_text("\n# nothing yet\n[silo]\n"), "has no key any more"),
        (lambda: daemon.config.write_text(CONFIG + "max_"), "not TOML"),
        (lambda: daemon.config.write_bytes(b"\xff\xfe"), "cannot be read"),
    ]
    with Phone("alice", daemon.address) as alice:
        for number, (change, why) in enumerate(spoil, 1):
            change()
            told = reload(daemon)
            assert why in told
            assert told.startswith("78: ")
            assert log.read_text().count("not reloaded, the old configuration stays") == number
            assert alice.text("bob", "x" * 50).status == 413, "the old configuration stays"
        assert daemon.process is not None
        daemon.config.unlink()
        daemon.process.send_signal(signal.SIGHUP)
        while log.read_text().count("not reloaded, the old configuration stays") == len(spoil):
            assert alice.text("bob", "x" * 50).status == 413
        daemon.config.write_text("[silo]\nmax_body = 100\n")
        assert "wants_restart" in reload(daemon)
        assert alice.text("bob", "x" * 50).status == 202
    assert daemon.stop() == 0
    # HUP is logged like the method, with a line each and without a traceback.
    assert log.read_text().count("not reloaded, the old configuration stays") == len(spoil) + 1
    assert "Traceback" not in log.read_text()


def test_the_next_file_of_the_search_order_does_not_take_its_place(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "STATE_DIRECTORY": str(tmp_path), "HOME": str(tmp_path)}
    file = tmp_path / "msilod" / "msilod.toml"
    file.parent.mkdir()
    file.write_text('domains = ["example.test"]\n')
    in_force = load(None, environment)
    assert in_force.file == file
    file.unlink()
    with pytest.raises(ConfigError, match="no such file any more"):
        check_still_there(in_force, load(None, environment))


def test_what_was_empty_may_be_empty_and_what_was_not_there_may_come(tmp_path: Path) -> None:
    file = tmp_path / "msilod.toml"
    environment = {"STATE_DIRECTORY": str(tmp_path)}
    file.write_text("# all defaults\n")
    empty = load(file, environment)
    check_still_there(empty, load(file, environment))
    file.write_text(CONFIG)
    full = load(file, environment)
    check_still_there(empty, full)
    check_still_there(load(None, {"STATE_DIRECTORY": str(tmp_path), "XDG_CONFIG_HOME": "/nowhere"}), full)


def test_a_policy_file_that_has_gone_keeps_the_policy(
    start_daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.py"
    policy.write_text(
        "from msilod.routing.actions import Reply\n"
        "def route(request):\n    return Reply(486, 'Busy Here')\n"
        "def failure_route(request, status):\n    return Reply(486, 'Busy Here')\n"
    )
    daemon = start_daemon('routing = "policy.py"\n')
    with Phone("alice", daemon.address) as alice:
        assert alice.text("bob").status == 486
        policy.unlink()
        assert "policy.py" in reload(daemon)
        policy.write_text("")
        assert "policy.py" in reload(daemon)
        assert alice.text("bob").status == 486


@pytest.mark.parametrize("name", ["certificate", "private_key"])
def test_a_certificate_that_is_a_fifo_does_not_stop_the_daemon(tmp_path: Path, name: str) -> None:
    # The event loop waits for OpenSSL, and OpenSSL waits for a writer of the FIFO.
    authority = Authority(tmp_path)
    authority.issue("example.test")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    files = {"certificate": tmp_path / "server.pem", "private_key": tmp_path / "server.key"} | {name: fifo}
    with pytest.raises(BadTlsFile, match="no regular file"):
        load_certificates(files["certificate"], files["private_key"], None)
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, MAX_PEM + 1)
    with pytest.raises(BadTlsFile, match="larger"):
        load_certificates(large, large, None)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "msilod.toml"
    file.write_text("\ufeff" + CONFIG)
    assert load(file, {}).config.silo.max_body == 10

"""Fixtures for scenarios: a real `msilod start` as a child process on free ports, with a silo in the test's folder."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import processes
from tests.ports import free_port
from tests.scenarios.phone import PATIENCE, Phone
from tests.transport.authority import Authority

# Seconds. A daemon without open transactions ends faster.
SHORT_DRAIN = 0.3


class Daemon:
    """One daemon, with the commands `msilod` and `msilo` for the same configuration."""

    def __init__(self, folder: Path, config: str = "") -> None:
        self.folder = folder
        self.config = folder / "msilod.toml"
        self.config.write_text(config)
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("MSILO_", "XDG_"))}
        self.environment = keep | {
            "STATE_DIRECTORY": str(folder), "RUNTIME_DIRECTORY": str(folder), "MSILO_CONFIG": str(self.config),
        }  # fmt: skip
        self.port = 0
        self.domains = ["example.test"]
        # Listeners beside UDP and TCP, as "tls:[::1]", with their ports.
        self.listen: tuple[str, ...] = ()
        self.ports: dict[str, int] = {}
        self.process: processes.Process | subprocess.Popen[str] | None = None

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    @property
    def silo(self) -> Path:
        return self.folder / "silo.db"

    def start(self) -> "Daemon":
        words = ["start"]
        for domain in self.domains:
            words += ["--domain", domain]
        # A restart asks for the ports of the first start.
        self.port = self.port or free_port()
        tcp = self.ports.get("tcp:127.0.0.1", self.port)
        words += ["--listen", f"udp:127.0.0.1:{self.port}", "--listen", f"tcp:127.0.0.1:{tcp}"]
        for spec in self.listen:
            host = spec.partition(":")[2].strip("[]")
            words += ["--listen", f"{spec}:{self.ports.get(spec) or free_port(host)}"]
        with (self.folder / "log").open("a") as log:
            self.process = processes.start("msilod", *words, environment=self.environment, stderr=log)
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        assert "udp:127.0.0.1:" in ready, (self.folder / "log").read_text()
        for endpoint in ready.partition(" ready: ")[2].partition(", domains ")[0].split():
            spec, _, port = endpoint.rpartition(":")
            self.ports[spec] = int(port)
        self.port = self.ports["udp:127.0.0.1"]
        return self

    def stop(self, sign: int = signal.SIGTERM) -> int:
        assert self.process is not None
        process, self.process = self.process, None
        process.send_signal(sign)
        try:
            return process.wait(PATIENCE + 10)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def end(self) -> None:
        """Stop at the end of a test, without waiting for open transactions: a second SIGTERM ends the drain."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(SHORT_DRAIN)
        self.stop()

    def kill(self) -> None:
        """Kill the process, without any clean-up."""
        self.stop(signal.SIGKILL)

    def msilo(self, *arguments: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        return processes.run("msilo", *arguments, environment=self.environment, stdin=stdin)

    def msilod(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run `msilod` to the end: `check`, or a failing `start`."""
        return processes.run("msilod", *words, environment=self.environment)

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """The messages of `msilo list --json`."""
        done = self.msilo("list", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The authority for the certificate of 127.0.0.1 in the daemon's folder."""
    made = Authority(tmp_path)
    made.issue("127.0.0.1")
    return made


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Starts daemons with a configuration, and stops running daemons at the end of the test."""
    running: list[Daemon] = []

    def start(config: str = "", listen: tuple[str, ...] = ()) -> Daemon:
        running.append(Daemon(tmp_path, config))
        running[-1].listen = listen
        return running[-1].start()

    yield start
    for daemon in running:
        if daemon.process is not None:
            daemon.end()


@pytest.fixture
def daemon(start_daemon: Callable[..., Daemon]) -> Daemon:
    """A daemon with the default configuration."""
    return start_daemon()


@pytest.fixture
def phone(daemon: Daemon) -> Iterator[Callable[[str], Phone]]:
    """Makes phones of users of `daemon`."""
    made: list[Phone] = []

    def make(user: str) -> Phone:
        made.append(Phone(user, daemon.address))
        return made[-1]

    yield make
    for one in made:
        one.socket.close()

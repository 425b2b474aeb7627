"""The servers under test, each as a process of its own with an empty SQLite silo.

Rules: everything lies in one directory of the run; the operator's own configuration is never read. Both
servers get a durable database: journal in WAL mode, synchronous=FULL. Only what was started here is
stopped here.
"""

import os
import re
import shlex
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

from tests.bench.load.digest import ALGORITHM, secret_of
from tests.bench.load.process import Sample, sample
from tests.bench.load.wire import options_request, user_name

DOMAIN = "bench.test"
START_TIME = 20.0
STOP_TIME = 30.0
_LISTENER = re.compile(r"([a-z]+):127\.0\.0\.1:([1-9][0-9]*)")
_TABLES = Path("/usr/share/kamailio/db_sqlite")
_MODULES = ("/usr/lib/*/kamailio/modules", "/usr/lib*/kamailio/modules", "/usr/local/lib*/kamailio/modules")


class ServerFailed(Exception):
    """A server that does not start; the text holds the end of its log."""


class Server:
    """A server's process. `name` is what the report calls it.

    `fillers`: open transactions at which it stores without refusing.
    """

    name = ""
    fillers = 1
    has_tcp = False
    can_have_users = False

    def __init__(self) -> None:
        # Set before the start: so many users exist; 0: no users at all. `trusts`: their requests are not challenged.
        self.users = 0
        self.trusts = True
        self.address = ("127.0.0.1", 0)
        self.tcp_address = ("127.0.0.1", 0)
        self.process: subprocess.Popen[bytes] | None = None
        self.log = Path()

    def start(self, directory: Path) -> None:
        """Starts it on a free port with everything in `directory`, and waits until it answers."""
        raise NotImplementedError

    def spawn(self, command: list[str], directory: Path, environment: dict[str, str]) -> None:
        """Starts the process, its output in a log beside the silo."""
        self.log = directory / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | environment
            )

    def wait_until(self, ready: "Iterator[bool]") -> None:
        """Asks `ready` until it says so. ServerFailed: it ended before, or the time is up."""
        end = monotonic() + START_TIME
        assert self.process is not None
        while not next(ready):
            if self.process.poll() is not None or monotonic() > end:
                raise ServerFailed(f"{self.name} does not start:\n{self.log_end()}")
            sleep(0.02)

    def log_end(self) -> str:
        """The last lines it wrote."""
        return self.log.read_bytes()[-2000:].decode(errors="replace")

    def sample(self) -> Sample:
        """Memory and processor time now."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise ServerFailed(f"{self.name} ended by itself:\n{self.log_end()}")
        return sample(self.process.pid)

    def stop(self) -> None:
        """TERM, and KILL only after a long time."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_TIME)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class Msilod(Server):
    """`msilod start` with the defaults, on free ports; with a certificate and its key by TLS as well."""

    name = "msilod"
    fillers = 256
    has_tcp = True
    can_have_users = True

    def __init__(
        self, command: str = "", certificate: tuple[Path, Path] | None = None, name: str = "msilod"
    ) -> None:
        super().__init__()
        self.name = name
        self.command = shlex.split(command) or [sys.executable, "-m", "msilod"]
        self.transports = ["udp", "tcp"]
        self.config = ""
        if certificate is not None:
            self.transports.append("tls")
            self.config = f'[tls]\ncertificate = "{certificate[0]}"\nprivate_key = "{certificate[1]}"\n'
        self.tls_address = ("127.0.0.1", 0)

    def version(self) -> str:
        """What it says of itself: also whether it is compiled."""
        return subprocess.run([*self.command, "--version"], capture_output=True, text=True).stdout.strip()

    def start(self, directory: Path) -> None:
        """Learns the ports from the line that says it is ready."""
        config = directory / "msilod.toml"
        config.write_text(self.config)
        options = ["--config", str(config), "--domain", DOMAIN]
        options += [word for name in self.transports for word in ("--listen", f"{name}:127.0.0.1:0")]
        options += ["--db-url", f"sqlite:///{directory}/silo.db"]
        state = {"STATE_DIRECTORY": str(directory), "RUNTIME_DIRECTORY": str(directory)}
        command = [*self.command, "start", *options]
        if self.users:
            # The daemon makes its own silo: another version of msilod has another schema.
            self._run(command, directory, state)
            self.stop()
            add_users(directory / "silo.db", self.users)
            if self.trusts:
                config.write_text('trusted = ["127.0.0.0/8"]\n' + self.config)
        self._run(command, directory, state)

    def _run(self, command: list[str], directory: Path, environment: dict[str, str]) -> None:
        self.spawn(command, directory, environment)
        self.wait_until(self._has_listeners())

    def _has_listeners(self) -> Iterator[bool]:
        while True:
            ports = {name: int(port) for name, port in _LISTENER.findall(self.log.read_text())}
            is_ready = all(name in ports for name in self.transports)
            if is_ready:
                self.address = ("127.0.0.1", ports["udp"])
                self.tcp_address = ("127.0.0.1", ports["tcp"])
                self.tls_address = ("127.0.0.1", ports.get("tls", 0))
            yield is_ready


class Kamailio(Server):
    """Kamailio with its msilo module, configured by kamailio.cfg beside this folder."""

    def __init__(self, children: int) -> None:
        super().__init__()
        self.children = children
        self.name = f"kamailio-{children}"

    def start(self, directory: Path) -> None:
        """There is no line that says ready: an OPTIONS is sent until it is answered."""
        silo = directory / "silo.db"
        create_tables(silo)
        self.address = ("127.0.0.1", free_port())
        given = {
            "PORT": str(self.address[1]),
            "CHILDREN": str(self.children),
            "DBURL": f'"sqlite:///{silo}"',
            "SELF": f'"sip:127.0.0.1:{self.address[1]}"',
            "DOMAIN": f'"{DOMAIN}"',
        }
        config = Path(__file__).parent.parent / "kamailio.cfg"
        command = ["kamailio", "-f", str(config), "-DD", "-E", "-m", "2048", "-M", "16"]
        command += ["-L", modules(), "-Y", str(directory)]
        command += [word for name, value in given.items() for word in ("-A", f"{name}={value}")]
        self.spawn(command, directory, {})
        self.wait_until(answers(self.address))


def answers(address: tuple[str, int]) -> Iterator[bool]:
    """Whether an OPTIONS is answered, with whatever status."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(address)
        asking.settimeout(0.1)
        number = 0
        while True:
            number += 1
            try:
                asking.send(options_request(DOMAIN.encode(), asking.getsockname()[1], number))
                yield asking.recv(4096).startswith(b"SIP/2.0 ")
            except OSError:
                yield False


def add_users(silo: Path, count: int) -> None:
    """So many users u00000000 ...: they turn the limits of senders on, and only users have a mailbox."""
    names = [b"u" + user_name(number) for number in range(count)]
    rows = [
        (f"{name.decode()}@{DOMAIN}", ALGORITHM.decode(), DOMAIN, secret_of(name, DOMAIN.encode()).hex())
        for name in names
    ]
    with sqlite3.connect(silo) as database:
        database.executemany("INSERT INTO silo_user (aor, algorithm, realm, ha1) VALUES (?, ?, ?, ?)", rows)
        database.execute("INSERT INTO silo_user_change (aor, at) VALUES (?, 0)", rows[0][:1])
    database.close()


def create_tables(silo: Path) -> None:
    """Kamailio's own tables, in WAL mode, which the file remembers."""
    with sqlite3.connect(silo) as database:
        database.execute("PRAGMA journal_mode=WAL")
        for part in ("standard", "msilo"):
            database.executescript((_TABLES / f"{part}-create.sql").read_text())
    database.close()


def free_port() -> int:
    """A UDP port nobody has at the moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind(("127.0.0.1", 0))
        return int(asking.getsockname()[1])


def modules() -> str:
    """The directory of Kamailio's modules, empty when msilo or SQLite is missing."""
    for pattern in _MODULES:
        for found in Path("/").glob(pattern[1:]):
            if (found / "msilo.so").exists() and (found / "db_sqlite.so").exists():
                return f"{found}/"
    return ""


def has_kamailio() -> bool:
    """The program, its msilo and SQLite modules and its tables are installed."""
    return bool(shutil.which("kamailio") and modules() and (_TABLES / "msilo-create.sql").exists())

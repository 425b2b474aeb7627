"""One baresip, driven by ctrl_tcp, and what it heard. It wants an address outside 127/8, so it lives in a namespace.

Rules: run only by programs inside the namespace, where HERE is an address of lo. Text messages have no event, so what
came is read from its SIP trace.
"""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import pytest

from tests.peers.conftest import program

ROOT: Final = Path(__file__).parent.parent.parent
HERE: Final = "198.51.100.1"
# The shell sets up the namespace, which goes when its last process does.
SET_UP: Final = f'ip link set lo up && ip address add {HERE}/32 dev lo && exec "$@"'
PATIENCE: Final = 30.0

CONFIG: Final = """sip_listen {here}:{port}
net_interface lo
module_path {modules}
module g711.so
module aubridge.so
module_tmp account.so
module_app contact.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
audio_source aubridge,{name}
audio_player aubridge,{name}
"""
ACCOUNT: Final = (
    "<sip:{name}@example.test;transport={transport}>"
    ';outbound="sip:{here}:{server};transport={transport}"{more}\n'
)
# How the trace, with its line ends as text has them, writes a MESSAGE to the contact that baresip makes up.
CAME: Final = re.compile(
    r"^MESSAGE sip:\w+-0x.*?^Call-ID: (\S+)$.*?\n\n(.*?)\x1b\[;m", re.DOTALL | re.MULTILINE
)


def in_namespace() -> list[str]:
    """A network of its own. Skips where that needs more rights than we have; in CI that is a failure."""
    # Who is not root is so within a namespace of users.
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = [program("unshare"), *rights, "--net", "--", "sh", "-c"]
    program("ip")
    tried = subprocess.run([*command, "exit 0"], capture_output=True, text=True, check=False)
    if tried.returncode and not os.environ.get("MSILOD_CI"):
        pytest.skip(f"no network namespace: {tried.stderr.strip()}")
    assert tried.returncode == 0, tried.stderr
    return [*command, SET_UP, "sh"]


def run_inside(module: str, folder: Path, transport: str) -> str:
    """Run a program of this folder inside a namespace of its own; its output. AssertionError with the daemon's log."""
    command = [*in_namespace(), sys.executable, "-m", f"tests.peers.{module}", str(folder), transport]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    log = (folder / "log").read_text() if (folder / "log").exists() else ""
    assert done.returncode == 0, done.stdout + done.stderr + log
    return done.stdout


def until(holds: Callable[[], bool]) -> None:
    """Ask again until it holds; AssertionError when it never does."""
    end = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < end, "it never came true"
        sleep(0.1)


class Baresip:
    """One for the user `name`. It takes its SIP port and the next one, for TLS; `more` ends its line of accounts.

    `peer` is whom the command `message` writes to. An authority in the folder, ca.pem, is believed.
    """

    def __init__(
        self, folder: Path, name: str, port: int, server: int, transport: str, more: str = "", peer: str = ""
    ) -> None:
        self.folder = folder / f"{name}-{port}"
        self.folder.mkdir()
        modules = next(Path("/usr/lib").glob("**/baresip/modules"))
        words = {"here": HERE, "name": name, "transport": transport, "modules": modules, "server": server}
        config = CONFIG.format(port=port, control=port + 1000, **words)
        if (folder / "ca.pem").exists():
            config += f"sip_cafile {folder}/ca.pem\n"
        (self.folder / "config").write_text(config)
        (self.folder / "accounts").write_text(ACCOUNT.format(more=more, **words))
        (self.folder / "contacts").write_text(f"<sip:{peer}@example.test>\n" if peer else "")
        self.log = self.folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["baresip", "-s", "-f", str(self.folder)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self.control = self._connect(port + 1000)
        self.unread = b""

    def _connect(self, port: int) -> socket.socket:
        end = monotonic() + PATIENCE
        while monotonic() < end and self.process.poll() is None:
            with suppress(OSError):
                control = socket.create_connection(("127.0.0.1", port))
                control.settimeout(PATIENCE)
                return control
            sleep(0.05)
        raise SystemExit(self.log.read_text())

    def command(self, word: str, argument: str = "") -> None:
        text = json.dumps({"command": word, "params": argument, "token": word}).encode()
        self.control.sendall(b"%d:%b," % (len(text), text))

    def wait_for(self, kind: str) -> dict[str, Any]:
        """The next event of that kind."""
        while True:
            event = self._read()
            if event.get("type") == kind:
                return event

    def _read(self) -> dict[str, Any]:
        while True:
            length, colon, rest = self.unread.partition(b":")
            if colon and len(rest) > int(length):
                self.unread = rest[int(length) + 1 :]
                found: dict[str, Any] = json.loads(rest[: int(length)])
                return found
            self.unread += self.control.recv(65535)

    def texts(self) -> list[str]:
        """The text messages that came, in order; copies of one are one."""
        return list(dict(CAME.findall(self.log.read_text())).values())

    def heard(self, status_line: str) -> int:
        """How often it got this answer."""
        return self.log.read_text().count(f"\nSIP/2.0 {status_line}\n")

    def stop(self) -> None:
        """As a crash: no goodbye to anybody."""
        self.process.kill()
        self.process.wait()

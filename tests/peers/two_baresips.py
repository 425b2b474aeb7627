"""Two baresips and a daemon in a network namespace of their own: alice calls bob, and bob hangs up.

`python -m tests.peers.two_baresips FOLDER TRANSPORT`, inside the namespace, where HERE is an address of lo: baresip
wants one outside 127/8. Ends with 0 and the daemon's count of relayed requests on standard output.
"""

import json
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests.scenarios.conftest import Daemon

HERE = "198.51.100.1"
PATIENCE = 30.0

CONFIG = """sip_listen {here}:{port}
net_interface lo
module_path {modules}
module g711.so
module aubridge.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
audio_source aubridge,{name}
audio_player aubridge,{name}
"""
ACCOUNT = '<sip:{name}@example.test;transport={transport}>;outbound="sip:{here}:{server};transport={transport}"{more}\n'


class Baresip:
    """One, driven by ctrl_tcp: netstrings of JSON. It takes its SIP port and the next one, for TLS."""

    def __init__(
        self, folder: Path, name: str, port: int, server: int, transport: str, more: str = ""
    ) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        modules = next(Path("/usr/lib").glob("**/baresip/modules"))
        words = {"here": HERE, "name": name, "transport": transport, "modules": modules, "server": server}
        config = CONFIG.format(port=port, control=port + 1000, **words)
        (self.folder / "config").write_text(config)
        (self.folder / "accounts").write_text(ACCOUNT.format(more=more, **words))
        (self.folder / "contacts").write_text("")
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                ["baresip", "-f", str(self.folder)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
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
        raise SystemExit((self.folder / "log").read_text())

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

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def main(folder: Path, transport: str) -> None:
    with ExitStack() as closing:
        daemon = Daemon(folder, '[auth]\nmode = "off"\n')
        daemon.listen = (f"udp:{HERE}", f"tcp:{HERE}")
        daemon.start()
        closing.callback(daemon.stop)
        server = daemon.ports[f"{transport}:{HERE}"]
        bob = Baresip(folder, "bob", 5080, server, transport, ";answermode=auto")
        closing.callback(bob.stop)
        alice = Baresip(folder, "alice", 5090, server, transport)
        closing.callback(alice.stop)
        end = monotonic() + PATIENCE
        while daemon.msilo("bindings").stdout.count("\n") < 2 and monotonic() < end:
            sleep(0.1)
        alice.command("dial", "sip:bob@example.test")
        for phone in (alice, bob):
            phone.wait_for("CALL_ESTABLISHED")
        bob.command("hangup")
        alice.wait_for("CALL_CLOSED")
        sys.stdout.write(daemon.msilo("status", "--json").stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

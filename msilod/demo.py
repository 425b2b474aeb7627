"""Demo: `msilod demo` shows the main job on real sockets and a real database, in under five seconds.

The demo starts a daemon on a free loopback port, with a silo in a temporary folder. Alice sends a MESSAGE to Bob, an
offline user; Bob registers; the MESSAGE arrives. Each step is compared with the bytes on the wire, and the exit status
is 0 only when all steps were seen. The folder is removed at the end.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msilod.sip.dates import format_date
from msilod.sip.message import Request, Response, build_response
from msilod.sip.parser import parse

PATIENCE: Final = 4.0
BODY: Final = "Dinner at eight? Grüße, Alice"
CALL_ID: Final = b"demo-1@alice.example"
COLUMNS: Final = {"alice": 3, "msilod": 34, "bob": 65}


class DemoFailed(Exception):
    """A step of the demo did not happen."""


@dataclass
class Phone:
    """A minimal user agent: a UDP socket to send and receive messages."""

    name: str
    server: tuple[str, int] = ("127.0.0.1", 0)

    def __post_init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(PATIENCE)

    @property
    def port(self) -> int:
        """The local UDP port of the phone."""
        return int(self.socket.getsockname()[1])

    def say(self, data: bytes) -> None:
        """Send a datagram to the daemon."""
        self.socket.sendto(data, self.server)

    def hear(self) -> Request | Response:
        """Receive the next message. Raises DemoFailed after PATIENCE seconds."""
        try:
            return parse(self.socket.recv(65535))
        except TimeoutError as error:
            raise DemoFailed(f"{self.name} received nothing for {PATIENCE:g} s") from error


class Ladder:
    """A SIP ladder diagram, printed line by line."""

    def __init__(self) -> None:
        print("\n" + "".join(f"{name:^31}" for name in COLUMNS))

    def arrow(self, start: str, end: str, text: str, note: str = "") -> None:
        """Print the arrow of one message from `start` to `end`."""
        left, right = sorted((COLUMNS[start], COLUMNS[end]))
        shaft = f" {text} ".center(right - left - 3 + 12, "-")[: right - left + 9]
        shaft = shaft + ">" if COLUMNS[start] < COLUMNS[end] else "<" + shaft
        print(" " * (left + 9) + shaft.ljust(36) + ("" if not note else f"  {note}"))

    def note(self, text: str) -> None:
        """Print text below the ladder, for example the output of a command."""
        for line in text.splitlines():
            print(f"      {line}")


def _message(server: str, port: int, date: bytes) -> bytes:
    body = BODY.encode()
    head = (
        f"MESSAGE sip:bob@{server} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bKdemo1\r\n"
        "Max-Forwards: 70\r\n"
        f'From: "Alice" <sip:alice@{server}>;tag=demo-a\r\n'
        f"To: <sip:bob@{server}>\r\n"
        f"Call-ID: {CALL_ID.decode()}\r\n"
        "CSeq: 1 MESSAGE\r\n"
        f"Date: {date.decode()}\r\n"
        "Content-Type: text/plain;charset=UTF-8\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _register(server: str, port: int) -> bytes:
    return (
        f"REGISTER sip:{server} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bKdemo2\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:bob@{server}>;tag=demo-b\r\n"
        f"To: <sip:bob@{server}>\r\n"
        "Call-ID: demo-2@bob.example\r\n"
        "CSeq: 1 REGISTER\r\n"
        f"Contact: <sip:bob@127.0.0.1:{port}>\r\n"
        "Allow: MESSAGE, OPTIONS\r\n"
        "Expires: 600\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def _expect(seen: object, wanted: object, what: str) -> None:
    if seen != wanted:
        raise DemoFailed(f"{what}: expected {wanted!r}, saw {seen!r}")


class Daemon:
    """The real `msilod start` as a child, on a free port, with its silo in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.domain = "example.test"
        self.environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("MSILO_", "XDG_", "JOURNAL"))
        }
        self.environment |= {
            "STATE_DIRECTORY": str(folder),
            "RUNTIME_DIRECTORY": str(folder),
            "MSILO_CONFIG": str(folder / "msilod.toml"),
        }
        (folder / "msilod.toml").write_text("# the demo runs on defaults\n")
        command = [sys.executable, "-m", "msilod", "start", "--domain", self.domain]
        command += ["--listen", "udp:127.0.0.1:0", "--log-level", "error"]
        self.process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True)

    def port(self) -> int:
        """The UDP port in the daemon's ready line. Raises DemoFailed without a ready line."""
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        for word in ready.replace(",", " ").split():
            if word.startswith("udp:"):
                print(f"  {ready.strip()}")
                return int(word.rpartition(":")[2])
        raise DemoFailed("the daemon did not start")

    def msilo(self, *arguments: str) -> str:
        """The output of the real `msilo`. Raises DemoFailed when `msilo` fails."""
        command = [sys.executable, "-m", "msilo_cli", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DemoFailed(
                f"msilo {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}"
            )
        return done.stdout

    def stop(self) -> None:
        """Send TERM and wait for the end; after PATIENCE seconds, kill."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def _act(daemon: Daemon) -> None:
    port = daemon.port()
    alice, bob = Phone("alice"), Phone("bob")
    alice.server = bob.server = ("127.0.0.1", port)
    try:
        _play(daemon, alice, bob)
    finally:
        alice.socket.close()
        bob.socket.close()


def _play(daemon: Daemon, alice: Phone, bob: Phone) -> None:
    ladder, date = Ladder(), format_date(time.time())
    alice.say(_message(daemon.domain, alice.port, date))
    ladder.arrow("alice", "msilod", "MESSAGE", "bob is not registered")
    answer = alice.hear()
    _expect(getattr(answer, "status", None), 202, "the answer to alice")
    ladder.arrow("msilod", "alice", "202 Accepted", "the row is on the disk")
    row = daemon.msilo("list", f"bob@{daemon.domain}")
    _expect(f"bob@{daemon.domain}" in row, True, "the row in msilo list")
    ladder.note(f"$ msilo list bob@{daemon.domain}\n{row.rstrip()}")
    bob.say(_register(daemon.domain, bob.port))
    ladder.arrow("bob", "msilod", "REGISTER")
    _bob_hears(ladder, bob, date)
    _row_is_gone(daemon, ladder)


def _bob_hears(ladder: Ladder, bob: Phone, date: bytes) -> None:
    answer = bob.hear()
    _expect(getattr(answer, "status", None), 200, "the answer to bob's REGISTER")
    ladder.arrow("msilod", "bob", "200 OK")
    message = bob.hear()
    if not isinstance(message, Request):
        raise DemoFailed("bob expected a request")
    _expect(message.method, b"MESSAGE", "what bob receives")
    _expect(message.body.decode(), BODY, "the body")
    _expect(message.headers.get(b"date"), date, "the Date")
    _expect(message.headers.get(b"call-id"), CALL_ID, "the Call-ID")
    ladder.arrow("msilod", "bob", "MESSAGE", "body, Date and Call-ID as alice sent them")
    bob.say(build_response(message, 200, to_tag=b"demo-bob").to_bytes())
    ladder.arrow("bob", "msilod", "200 OK")


def _row_is_gone(daemon: Daemon, ladder: Ladder) -> None:
    deadline = time.monotonic() + PATIENCE
    while rows := daemon.msilo("list", f"bob@{daemon.domain}"):
        if time.monotonic() > deadline:
            raise DemoFailed(f"the row is still there: {rows.strip()}")
    ladder.note(f"$ msilo list bob@{daemon.domain}\n(nothing: a delivered row is deleted)")


def run_demo() -> int:
    """Run the demo. Returns 0 when all steps were seen, 1 otherwise."""
    with tempfile.TemporaryDirectory(prefix="msilod-demo-") as folder:
        daemon = Daemon(Path(folder))
        try:
            _act(daemon)
        except DemoFailed as failure:
            print(f"msilod demo: {failure}", file=sys.stderr)
            return 1
        finally:
            daemon.stop()
    print("\nEvery step was seen: stored durably, delivered once, deleted from the silo.")
    return 0

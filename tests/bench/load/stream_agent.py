"""An agent over one TCP connection: the same requests, framed by Content-Length (RFC 3261 §18.3).

Rule: what does not fit into the socket at once waits here, in its order; nothing is ever sent in part and forgotten.
"""

import socket

from tests.bench.load.agent import Agent
from tests.bench.load.ledger import Ledger

CHUNK = 262_144
_LENGTH = b"content-length:"


class StreamAgent(Agent):
    """Its Via says TCP, and so does its Contact."""

    __slots__ = ("_received", "_unsent")

    def __init__(self, server: tuple[str, int], run: bytes, ledger: Ledger | None = None) -> None:
        super().__init__(server, run, ledger)
        self.socket.close()
        self.socket = socket.create_connection(server)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]
        self._received = b""
        self._unsent = b""

    def drain(self) -> None:
        """Takes what has come and every whole message of it."""
        try:
            self._received += self.socket.recv(CHUNK)
        except (BlockingIOError, ConnectionError):
            return
        data, at = self._received, 0
        while (end := message_end(data, at)) > 0:
            message = data[at:end]
            at = end
            if message.startswith(b"SIP/2.0 "):
                self._answered(message)
            else:
                self._asked(message)
        self._received = data[at:]

    def handle_timeout(self, now: float) -> None:
        """A stream loses nothing, so nothing is sent again; what waits is tried."""
        if self._unsent:
            self._write(b"")

    def _send(self, data: bytes) -> None:
        if not data.startswith(b"SIP/2.0 "):
            data = data.replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP", 1)
            data = data.replace(b"@127.0.0.1:%d>" % self.port, b"@127.0.0.1:%d;transport=tcp>" % self.port, 1)
        self._write(data)

    def _write(self, data: bytes) -> None:
        self._unsent += data
        try:
            self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            return


def message_end(data: bytes, at: int) -> int:
    """Where the message that begins at `at` ends; -1 when it is not whole yet."""
    head_end = data.find(b"\r\n\r\n", at)
    if head_end < 0:
        return -1
    head = data[at:head_end].lower()
    field = head.find(_LENGTH)
    length = int(head[field + len(_LENGTH) :].split(b"\r\n", 1)[0]) if field >= 0 else 0
    end = head_end + 4 + length
    return end if end <= len(data) else -1

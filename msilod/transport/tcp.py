"""TCP: connections framed by Content-Length, without a trio stream (RFC 3261 §18.3).

Rules: a read costs one call, and no memory while no bytes come; a write costs one call while the kernel has room.
A message has `head` seconds for its head and `message` seconds in all, however slowly the bytes come.
"""

import errno
import socket
import ssl
from typing import Final

import trio

from msilod.sip.flow import Flow
from msilod.sip.framing import KEEP_ALIVE, PONG, FramingLost, KeepAlive, StreamFramer
from msilod.transport.streams import Connection, Streams

CHUNK: Final = 65536
CHUNK_OF_STRANGER: Final = 4096
# A vanished peer is noticed within two minutes, or within 30 s after we have sent bytes.
_KEEP_ALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)
# Exceptions of a socket with no bytes to read or no room to write. The last two are raised with TLS.
WOULD_BLOCK: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
# One buffer for all connections: the bytes of a read are framed before the next read.
_buffer = bytearray(CHUNK)
_view = memoryview(_buffer)


def prepare(sock: socket.socket) -> None:
    """Make a socket non-blocking, with keep-alives to notice a vanished peer. Raises OSError."""
    sock.setblocking(False)
    for level, option, value in _KEEP_ALIVE:
        sock.setsockopt(level, option, value)


async def connect(host: str, port: int) -> socket.socket:
    """A connected socket to an IP literal. Raises OSError."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        prepare(sock)
        try:
            sock.connect((host, port))
        except BlockingIOError:
            await trio.lowlevel.wait_writable(sock)
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, "refused or out of reach") from None
        if sock.getsockname()[:2] == sock.getpeername()[:2]:
            # No program listens there, and the kernel chose the same port for us: a TCP simultaneous open.
            raise OSError(errno.ECONNREFUSED, "the connection would be to this socket itself")
    except BaseException:
        sock.close()
        raise
    return sock


class TcpConnection(Connection):
    """One TCP connection, framed by Content-Length. TLS uses the same class with another kind of socket."""

    __slots__ = ("_began", "_framer")

    def __init__(self, streams: Streams, sock: socket.socket, flow: Flow, domain: str = "") -> None:
        super().__init__(streams, sock, flow, domain)
        self._framer = StreamFramer()
        # Monotonic seconds when the incomplete message began; None between messages.
        self._began: float | None = None

    def on_deadline(self, now: float) -> None:
        """End a connection with a late message, or an idle connection."""
        if self._began is not None:
            self.close()
        else:
            super().on_deadline(now)

    def _at_once(self) -> int:
        """Bytes per read. All bytes of a read are framed together: 160 requests of a stranger take 2 ms."""
        return CHUNK if self.is_proven or not self.streams.are_strangers_limited else CHUNK_OF_STRANGER

    def discard(self) -> None:
        """Free the bytes of the unfinished message."""
        self._framer = StreamFramer()

    async def _run(self) -> None:
        sock = self._socket
        while True:
            # Usually one message comes per wake-up. A second read would only raise BlockingIOError.
            await trio.lowlevel.wait_readable(sock)
            if self._is_ending:
                return
            try:
                length = sock.recv_into(_buffer, self._at_once())
            except WOULD_BLOCK:
                continue
            except OSError:
                return
            if not length:
                return
            if not self._feed(bytes(_view[:length])):
                await self._end()
                return

    def _feed(self, data: bytes) -> bool:
        """False when the stream cannot go on."""
        receiver, lost = self.streams.receiver, None
        messages: list[bytes | KeepAlive] = []
        try:
            messages = self._framer.feed(data)
        except FramingLost as error:
            lost, messages = error, error.messages
        for message in messages:
            if self._is_ending:
                # An earlier message closed the connection.
                break
            if isinstance(message, bytes):
                receiver.receive(message, self.flow)
            elif message is KEEP_ALIVE:
                self._say(PONG)
        is_lost = lost is not None
        if lost is not None:
            receiver.malformed(lost, self.flow)
            # The traceback refers to this frame with the bytes read: a reference cycle of 64 kB, left to the collector.
            lost = None
        self._time(bool(messages))
        receiver.after_batch()
        return not is_lost and not self._is_ending

    def _time(self, has_ended_one: bool) -> None:
        now, limits = trio.current_time(), self.streams.limits
        held = self._framer.held
        if held != self.held:
            self.streams.hold(self, held)
        if not self._framer.pending:
            self._began, self.deadline = None, now + limits.idle
            return
        if has_ended_one or self._began is None:
            self._began = now
        self.deadline = self._began + (limits.message if self._framer.is_in_body else limits.head)

    def flush(self) -> None:
        """Write with one call when the kernel has room."""
        if self._is_writing or not self._unsent:
            return
        data = self._take()
        try:
            sent = self._socket.send(data)
        except WOULD_BLOCK:
            sent = 0
        except OSError:
            self.close()
            return
        self.unsent_bytes -= sent
        if sent < len(data):
            self._unsent.insert(0, data[sent:])
            self._write_later()

    async def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except WOULD_BLOCK:
                await trio.lowlevel.wait_writable(self._socket)

"""TCP: connections in and out, framed, bounded and timed (RFC 3261 §18; no slowloris, no hoarding).

Rules: a connection that does not finish a message in time, does not read what we send, or is idle for longer
than any transaction lasts is closed; what is open is counted per peer and in all.
"""

import socket
from collections import Counter
from itertools import count
from typing import Final

import trio

from msilod.errors import TransportError
from msilod.sip.flow import TCP, Endpoint, Flow
from msilod.sip.framing import KEEP_ALIVE, PONG, FramingLost, KeepAlive, StreamFramer
from msilod.transport.address import bound_socket, sent_by
from msilod.transport.listen import ListenSpec
from msilod.transport.receiver import Receiver

CHUNK: Final = 65536
MESSAGE_TIMEOUT: Final = 30.0
# Ten transactions' lives (64*T1): §18 wants connections kept at least one after their last use.
IDLE_TIMEOUT: Final = 320.0
WRITE_TIMEOUT: Final = 30.0
LAST_WORDS: Final = 1.0
MAX_UNSENT: Final = 512 * 1024
MAX_CONNECTIONS: Final = 20_000
MAX_PER_PEER: Final = 2_000
BACKLOG: Final = 1024
ACCEPT_PAUSE: Final = 0.2
_serial = count(1)


class Connection:
    """One connection; `flow.connection` is its serial number."""

    def __init__(self, stream: trio.SocketStream, endpoint: Endpoint, host: str, port: int) -> None:
        self.stream = stream
        self.flow = Flow(endpoint, host, port, next(_serial))
        self.last_used = trio.current_time()
        self._framer = StreamFramer()
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._has_unsent = trio.Event()
        self._is_ending = False
        self._scope = trio.CancelScope()

    def send(self, data: bytes) -> None:
        """Queue for the writer task. Raises TransportError, and closes, for a peer that does not read."""
        if self._scope.cancel_called:
            raise TransportError(f"{self.flow} is closed")
        self._unsent_bytes += len(data)
        if self._unsent_bytes > MAX_UNSENT:
            self.close()
            raise TransportError(f"{self.flow} does not read what it is sent")
        self._unsent.append(data)
        self._has_unsent.set()

    def close(self) -> None:
        """End it; its tasks do the rest."""
        self._scope.cancel()

    async def serve(self, receiver: Receiver) -> None:
        """Read and write until either side has had enough."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    await self._read(receiver)
                    # What was answered before the end, e.g. the 400 for what could not be framed.
                    self._is_ending = True
                    self._has_unsent.set()
                    nursery.cancel_scope.deadline = trio.current_time() + LAST_WORDS
        finally:
            self.stream.socket.close()

    async def _read(self, receiver: Receiver) -> None:
        while True:
            patience = MESSAGE_TIMEOUT if self._framer.pending else IDLE_TIMEOUT
            data = b""
            with trio.move_on_after(patience):
                try:
                    data = await self.stream.receive_some(CHUNK)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return
            if not data or not self._feed(data, receiver):
                return

    def _feed(self, data: bytes, receiver: Receiver) -> bool:
        """False when the stream cannot go on."""
        self.last_used = trio.current_time()
        lost: FramingLost | None = None
        messages: list[bytes | KeepAlive] = []
        try:
            messages = self._framer.feed(data)
        except FramingLost as error:
            lost, messages = error, error.messages
        for message in messages:
            if isinstance(message, bytes):
                receiver.receive(message, self.flow)
            elif message is KEEP_ALIVE:
                self.send(PONG)
        if lost is not None:
            receiver.malformed(lost, self.flow)
        receiver.after_batch()
        return lost is None

    async def _write(self) -> None:
        while self._unsent or not self._is_ending:
            await self._has_unsent.wait()
            self._has_unsent = trio.Event()
            data, self._unsent, self._unsent_bytes = b"".join(self._unsent), [], 0
            with trio.move_on_after(WRITE_TIMEOUT) as scope:
                try:
                    await self.stream.send_all(data)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    self.close()
                    return
            if scope.cancelled_caught:
                self.close()
                return


class TcpEndpoint:
    """One TCP listener, and the connections that came by it or were made from it."""

    def __init__(self, spec: ListenSpec) -> None:
        self.socket = bound_socket(spec, socket.SOCK_STREAM)
        self.socket.listen(BACKLOG)
        port = int(self.socket.getsockname()[1])
        self.endpoint = Endpoint(TCP, spec.host, port, sent_by(TCP, spec.host, port))
        self.is_v6 = self.socket.family == socket.AF_INET6
        self.connections: dict[int, Connection] = {}
        self._by_peer: Counter[str] = Counter()
        self._accepting = trio.CancelScope()
        self.refused = 0

    async def serve(self, receiver: Receiver, nursery: trio.Nursery) -> None:
        """Accept until `stop_accepting`."""
        with self._accepting:
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(self.socket))
            while True:
                try:
                    stream = await listener.accept()
                except OSError:
                    # Out of descriptors: those who hold them will time out.
                    await trio.sleep(ACCEPT_PAUSE)
                    continue
                self._admit(stream, receiver, nursery)

    def _admit(self, stream: trio.SocketStream, receiver: Receiver, nursery: trio.Nursery) -> None:
        try:
            host, port = stream.socket.getpeername()[:2]
        except OSError:
            stream.socket.close()
            return
        if len(self.connections) >= MAX_CONNECTIONS or self._by_peer[host] >= MAX_PER_PEER:
            self.refused += 1
            stream.socket.close()
            return
        self.adopt(stream, host, port, receiver, nursery)

    def adopt(
        self, stream: trio.SocketStream, host: str, port: int, receiver: Receiver, nursery: trio.Nursery
    ) -> Connection:
        """Serve a connection, whoever made it."""
        connection = Connection(stream, self.endpoint, host, port)
        self.connections[connection.flow.connection] = connection
        self._by_peer[host] += 1
        nursery.start_soon(self._serve, connection, receiver)
        return connection

    async def _serve(self, connection: Connection, receiver: Receiver) -> None:
        try:
            await connection.serve(receiver)
        finally:
            del self.connections[connection.flow.connection]
            self._by_peer[connection.flow.host] -= 1
            if not self._by_peer[connection.flow.host]:
                del self._by_peer[connection.flow.host]
            receiver.closed(connection.flow)

    def send(self, data: bytes, flow: Flow) -> None:
        """Raises TransportError when the connection is gone."""
        connection = self.connections.get(flow.connection)
        if connection is None:
            raise TransportError(f"{flow} is closed")
        connection.send(data)

    def find(self, host: str, port: int) -> Connection | None:
        """An open connection to that peer (reuse before a new one)."""
        if not self._by_peer.get(host):
            return None
        for connection in self.connections.values():
            if connection.flow.host == host and connection.flow.port == port:
                return connection
        return None

    def stop_accepting(self) -> None:
        """No new connections; those that are open go on."""
        self._accepting.cancel()

    def close(self) -> None:
        """Let go of the port."""
        self.socket.close()

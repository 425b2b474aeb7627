"""Streams: the parts that TCP, TLS and WebSocket connections have in common (RFC 3261 §18).

An idle connection has one task, which waits for bytes, and no timer: one task, `Streams.watch`, checks the deadlines of
all connections. Sent bytes wait in a bounded queue for `flush`, and leave at once when the kernel has room. Otherwise a
writer task runs until the queue is empty. Open connections are counted per address and in all, against slow senders
(slowloris) and hoarders of connections.
"""

import ipaddress
import socket
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from math import inf
from typing import Any, Final

import trio

from msilod.errors import TransportError
from msilod.sip.flow import Flow
from msilod.transport.hoard import Hoard
from msilod.transport.receiver import Receiver

# File descriptors for other uses: listeners, the silo and its journal, the control socket and its clients.
RESERVED_FILES: Final = 256
# Bytes that an idle connection takes (tests/bench/idle.py); for a WebSocket also 16 kB of an incomplete request.
COSTS: Final = {"tcp": 4_500, "tls": 22_000, "ws": 40_000, "wss": 76_000}
# Sources with a refusal of new connections for a while.
MAX_SHUNNED: Final = 1_000
# Transport, address, port, and the domain that the certificate of a TLS peer has proved (RFC 5923 §9.1).
Peer = tuple[str, str, int, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes. `unsent`: bytes that wait for one peer; `unsent_in_all`: for all peers.

    `idle` is ten times 64*T1, the life of a transaction. RFC 3261 §18 asks for at least one life after the last use.
    A connection of a binding is kept as long as the binding. `ping`: RFC 7118 sets no interval, and proxies on the path
    close connections that are silent for 30 s.
    """

    connections: int = 20_000
    per_address: int = 2_000
    idle: float = 320.0
    head: float = 10.0
    message: float = 30.0
    handshake: float = 10.0
    write: float = 30.0
    last_words: float = 1.0
    ping: float = 25.0
    look: float = 1.0
    unsent: int = 512 * 1024
    unsent_in_all: int = 64 * 1024 * 1024
    # Unfinished messages on connections without a right password: in all, and of one source.
    unfinished: int = 16_000_000
    unfinished_per_source: int = 4_000_000
    # Unfinished messages on connections with a right password.
    unfinished_of_users: int = 64_000_000
    # Connections without a right password, where passwords are required: in all, and of one source.
    strangers: int = 64_000_000
    strangers_per_source: int = 24_000_000


class Connection(ABC):
    """One connection. `flow.connection` is the serial number; `deadline`: when the watch calls `on_deadline`."""

    __slots__ = (
        "_has_written", "_is_ending", "_is_writing", "_scope", "_socket", "_unsent", "deadline", "flow", "held",
        "is_proven", "peer", "streams", "unsent_bytes", "write_deadline",
    )  # fmt: skip

    def __init__(self, streams: "Streams", sock: socket.socket, flow: Flow, domain: str = "") -> None:
        self.streams = streams
        self.flow = flow
        self.peer: Peer = (flow.transport, flow.host, flow.port, domain)
        self.deadline = trio.current_time() + streams.limits.idle
        self.write_deadline = inf
        # True when a right password came over the connection. Not set by dialling: when a stranger
        # closes a connection, the daemon dials the stranger to send the answer.
        self.is_proven = False
        # Bytes of an incomplete message.
        self.held = 0
        self._socket = sock
        self._scope = trio.CancelScope()
        self._unsent: list[bytes] = []
        self.unsent_bytes = 0
        self._is_writing = False
        self._is_ending = False
        self._has_written: trio.Event | None = None

    # --- to be implemented by each kind ----------------------------------------------------------------

    @abstractmethod
    async def _run(self) -> None:
        """Do the handshake and read until either side closes; then call `_end`."""

    @abstractmethod
    async def _put(self, data: bytes) -> None:
        """Write all of `data`, and wait as long as the peer takes."""

    def flush(self) -> None:
        """Write the bytes that were sent since the last `flush`."""
        if self._unsent and not self._is_writing:
            self._write_later()

    def on_deadline(self, now: float) -> None:
        """`deadline` has passed: close an idle connection, unless a binding needs the connection."""
        if self.streams.is_needed(self.flow):
            self.deadline = now + self.streams.limits.idle
        else:
            self.close()

    # --- the same for all kinds ------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Queue for `flush`. Raises TransportError, and closes the connection, when the peer does not read."""
        if self._is_ending:
            raise TransportError(f"{self.flow} is closed")
        self.unsent_bytes += len(data)
        if self.unsent_bytes > self.streams.limits.unsent:
            self.close()
            raise TransportError(f"{self.flow} does not read")
        if not self._unsent:
            self.streams.unflushed.append(self)
        self._unsent.append(data)

    def _say(self, data: bytes) -> None:
        """Send, and ignore that the connection cannot send: no caller waits for the result."""
        with suppress(TransportError):
            self.send(data)

    def close(self) -> None:
        """End the connection; the connection's task closes the socket."""
        self._is_ending = True
        self._scope.cancel()

    def discard(self) -> None:  # noqa: B027 (not each kind can)
        """Free the buffers at once. The task ends later, after tasks that may read more in the meantime."""

    async def serve(self) -> None:
        """Run the connection until its end."""
        try:
            with self._scope:
                await self._run()
        except* Exception as errors:
            # An error of one connection must not end other connections.
            self.streams.receiver.broken(errors, self.flow)
        finally:
            self._is_ending = True
            self.streams.forget(self)
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
            self.streams.release(self)

    async def _end(self) -> None:
        """Write the last answer, e.g. the 400 for bytes that cannot be framed, and wait until the peer has read.

        Closing a socket with unread bytes resets the connection, and the peer may lose the answer.
        """
        self._is_ending = True
        with trio.move_on_after(self.streams.limits.last_words):
            self.flush()
            while self._is_writing:
                self._has_written = trio.Event()
                await self._has_written.wait()
            self.streams.forget(self)
            try:
                self._socket.shutdown(socket.SHUT_WR)
                while await _received(self._socket):
                    pass
            except OSError:
                return

    def _write_later(self) -> None:
        self._is_writing = True
        self.streams.writing.add(self)
        self.streams.start(self._write)

    async def _write(self) -> None:
        try:
            while self._unsent:
                self.write_deadline = trio.current_time() + self.streams.limits.write
                data = self._take()
                await self._put(data)
                self.unsent_bytes -= len(data)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            self.close()
        finally:
            self._is_writing = False
            self.streams.writing.discard(self)
            if self._has_written is not None:
                self._has_written.set()

    def _take(self) -> bytes:
        """Take all waiting bytes. The caller subtracts the bytes from `unsent_bytes` after writing."""
        unsent = self._unsent
        data = unsent[0] if len(unsent) == 1 else b"".join(unsent)
        self._unsent = []
        return data


async def _received(sock: socket.socket) -> bytes:
    while True:
        # A peer that sends without a pause must not block the event loop, nor delay its own deadline.
        await trio.lowlevel.checkpoint()
        try:
            return sock.recv(65536)
        except BlockingIOError:
            await trio.lowlevel.wait_readable(sock)


class Streams:
    """All connections of the daemon, of all transports: their counts, deadlines and ends."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.connections: dict[int, Connection] = {}
        self.unflushed: list[Connection] = []
        self.writing: set[Connection] = set()
        self.refused = 0
        self.closed_for_room = 0
        self._by_peer: dict[Peer, Connection] = {}
        self._by_address: Counter[str] = Counter()
        # The source that the bytes of a host count for, "" for no limit. The daemon sets its own rules here.
        self.source_of: Callable[[str], str] = lambda host: "" if is_loopback(host) else counted(host)
        # True while connections have to show a password.
        self.are_strangers_limited = False
        self._unfinished: Hoard[Connection] = Hoard(self.limits.unfinished, self.limits.unfinished_per_source)
        self._unfinished_of_users: Hoard[Connection] = Hoard(
            self.limits.unfinished_of_users, self.limits.unfinished_of_users
        )
        self._strangers: Hoard[Connection] = Hoard(self.limits.strangers, self.limits.strangers_per_source)
        self._shunned: dict[str, float] = {}
        self._open = 0
        self.next_serial: Callable[[], int] = count(1).__next__
        self._nursery: trio.Nursery | None = None
        self._receiver: Receiver | None = None

    def configure(self, limits: Limits) -> None:
        """Use these limits from now on. The room for unfinished messages and for strangers keeps its size."""
        self.limits = limits

    def begin(self, receiver: Receiver, nursery: trio.Nursery) -> None:
        """Serve connections in tasks of `nursery`, and pass their bytes to `receiver`."""
        self._receiver, self._nursery = receiver, nursery

    async def watch(self) -> None:
        """End connections after their deadlines. Checking 10,000 connections takes half a millisecond."""
        while True:
            await trio.sleep(self.limits.look)
            now = trio.current_time()
            for connection in list(self.connections.values()):
                if connection.deadline <= now:
                    connection.on_deadline(now)
            for source in [one for one, until in self._shunned.items() if until <= now]:
                del self._shunned[source]
            self._end_slow_readers(now)

    def _end_slow_readers(self, now: float) -> None:
        """End peers that do not read in time. Over `unsent_in_all`, end the peers with the most unsent bytes."""
        held = 0
        for connection in sorted(self.writing, key=lambda one: one.unsent_bytes):
            held += connection.unsent_bytes
            if connection.write_deadline <= now or held > self.limits.unsent_in_all:
                connection.close()

    @property
    def receiver(self) -> Receiver:
        """The receiver of bytes. Raises TransportError before `begin`."""
        if self._receiver is None:
            raise TransportError("not serving")
        return self._receiver

    def start(self, task: Callable[[], Awaitable[object]]) -> None:
        """Run a task beside the others. Raises TransportError before `begin`."""
        if self._nursery is None:
            raise TransportError("not serving")
        self._nursery.start_soon(task)

    def is_needed(self, flow: Flow) -> bool:
        """True while a binding has this flow."""
        return self._receiver is not None and self._receiver.is_needed(flow)

    def has_room(self, host: str) -> bool:
        """False when the address, or all addresses together, have as many connections as the limits allow.

        Loopback addresses have no limit per address, and count in the sum only.
        """
        limits = self.limits
        if self._open >= limits.connections or (self._shunned and self._is_shunned(host)):
            return False
        return is_loopback(host) or self._by_address[counted(host)] < limits.per_address

    def admit(self, connection: Connection) -> None:
        """Serve an accepted or a dialled connection."""
        self.connections[connection.flow.connection] = connection
        self._by_peer[connection.peer] = connection
        self._by_address[counted(connection.flow.host)] += 1
        self._open += 1
        if self.are_strangers_limited and not connection.is_proven:
            source = self.source_of(connection.flow.host)
            if source:
                cost = COSTS[connection.flow.transport]
                self._close(self._strangers.put(connection, source, cost))
        self.start(connection.serve)

    def hold(self, connection: Connection, size: int) -> None:
        """Note `size` bytes of an incomplete message on `connection`. A connection may be closed to make room."""
        connection.held = size
        if connection.is_proven:
            self._close(self._unfinished_of_users.put(connection, "", size))
        else:
            self._close(self._unfinished.put(connection, self.source_of(connection.flow.host), size))

    def prove(self, connection: Connection) -> None:
        """Note that a right password came over `connection`."""
        connection.is_proven = True
        self._strangers.drop(connection)
        self._unfinished.drop(connection)
        if connection.held:
            self.hold(connection, connection.held)

    def shun(self, host: str, until: float) -> None:
        """Refuse connections from the source of `host` until then, in seconds of the loop's clock."""
        if len(self._shunned) < MAX_SHUNNED:
            self._shunned[self.source_of(host)] = until

    def _is_shunned(self, host: str) -> bool:
        source = self.source_of(host)
        until = self._shunned.get(source, 0.0)
        if until > trio.current_time():
            return True
        self._shunned.pop(source, None)
        return False

    def _close(self, surplus: list[Connection]) -> None:
        for connection in surplus:
            self.closed_for_room += 1
            connection.close()
            connection.discard()

    def forget(self, connection: Connection) -> None:
        """Remove a connection on which no bytes can be sent any longer. The receiver is told once."""
        if self.connections.pop(connection.flow.connection, None) is None:
            return
        if self._by_peer.get(connection.peer) is connection:
            del self._by_peer[connection.peer]
        self._strangers.drop(connection)
        self._unfinished.drop(connection)
        self._unfinished_of_users.drop(connection)
        try:
            self.receiver.closed(connection.flow)
        except MemoryError:
            raise
        except Exception as error:
            self.receiver.broken(error, connection.flow)

    def release(self, connection: Connection) -> None:
        """Stop counting a connection after its socket was closed."""
        address = counted(connection.flow.host)
        self._open -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def find(self, transport: str, host: str, port: int, domain: str = "") -> Connection | None:
        """Return an open connection to the peer, to be used before a new connection is made."""
        return self._by_peer.get((transport, host, port, domain))

    def flush(self) -> None:
        """Write the bytes that were sent since the last `flush`; called once per batch."""
        unflushed, self.unflushed = self.unflushed, []
        for connection in unflushed:
            connection.flush()

    def counts(self) -> dict[str, int]:
        """Open connections by transport."""
        return Counter(connection.flow.transport for connection in self.connections.values())


def is_loopback(host: str) -> bool:
    """True for an address of this machine alone."""
    return host == "::1" or host.startswith("127.")


def counted(host: str) -> str:
    """The unit of counting, about one customer of a provider: an IPv4 address, or an IPv6 /64 network (RFC 6177 §1)."""
    if ":" not in host:
        return host
    address: Any = ipaddress.IPv6Address(host.partition("%")[0])
    return str(int(address) >> 64)

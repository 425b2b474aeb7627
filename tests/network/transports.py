"""VirtualTransports: the daemon's sockets, on the virtual wires.

A replacement at the seam: what `Server` and `Paths` ask of `Transports` is answered here, with one UDP and one
TCP listener. Datagrams are drained in batches and sent at `flush`, as real ones are; streams are framed by the
daemon's own framer. `die` is what a kill does: nothing more leaves, and connections are reset.
"""

from collections.abc import Sequence
from itertools import count
from typing import Protocol

import trio

from msilod.errors import TransportError
from msilod.sip.flow import TCP, UDP, Endpoint, Flow
from msilod.sip.framing import KEEP_ALIVE, PONG, FramingLost, KeepAlive, StreamFramer
from msilod.transport.address import sent_by
from msilod.transport.receiver import Receiver
from msilod.transport.transports import Transports
from msilod.transport.udp import top_branch
from tests.network.ladder import Address
from tests.network.wires import End, Wires

# How long a datagram may wait for others: what gives a batch more than one.
GATHERING = 0.002
_serial = count(1)


class Watcher(Protocol):
    """Who looks on. A batch is `arriving` before the daemon has it, and `arrived` when it is to be answered."""

    def sent(self, data: bytes, destination: Address) -> None:
        """It leaves the daemon."""

    def arriving(self, batch: Sequence[bytes]) -> None:
        """The daemon is about to receive it."""

    def arrived(self) -> None:
        """The daemon has received it: `after_batch` is the watcher's to call, or to leave out."""

    def unreachable(self, peer: Address, branch: bytes = b"") -> None:
        """ICMP for a branch, or the end of a connection, is about to be told."""


class VirtualTransports(Transports):
    """Listens on `address`, and tells `watcher` of all that comes and goes."""

    def __init__(self, wires: Wires, address: Address, watcher: Watcher) -> None:
        super().__init__([])
        host, port = address
        self.wires = wires
        self.address = address
        self.watcher = watcher
        self.udp_endpoint = Endpoint(UDP, host, port, sent_by(UDP, host, port))
        self.tcp_endpoint = Endpoint(TCP, host, port, sent_by(TCP, host, port))
        self.is_dead = False
        self._connections: dict[int, tuple[Flow, End]] = {}
        self._unsent: list[tuple[bytes, Flow]] = []
        self._arrived: list[tuple[bytes, Flow]] = []
        self._receiving: Receiver | None = None
        # Bound from the first, as real ones are.
        wires.bind(address, self._hear)
        wires.listen(address, self._admit)

    # --- life ----------------------------------------------------------------------------------------

    async def serve(self, receiver: Receiver) -> None:
        """Receive until cancelled."""
        self._receiving = receiver
        await trio.sleep_forever()

    def stop_listening(self) -> None:
        """No new connections."""
        self.wires.listen(self.address, lambda end: end.close())

    def die(self) -> None:
        """As a kill: the port is closed, what was not sent is lost, connections are reset."""
        self.is_dead = True
        self.wires.unbind(self.address)
        self._unsent.clear()
        for _, end in self._connections.values():
            end.close()
        self._connections.clear()

    def close(self) -> None:
        """The same to those outside."""
        self.die()

    def listening(self) -> list[Endpoint]:
        """UDP first."""
        return [self.udp_endpoint, self.tcp_endpoint]

    def local_addresses(self) -> list[str]:
        """One."""
        return [self.address[0]]

    # --- in ------------------------------------------------------------------------------------------

    def _hear(self, data: bytes, source: Address) -> None:
        if not self._arrived:
            self.wires.after(self.wires.random.uniform(0, GATHERING), self.drain)
        self._arrived.append((data, Flow(self.udp_endpoint, *source)))

    def drain(self) -> None:
        """One batch."""
        arrived, self._arrived = self._arrived, []
        if self.is_dead or self._receiving is None:
            return
        self.watcher.arriving([data for data, _ in arrived])
        for data, flow in arrived:
            self._receiving.receive(data, flow)
        self.watcher.arrived()

    def _admit(self, end: End) -> Flow:
        flow = Flow(self.tcp_endpoint, *end.peer, next(_serial))
        framer = StreamFramer()
        self._connections[flow.connection] = flow, end
        end.hear = lambda data: self._feed(framer, data, flow, end)
        end.ended = lambda: self._closed(flow)
        return flow

    def _feed(self, framer: StreamFramer, data: bytes, flow: Flow, end: End) -> None:
        receiver = self._receiving
        if self.is_dead or receiver is None:
            return
        lost: FramingLost | None = None
        messages: list[bytes | KeepAlive] = []
        try:
            messages = framer.feed(data)
        except FramingLost as error:
            lost, messages = error, error.messages
        self.watcher.arriving([message for message in messages if isinstance(message, bytes)])
        for message in messages:
            if isinstance(message, bytes):
                receiver.receive(message, flow)
            elif message is KEEP_ALIVE:
                end.send(PONG)
        if lost is not None:
            receiver.malformed(lost, flow)
        self.watcher.arrived()
        if lost is not None:
            end.close()
            self._closed(flow)

    def _closed(self, flow: Flow) -> None:
        if self._connections.pop(flow.connection, None) is not None and not self.is_dead:
            assert self._receiving is not None
            self.watcher.unreachable((flow.host, flow.port))
            self._receiving.closed(flow)

    def _unreachable(self, data: bytes, destination: Address) -> None:
        branch = top_branch(data)
        if branch and not self.is_dead and self._receiving is not None:
            self.watcher.unreachable(destination, branch)
            self._receiving.unreachable(branch, *destination)
            self._receiving.after_batch()

    # --- out -----------------------------------------------------------------------------------------

    def send(self, data: bytes, flow: Flow) -> None:
        """At the next flush. Raises TransportError for a connection that is gone."""
        if not self.is_open(flow):
            raise TransportError(f"{flow} is closed")
        self._unsent.append((data, flow))

    def flush(self) -> None:
        """Let go of what was sent since the last time."""
        unsent, self._unsent = self._unsent, []
        for data, flow in [] if self.is_dead else unsent:
            peer = flow.host, flow.port
            self.watcher.sent(data, peer)
            if not flow.connection:
                self.wires.datagram(self.address, peer, data, self._unreachable)
            elif flow.connection in self._connections:
                self._connections[flow.connection][1].send(data)

    def is_open(self, flow: Flow) -> bool:
        """True when `send` has a chance."""
        return not flow.connection or flow.connection in self._connections

    def udp_flow(self, host: str, port: int) -> Flow:
        """Any peer."""
        return Flow(self.udp_endpoint, host, port)

    def find_connection(self, transport: str, host: str, port: int, domain: str = "") -> Flow | None:
        """The flow of an open connection to that peer."""
        for flow, _ in self._connections.values():
            if (flow.transport, flow.host, flow.port) == (transport, host, port):
                return flow
        return None

    async def connect(self, transport: str, host: str, port: int, domain: str, timeout: float) -> Flow:
        """A connection to that peer. Raises TransportError."""
        found = self.find_connection(transport, host, port)
        if found is not None:
            return found
        seconds = 2 * self.wires.delay(host)
        if seconds > timeout or self.wires.is_parted(self.address, (host, port)):
            await trio.sleep(timeout)
            raise TransportError(f"{transport} to {host}:{port}: no answer")
        await trio.sleep(seconds)
        end = self.wires.connect(self.address, (host, port))
        if end is None:
            raise TransportError(f"{transport} to {host}:{port}: refused")
        return self._admit(end)

    def find_flow(self, text: str) -> Flow | None:
        """A UDP flow from its repr, after a restart; None for a stream's."""
        own, arrow, peer = text.partition(">")
        host, _, port = peer.rpartition(":")
        if arrow and port.isdigit() and repr(self.udp_endpoint) == own:
            return Flow(self.udp_endpoint, host, int(port))
        return None

"""VirtualTransports: the daemon's sockets, on the virtual wires.

The class replaces `Transports`, with one UDP and one TCP listener. Datagrams are received in batches and sent at
`flush`, as by the real class; streams are framed by the daemon's own framer. `die` acts like a kill: nothing more is
sent, and connections are reset.
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

# Longest wait of a datagram for others of the same batch, in seconds.
GATHERING = 0.002
_serial = count(1)


class Watcher(Protocol):
    """Observer of the transports, called before and after the daemon receives a batch, and when the daemon sends."""

    def sent(self, data: bytes, destination: Address) -> None:
        """The daemon sends `data`."""

    def arriving(self, batch: Sequence[bytes]) -> None:
        """The daemon is about to receive `batch`."""

    def arrived(self) -> None:
        """The daemon has received the batch. The watcher calls `after_batch`, or not, as after a kill."""

    def unreachable(self, peer: Address, branch: bytes = b"") -> None:
        """The daemon is about to be told of ICMP for `branch`, or of a closed connection."""


class VirtualTransports(Transports):
    """The transports of a daemon at `address`. `watcher` is told of all messages."""

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
        # Bound by the constructor, as by the real class.
        wires.bind(address, self._hear)
        wires.listen(address, self._admit)

    # --- life ----------------------------------------------------------------------------------------

    async def serve(self, receiver: Receiver) -> None:
        """Receive until cancelled."""
        self._receiving = receiver
        await trio.sleep_forever()

    def stop_listening(self) -> None:
        """Accept no more connections."""
        self.wires.listen(self.address, lambda end: end.close())

    def die(self) -> None:
        """Close the port, drop unsent bytes and reset all connections, as a kill does."""
        self.is_dead = True
        self.wires.unbind(self.address)
        self._unsent.clear()
        for _, end in self._connections.values():
            end.close()
        self._connections.clear()

    def close(self) -> None:
        """Close all; for peers the same as `die`."""
        self.die()

    def listening(self) -> list[Endpoint]:
        """The two endpoints, UDP first."""
        return [self.udp_endpoint, self.tcp_endpoint]

    def local_addresses(self) -> list[str]:
        """The only local address."""
        return [self.address[0]]

    # --- in ------------------------------------------------------------------------------------------

    def _hear(self, data: bytes, source: Address) -> None:
        if not self._arrived:
            self.wires.after(self.wires.random.uniform(0, GATHERING), self.drain)
        self._arrived.append((data, Flow(self.udp_endpoint, *source)))

    def drain(self) -> None:
        """Pass the collected datagrams to the daemon, as one batch."""
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
        """Send at the next flush. Raises TransportError for a closed connection."""
        if not self.is_open(flow):
            raise TransportError(f"{flow} is closed")
        self._unsent.append((data, flow))

    def flush(self) -> None:
        """Send all bytes since the last flush."""
        unsent, self._unsent = self._unsent, []
        for data, flow in [] if self.is_dead else unsent:
            peer = flow.host, flow.port
            self.watcher.sent(data, peer)
            if not flow.connection:
                self.wires.datagram(self.address, peer, data, self._unreachable)
            elif flow.connection in self._connections:
                self._connections[flow.connection][1].send(data)

    def is_open(self, flow: Flow) -> bool:
        """True for UDP and for an open connection."""
        return not flow.connection or flow.connection in self._connections

    def udp_flow(self, host: str, port: int) -> Flow:
        """A UDP flow to a peer."""
        return Flow(self.udp_endpoint, host, port)

    def find_connection(self, transport: str, host: str, port: int, domain: str = "") -> Flow | None:
        """The flow of an open connection to the peer, or None."""
        for flow, _ in self._connections.values():
            if (flow.transport, flow.host, flow.port) == (transport, host, port):
                return flow
        return None

    async def connect(self, transport: str, host: str, port: int, domain: str, timeout: float) -> Flow:
        """Open a connection to the peer. `timeout`: seconds. Raises TransportError."""
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
        """The UDP flow written as `text` (repr), after a restart; None for a connection."""
        own, arrow, peer = text.partition(">")
        host, _, port = peer.rpartition(":")
        if arrow and port.isdigit() and repr(self.udp_endpoint) == own:
            return Flow(self.udp_endpoint, host, int(port))
        return None

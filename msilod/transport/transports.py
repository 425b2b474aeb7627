"""Transports: sends by all listeners and connections of the daemon, and finds or opens flows."""

import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from contextlib import ExitStack
from functools import partial
from typing import Final, TypeVar

import trio

from msilod.errors import TransportError, UnavailableError
from msilod.sip.flow import TCP, TLS, UDP, Endpoint, Flow
from msilod.transport import udp_filter
from msilod.transport.address import local_addresses
from msilod.transport.listen import ListenSpec
from msilod.transport.listener import Make, StreamListener
from msilod.transport.receiver import Receiver
from msilod.transport.streams import Connection, Limits, Streams, is_loopback
from msilod.transport.tcp import TcpConnection, connect
from msilod.transport.tls import Certificates, TlsConnection, Turnstile
from msilod.transport.udp import Guard, UdpEndpoint

Listener = TypeVar("Listener", UdpEndpoint, StreamListener)
# Transports that we can dial. A browser cannot be dialled.
DIALLED: Final = (TCP, TLS)


class Transports:
    """Binds all listeners in the constructor, or raises UnavailableError and binds none.

    `certificates` are needed by tls and wss listeners; `origins` as in ws.py.
    """

    def __init__(
        self,
        specs: Sequence[ListenSpec],
        certificates: Certificates | None = None,
        origins: Collection[str] = (),
        limits: Limits | None = None,
    ) -> None:
        self.udp: list[UdpEndpoint] = []
        self.listeners: list[StreamListener] = []
        self.streams = Streams(limits)
        self.certificates = certificates
        self._turnstile = Turnstile()
        self._dialling: dict[tuple[str, str, int, str], trio.Event] = {}
        self.configure(certificates, origins, self.streams.limits)
        with ExitStack() as undo:
            for spec in specs:
                self._open(spec, undo)
            undo.pop_all()

    def configure(self, certificates: Certificates | None, origins: Collection[str], limits: Limits) -> None:
        """Use these certificates and origins for new connections. Open connections do not change.

        The limits hold for open connections from their next deadline on.
        """
        self.certificates = certificates
        self.origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self.streams.configure(limits)

    def count_by(self, source_of: Callable[[str], str]) -> None:
        """Count connections and their bytes by `source_of(host)`; "" for no limit."""
        self.streams.source_of = source_of

    def limit_strangers(self, is_on: bool) -> None:
        """Whether connections have to show a password before they get more room."""
        self.streams.are_strangers_limited = is_on

    def _open(self, spec: ListenSpec, undo: ExitStack) -> None:
        if spec.transport == UDP:
            self.udp.append(UdpEndpoint(spec))
            undo.callback(self.udp[-1].close)
        else:
            self.listeners.append(self._open_stream(spec))
            undo.callback(self.listeners[-1].close)

    def _open_stream(self, spec: ListenSpec) -> StreamListener:
        """TCP port 0 beside a UDP port on the same address: the same number, if free (T1, RFC 3261 §18)."""
        make = self._maker(spec.transport)
        twins = [one.endpoint.port for one in self.udp if one.endpoint.host == spec.host]
        if spec.transport == TCP and spec.port == 0 and twins:
            try:
                return StreamListener(ListenSpec(TCP, spec.host, twins[0]), self.streams, make)
            except UnavailableError:
                return StreamListener(spec, self.streams, make)
        return StreamListener(spec, self.streams, make)

    def _maker(self, transport: str) -> Make:
        if transport == TCP:
            return partial(TcpConnection, self.streams)
        if transport == TLS:
            return self._accepted_tls
        # Imported here: wsproto and h11 are needed only with a WebSocket listener.
        from msilod.transport.ws import WsConnection

        def accepted_ws(sock: socket.socket, flow: Flow) -> Connection:
            context = None if transport == "ws" else self._certificates().server
            return WsConnection(self.streams, sock, flow, context, self._turnstile, self.origins)

        return accepted_ws

    def _accepted_tls(self, sock: socket.socket, flow: Flow) -> Connection:
        return TlsConnection(self.streams, sock, flow, self._certificates().server, self._turnstile)

    def _certificates(self) -> Certificates:
        if self.certificates is None:
            raise UnavailableError("tls and wss listeners need a certificate")
        return self.certificates

    # --- life ----------------------------------------------------------------------------------------

    async def serve(self, receiver: Receiver) -> None:
        """Receive until cancelled."""
        async with trio.open_nursery() as nursery:
            self.streams.begin(receiver, nursery)
            nursery.start_soon(self.streams.watch)
            for udp in self.udp:
                nursery.start_soon(udp.serve, receiver)
            for listener in self.listeners:
                nursery.start_soon(listener.serve)

    def stop_listening(self) -> None:
        """Accept no new connections. UDP goes on, since answers also come by UDP."""
        for listener in self.listeners:
            listener.stop_accepting()

    def close(self) -> None:
        """Close all listening sockets."""
        for udp in self.udp:
            udp.close()
        for listener in self.listeners:
            listener.close()

    def listening(self) -> list[Endpoint]:
        """The endpoints that we listen on, UDP first."""
        return [one.endpoint for one in self.udp] + [one.endpoint for one in self.listeners]

    def local_addresses(self) -> list[str]:
        """Every address of ours that a peer may write."""
        found: dict[str, None] = {}
        for endpoint in self.listening():
            found.update(dict.fromkeys(local_addresses(endpoint.host)))
        return list(found)

    # --- flows ---------------------------------------------------------------------------------------

    def send(self, data: bytes, flow: Flow) -> None:
        """Send at the next `flush`. Raises TransportError when the flow is gone or the queue is full."""
        if flow.connection:
            connection = self.streams.connections.get(flow.connection)
            if connection is None:
                raise TransportError(f"{flow} is closed")
            connection.send(data)
            return
        endpoint = flow.endpoint
        for udp in self.udp:
            if udp.endpoint is endpoint:
                udp.send(data, flow)
                return
        raise TransportError(f"{flow} is not ours")

    def shed(self, sources: Mapping[str, Set[int]], strangers: udp_filter.Strangers | None = None) -> bool:
        """Drop unread the datagrams of `sources`, except from the ports given for a source.

        A source is an IPv4 address or an IPv6 /64 network. Sources of the previous call are read again. With
        `strangers`, drop also most datagrams of other sources. Returns False where the kernel takes no filter.
        """
        taken = [
            udp_filter.attach(udp.socket, udp_filter.program(sources, udp.is_v6, strangers))
            for udp in self.udp
        ]
        return all(taken)

    def guard(self, guard: Guard | None) -> None:
        """Ask `guard` before each datagram is handed over; None for no guard."""
        for udp in self.udp:
            udp.guard = guard

    def is_proven(self, flow: Flow) -> bool:
        """True for a connection with a right password, and for a closed connection."""
        connection = self.streams.connections.get(flow.connection)
        return connection is None or connection.is_proven

    def prove(self, flow: Flow) -> None:
        """Note that a right password came over the connection."""
        connection = self.streams.connections.get(flow.connection)
        if connection is not None and not connection.is_proven:
            self.streams.prove(connection)

    def end(self, flow: Flow, shun_until: float = 0.0) -> None:
        """Close the connection, and refuse new connections of the source until `shun_until` (the loop's clock)."""
        connection = self.streams.connections.get(flow.connection)
        if connection is not None:
            connection.close()
        if shun_until:
            self.streams.shun(flow.host, shun_until)

    def flush(self) -> None:
        """Write the bytes that were sent since the last `flush`; called once per batch."""
        for udp in self.udp:
            udp.flush()
        if self.streams.unflushed:
            self.streams.flush()

    def is_open(self, flow: Flow) -> bool:
        """True for UDP, and while the connection of a stream is open."""
        return not flow.connection or flow.connection in self.streams.connections

    def udp_flow(self, host: str, port: int) -> Flow:
        """Raises TransportError when no UDP listener has the family."""
        return Flow(_of_family(self.udp, host).endpoint, host, port)

    def find_connection(self, transport: str, host: str, port: int, domain: str = "") -> Flow | None:
        """The flow of an open connection to the peer; with TLS, of a peer that has proved `domain`."""
        connection = self.streams.find(transport, host, port, domain if transport == TLS else "")
        return connection.flow if connection is not None else None

    async def connect(self, transport: str, host: str, port: int, domain: str, timeout: float) -> Flow:
        """Return a connection to the peer, an open connection if there is one. Raises TransportError.

        `host` is an IP literal without brackets. `domain`: the domain that a TLS peer must prove (RFC 5922 §4).
        """
        if transport not in DIALLED:
            raise TransportError(f"{transport} to {host}:{port}: such a peer cannot be dialled")
        peer = (transport, host, port, domain if transport == TLS else "")
        with trio.move_on_after(timeout):
            while (found := self.streams.find(*peer)) is None:
                if peer not in self._dialling:
                    return await self._dial(peer)
                await self._dialling[peer].wait()
            return found.flow
        raise TransportError(f"{transport} to {host}:{port}: no answer")

    async def _dial(self, peer: tuple[str, str, int, str]) -> Flow:
        """Dial. Further callers for the same peer wait for the same connection."""
        done = self._dialling[peer] = trio.Event()
        try:
            return await self._dialled(*peer)
        finally:
            del self._dialling[peer]
            done.set()

    async def _dialled(self, transport: str, host: str, port: int, domain: str) -> Flow:
        ours = [one for one in self.listeners if one.endpoint.transport == transport]
        endpoint = _of_family(ours, host).endpoint
        try:
            sock = await connect(host, port)
        except OSError as error:
            raise TransportError(f"{transport} to {host}:{port}: {error}") from error
        flow = Flow(endpoint, host, port, self.streams.next_serial())
        try:
            self.streams.admit(await self._made(sock, flow, domain))
        except BaseException:
            sock.close()
            raise
        return flow

    async def _made(self, sock: socket.socket, flow: Flow, domain: str) -> Connection:
        if flow.transport == TCP:
            return TcpConnection(self.streams, sock, flow)
        client = self._certificates().client
        connection = TlsConnection(self.streams, sock, flow, client, self._turnstile, domain)
        await connection.shake()
        return connection

    def find_flow(self, text: str) -> Flow | None:
        """Return the flow for a repr; None for a closed connection, or a listener that is gone."""
        serial = text.rpartition("#")[2]
        if serial.isascii() and serial.isdigit():
            connection = self.streams.connections.get(int(serial))
            return connection.flow if connection is not None and repr(connection.flow) == text else None
        own, arrow, peer = text.partition(">")
        host, _, port = peer.rpartition(":")
        if not arrow or not port.isascii() or not port.isdigit():
            return None
        for udp in self.udp:
            if repr(udp.endpoint) == own:
                return Flow(udp.endpoint, host.strip("[]"), int(port))
        return None


def _of_family(endpoints: Iterable[Listener], host: str) -> Listener:
    """Choose a listener that can reach `host`: of the same family, on loopback for loopback if there is one."""
    fitting = [one for one in endpoints if one.is_v6 == (":" in host)]
    if not fitting:
        raise TransportError(f"no listener of ours can reach {host}")
    return min(fitting, key=lambda one: is_loopback(one.endpoint.host) is not is_loopback(host))

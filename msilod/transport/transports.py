"""Transports: all listeners of the daemon as one thing to send by, and the flows to be had."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import TypeVar

import trio

from msilod.errors import TransportError, UnavailableError
from msilod.sip.flow import UDP, Endpoint, Flow
from msilod.transport.address import local_addresses
from msilod.transport.listen import ListenSpec
from msilod.transport.receiver import Receiver
from msilod.transport.tcp import TcpEndpoint
from msilod.transport.udp import UdpEndpoint

Listener = TypeVar("Listener", UdpEndpoint, TcpEndpoint)


class Transports:
    """Open from construction on: all listeners are bound, or UnavailableError is raised and none is."""

    def __init__(self, specs: Sequence[ListenSpec]) -> None:
        self.udp: list[UdpEndpoint] = []
        self.tcp: list[TcpEndpoint] = []
        self._nursery: trio.Nursery | None = None
        self._receiver: Receiver | None = None
        with ExitStack() as undo:
            for spec in specs:
                self._open(spec, undo)
            undo.pop_all()

    def _open(self, spec: ListenSpec, undo: ExitStack) -> None:
        if spec.transport == UDP:
            self.udp.append(UdpEndpoint(spec))
            undo.callback(self.udp[-1].close)
        else:
            self.tcp.append(self._open_tcp(spec))
            undo.callback(self.tcp[-1].close)

    def _open_tcp(self, spec: ListenSpec) -> TcpEndpoint:
        """Port 0 beside a UDP one on the same address: the same number, if it is free (T1, RFC 3261 §18)."""
        twins = [one.endpoint.port for one in self.udp if one.endpoint.host == spec.host]
        if spec.port == 0 and twins:
            try:
                return TcpEndpoint(ListenSpec(spec.transport, spec.host, twins[0]))
            except UnavailableError:
                return TcpEndpoint(spec)
        return TcpEndpoint(spec)

    # --- life ----------------------------------------------------------------------------------------

    async def serve(self, receiver: Receiver) -> None:
        """Receive until cancelled."""
        self._receiver = receiver
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for udp in self.udp:
                nursery.start_soon(udp.serve, receiver)
            for tcp in self.tcp:
                nursery.start_soon(tcp.serve, receiver, nursery)

    def stop_listening(self) -> None:
        """No new connections; UDP goes on, since answers come there too."""
        for tcp in self.tcp:
            tcp.stop_accepting()

    def close(self) -> None:
        """Let go of all ports."""
        for udp in self.udp:
            udp.close()
        for tcp in self.tcp:
            tcp.close()

    def listening(self) -> list[Endpoint]:
        """What we listen on, UDP first."""
        return [one.endpoint for one in self.udp] + [one.endpoint for one in self.tcp]

    def local_addresses(self) -> list[str]:
        """Every address of ours that a peer may write."""
        found: dict[str, None] = {}
        for endpoint in self.listening():
            found.update(dict.fromkeys(local_addresses(endpoint.host)))
        return list(found)

    # --- flows ---------------------------------------------------------------------------------------

    def send(self, data: bytes, flow: Flow) -> None:
        """Send at the next `flush` (UDP) or now. Raises TransportError when the flow is gone or its queue full."""
        endpoint = flow.endpoint
        for udp in self.udp:
            if udp.endpoint is endpoint:
                udp.send(data, flow)
                return
        for tcp in self.tcp:
            if tcp.endpoint is endpoint:
                tcp.send(data, flow)
                return
        raise TransportError(f"{flow} is not ours")

    def flush(self) -> None:
        """Let go of what was sent since the last time; once per batch."""
        for udp in self.udp:
            udp.flush()

    def is_open(self, flow: Flow) -> bool:
        """True when `send` has a chance."""
        if not flow.connection:
            return True
        return any(flow.connection in tcp.connections for tcp in self.tcp)

    def udp_flow(self, host: str, port: int) -> Flow:
        """Raises TransportError when no UDP listener has the family."""
        return Flow(_of_family(self.udp, host).endpoint, host, port)

    def find_connection(self, host: str, port: int) -> Flow | None:
        """The flow of an open connection to that peer."""
        for tcp in self.tcp:
            connection = tcp.find(host, port)
            if connection is not None:
                return connection.flow
        return None

    async def connect_tcp(self, host: str, port: int, timeout: float) -> Flow:
        """A connection to that peer, an open one if there is. Raises TransportError."""
        found = self.find_connection(host, port)
        if found is not None:
            return found
        if self._nursery is None or self._receiver is None:
            raise TransportError("not serving")
        endpoint = _of_family(self.tcp, host)
        try:
            with trio.fail_after(timeout):
                stream = await trio.open_tcp_stream(host, port)
        except (OSError, trio.TooSlowError) as error:
            raise TransportError(f"tcp to {host}:{port}: {error or 'no answer'}") from error
        return endpoint.adopt(stream, host, port, self._receiver, self._nursery).flow

    def find_flow(self, text: str) -> Flow | None:
        """A UDP flow from its repr, after a restart; None for a stream's, or a listener that is no more."""
        own, arrow, peer = text.partition(">")
        host, _, port = peer.rpartition(":")
        if not arrow or not port.isascii() or not port.isdigit():
            return None
        for udp in self.udp:
            if repr(udp.endpoint) == own:
                return Flow(udp.endpoint, host.strip("[]"), int(port))
        return None


def _of_family(endpoints: Iterable[Listener], host: str) -> Listener:
    """A listener that can reach `host`: of its family, on loopback for loopback where there is one."""
    fitting = [one for one in endpoints if one.is_v6 == (":" in host)]
    if not fitting:
        raise TransportError(f"no listener of ours can reach {host}")
    is_local = host.startswith("127.") or host == "::1"
    return min(fitting, key=lambda one: one.endpoint.host.startswith(("127.", "::1")) is not is_local)

"""Where the bytes for a target go: an open flow, a UDP address, or a connection still to be made.

NAT (R10): a contact on the address its REGISTER came from means what it says, port included; one at a public
address of its own likewise; any other (private, a name, `.invalid`) is reached by the flow that registered.
A contact on a stream is reached over its connection; when that is gone we dial, which fails at once at a
phone that only calls out, and the MESSAGE is stored.
"""

import ipaddress
from collections.abc import Callable

import trio

from msilod.errors import MsilodError, TransportError
from msilod.proxy.target_set import Target
from msilod.sip.address import NameAddr
from msilod.sip.flow import TCP, TLS, UDP, Flow
from msilod.sip.hop import bare, can_be_sent_to
from msilod.sip.uri import SipUri
from msilod.transport.transports import DIALLED, Transports

# RFC 3261 §19.1.2: the port of a URI without one.
DEFAULT_PORT = 5060
DEFAULT_TLS_PORT = 5061
DIAL_TIMEOUT = 3.0

Dialled = Callable[[Flow | None, float], None]


class Paths:
    """Chooses flows; `dial` is the slow path and calls back from a task of its own."""

    def __init__(self, transports: Transports, nursery: trio.Nursery, after: Callable[[], None]) -> None:
        self.transports = transports
        self.nursery = nursery
        self.after = after

    def flow_to(self, target: Target) -> Flow | None:
        """The flow to send on now; None when a connection has to be made first.

        Raises TransportError when there is no way at all (a name: no DNS for contacts without a flow).
        """
        # A Route goes before what is known of the binding (§16.6 step 7).
        binding = None if target.route else target.binding
        if binding is not None and binding.way is not None and self.transports.is_open(binding.way):
            return binding.way
        flow = self._find(target)
        if binding is not None:
            binding.way = flow
        return flow

    def _find(self, target: Target) -> Flow | None:
        if target.path or target.route:
            return self._by_uri(_first_hop(target))
        flow = target.flow
        if flow is None:
            return self._by_uri(SipUri.parse(target.uri))
        if flow.connection:
            if self.transports.is_open(flow):
                return flow
            return self._again(target, flow)
        uri = SipUri.parse(target.uri)
        if not _means_what_it_says(uri, flow):
            return flow
        return self._by_uri(uri)

    def _again(self, target: Target, closed: Flow) -> Flow | None:
        """Whose TCP connection is gone may listen where its contact says; nobody dials a browser or a TLS phone."""
        uri = SipUri.parse(target.uri)
        if closed.transport != TCP or not _means_what_it_says(uri, closed):
            raise TransportError(f"the connection of {target.uri} is closed")
        return self._by_uri(uri, TCP)

    def _by_uri(self, uri: SipUri, unsaid: str = UDP) -> Flow | None:
        if not uri.is_ip_literal:
            raise TransportError(f"{uri.host} is no address, and names are not looked up")
        transport, host, port = _place(uri, unsaid)
        if transport == UDP:
            return self.transports.udp_flow(host, port)
        if transport not in DIALLED:
            raise TransportError(f"{host} is to be reached by {transport}, over a connection of its own only")
        return self.transports.find_connection(transport, host, port, host)

    def dial(self, target: Target, then: Dialled) -> None:
        """Connect to where the target is and call `then(flow, now)`, the flow None when that fails."""
        is_redial = target.flow is not None and target.flow.is_reliable and not (target.path or target.route)
        transport, host, port = _place(_first_hop(target), TCP if is_redial else UDP)
        self.nursery.start_soon(self._dial, transport, host, port, then)

    async def _dial(self, transport: str, host: str, port: int, then: Dialled) -> None:
        flow = None
        try:
            flow = await self.transports.connect(transport, host, port, host, DIAL_TIMEOUT)
        except MsilodError:
            flow = None
        then(flow, trio.current_time())
        self.after()


def _first_hop(target: Target) -> SipUri:
    """The stored Path's first URI (RFC 3327 §5.3) or a configured next hop; else a Route; else the target itself."""
    if not target.path:
        return SipUri.parse(target.route or target.uri)
    first = target.path[0]
    if "<" not in first:
        # A next hop is a URI, whose parameters are its own; a Path value is a name-addr (RFC 3327 §4).
        return SipUri.parse(first)
    return SipUri.parse(NameAddr.parse(first.encode("utf-8", "replace")).uri)


def _place(uri: SipUri, unsaid: str) -> tuple[str, str, int]:
    """Transport, address and port of a URI with an IP literal; `unsaid` without transport= (RFC 3263 §4.1, §4.2)."""
    transport = TLS if uri.scheme == "sips" else uri.transport or unsaid
    return transport, bare(uri.host), uri.port or (DEFAULT_TLS_PORT if transport == TLS else DEFAULT_PORT)


def _means_what_it_says(contact: SipUri, flow: Flow) -> bool:
    if not contact.is_ip_literal:
        return False
    host = bare(contact.host)
    return host == flow.host or (can_be_sent_to(host) and ipaddress.ip_address(host).is_global)

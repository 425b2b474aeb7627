"""Paths: finds the flow for a target: an open flow, a UDP address, or a connection to be made.

NAT (R10): a contact whose address can be reached (registrar/reach.py) is sent to at that address. Any other contact
is reached by the flow of the REGISTER. A contact on a stream is reached over the connection of the REGISTER. When
that connection is gone we dial. Dialling fails at once for a phone that only calls out, and then the MESSAGE is
stored.

Any other URI is located by DNS (RFC 3263). When a hop fails the next hop is tried (`fails_over`), with a new branch
each time (§4.3). A request too large for a datagram (RFC 3261 §18.1.1) tries TCP first.
"""

from collections.abc import Callable, Sequence
from typing import Final

import trio

from msilod.dns.location import default_port
from msilod.dns.resolver import Resolver
from msilod.errors import MsilodError, TransportError
from msilod.log import get_log
from msilod.proxy.target_set import ANYWHERE, BY_FLOW, Target
from msilod.reaching.places import Places
from msilod.reaching.reachable import Reachable
from msilod.registrar.reach import means_what_it_says
from msilod.sip.address import NameAddr
from msilod.sip.bounded import PartyShares
from msilod.sip.cache import Cache
from msilod.sip.flow import TCP, TLS, UDP, WSS, Flow
from msilod.sip.hop import Hop, bare
from msilod.sip.message import Response
from msilod.sip.retry_after import parse_retry_after
from msilod.sip.sips import is_sips
from msilod.sip.uri import SipUri
from msilod.tasks import Tasks
from msilod.transaction.client_transaction import ClientOwner
from msilod.transport.transports import DIALLED, Transports

DIAL_TIMEOUT: Final = 3.0
# As a datagram a longer request may be cut into fragments, which NATs and firewalls lose (RFC 3261 §18.1.1).
LARGEST_DATAGRAM: Final = 1300
# A phone without TCP behind a firewall does not answer. The design waits one second, once per binding.
LARGE_TIMEOUT: Final = 1.0
# Hops tried per request. With HOP_LIMIT, all hops have been tried before Timer F of the sender.
MOST_HOPS: Final = 4

# Bytes of remembered URIs with an address: 4,000 of usual length.
CACHED_LITERAL_BYTES: Final = 2_000_000
# Requests that wait for a look-up or a connection. Beyond the limit a request fails at once.
MAX_DIALS: Final = 2000
# Of these for one party (Target.booked_on). So a user with contacts that never answer, or a sender to names without an
# answer, cannot take the room of other users.
MAX_DIALS_OF_PARTY: Final = 50

Dialled = Callable[[Flow | None, float], None]


class Paths:
    """Chooses flows. `dial` is the slow path, and calls back from a task."""

    def __init__(
        self,
        transports: Transports,
        tasks: Tasks,
        resolver: Resolver,
        reachable: Reachable,
        places: Places,
    ) -> None:
        self.transports = transports
        self.tasks = tasks
        self.resolver = resolver
        self.reachable = reachable
        self.places = places
        self.dials = 0
        self._shares = PartyShares(MAX_DIALS_OF_PARTY)
        # The remote targets of dialogs recur. Remembering saves 39 of 40 us.
        self._literal: Callable[[str], list[Hop] | None] = Cache(
            self._read_literal, _size, CACHED_LITERAL_BYTES
        ).__getitem__

    def way_to(self, target: Target, then: Dialled, now: float, size: int = 0) -> None:
        """Call `then(flow, now)`, at once when a flow is known, else as `dial` does; None for no flow."""
        try:
            flow = self.flow_to(target, size)
        except MsilodError:
            then(None, now)
            return
        if flow is not None and self.may_leave(target, flow, now):
            then(flow, now)
        else:
            self.dial(target, then, size)

    # --- at once ---------------------------------------------------------------------------------------

    def known(self, target: Target, size: int) -> Flow | None:
        """The remembered flow to the contact, if `size` octets may leave by that flow; otherwise ask `way_to`."""
        binding = target.binding
        # A Route has priority over the remembered flow of the binding (§16.6 step 7).
        way = None if binding is None or target.route else binding.way
        if way is None:
            return None
        if way.connection:
            return way if self.transports.is_open(way) else None
        return way if size <= LARGEST_DATAGRAM else None

    def flow_to(self, target: Target, size: int = 0) -> Flow | None:
        """The flow to send `size` octets on, if `may_leave`; None when a connection or a look-up has to be made first.

        Raises TransportError when there is no way at all.
        """
        # A Route has priority over the remembered flow of the binding (§16.6 step 7).
        binding = None if target.route else target.binding
        if binding is not None and binding.way is not None and self.transports.is_open(binding.way):
            flow: Flow | None = binding.way
        else:
            flow = self._find(target)
        if size > LARGEST_DATAGRAM and flow is not None and not flow.connection:
            return self._for_large(target, flow)
        return flow

    def may_leave(self, target: Target, flow: Flow, now: float) -> bool:
        """False while the place of a contact has to answer another request first (places.py)."""
        binding = target.binding
        return binding is None or bool(target.route) or self.places.may_ask(binding, flow, now)

    def _find(self, target: Target) -> Flow | None:
        flow = target.flow
        if flow is None or target.path or target.route:
            return self._by_uri(target)
        if target.reach == BY_FLOW:
            return self._by_flow(target, flow)
        if is_sips(target.uri) and flow.transport not in (TLS, WSS):
            # The flow of the REGISTER is not secure, so the contact is dialled (RFC 5630 §5.3).
            return self._by_uri(target)
        if flow.connection and self.transports.is_open(flow):
            return self._remember(target, flow)
        uri = SipUri.parse(target.uri)
        means_it = means_what_it_says(uri, flow.host)
        if flow.connection:
            # A phone with a lost TCP connection may listen at the address in Contact. Browsers and TLS phones cannot
            # be dialled.
            if flow.transport != TCP or not means_it:
                raise TransportError(f"the connection of {target.uri} is closed")
            return self._at(target, _place(uri, TCP))
        return self._at(target, _place(uri, UDP)) if means_it else self._remember(target, flow)

    def _by_flow(self, target: Target, flow: Flow) -> Flow:
        """The flow to the peer's place in a dialog; the URI does not count."""
        if is_sips(target.uri) and flow.transport not in (TLS, WSS):
            raise TransportError(f"{target.uri} cannot be reached by {flow.transport}")
        if not self.transports.is_open(flow):
            raise TransportError(f"the connection of {target.uri} is closed")
        return flow

    def _at(self, target: Target, hop: Hop) -> Flow | None:
        target.hops = self._allowed(target, (hop,))
        return self._remember(target, self._open_now(target))

    def _remember(self, target: Target, flow: Flow | None) -> Flow | None:
        binding = target.binding
        if binding is not None and not target.route:
            binding.way = flow if flow is not None and self.places.is_proven(binding, flow) else None
        return flow

    def watched(self, owner: ClientOwner, target: Target, flow: Flow, now: float) -> ClientOwner:
        """Return the owner for the client transaction of a request to `target` that leaves by `flow`."""
        binding = target.binding
        if binding is None or binding.way is not None or target.route:
            return owner
        return self.places.watched(owner, binding, flow, now)

    def _by_uri(self, target: Target) -> Flow | None:
        literal = self._literal(_first_text(target))
        if literal:
            target.hops = self._allowed(target, literal)
            return self._remember(target, self._open_now(target))
        hops = self.resolver.locate_now(_first_hop(target), trio.current_time())
        if hops is None:
            return None
        target.hops = self._allowed(target, hops)
        # A flow found by DNS is not remembered: the records of a name can change.
        return self._open_now(target)

    def _read_literal(self, text: str) -> list[Hop] | None:
        """The hop of a URI with an IP literal; an empty list for a name."""
        uri = SipUri.parse(text)
        return self.resolver.locate_now(uri, trio.current_time()) if uri.is_ip_literal else None

    def _open_now(self, target: Target) -> Flow | None:
        transport, host, port = target.hops[0]
        if transport == UDP:
            return self.transports.udp_flow(host, port)
        if transport not in DIALLED:
            raise TransportError(
                f"{host} can be reached by {transport} only over the connection of the client"
            )
        return self.transports.find_connection(transport, host, port, _domain(target))

    def _allowed(self, target: Target, hops: Sequence[Hop]) -> list[Hop]:
        if target.reach == ANYWHERE:
            return list(hops[:MOST_HOPS])
        heard_from, binding = target.reach, target.binding
        if not heard_from and binding is not None and binding.flow is not None:
            heard_from = binding.flow.host
        return self.reachable.allowed(hops, heard_from)[:MOST_HOPS]

    def _for_large(self, target: Target, flow: Flow) -> Flow | None:
        """A connection to the same place; `flow` if TCP was refused there; None if TCP has not been tried yet."""
        hop = Hop(TCP, flow.host, flow.port)
        if TCP not in self.resolver.reach or self._is_without_tcp(target, hop):
            return flow
        return self.transports.find_connection(TCP, flow.host, flow.port)

    def _is_without_tcp(self, target: Target, hop: Hop) -> bool:
        if target.binding is not None:
            return target.binding.is_without_tcp
        return self.resolver.has_failed(hop, trio.current_time())

    # --- the slow path ---------------------------------------------------------------------------------

    def dial(self, target: Target, then: Dialled, size: int = 0) -> None:
        """Look up, connect, and wait for the place to answer, then call `then(flow, now)`.

        The flow is None when the target cannot be reached.
        When MAX_DIALS requests wait already, or MAX_DIALS_OF_PARTY of the same party, `then` is called before `dial`
        returns.
        """
        party = _party(target)
        if not self._has_room(party):
            then(None, trio.current_time())
            return
        self.dials += 1
        self._shares.take(party)
        self.tasks.start(self._dial, target, party, then, size)

    def _has_room(self, party: str) -> bool:
        return self.dials < MAX_DIALS and self._shares.has_room(party)

    def fails_over(
        self, target: Target, then: Dialled, size: int, now: float, answer: Response | None = None
    ) -> bool:
        """The hop in use failed: go on with the next hop, if any, as `dial` does (RFC 3263 §4.3).

        `answer` is the 503 of the hop. A Retry-After in the answer is respected (RFC 3261 §21.5.4).
        """
        if not target.hops:
            return False
        wait = parse_retry_after(answer.headers.get(b"retry-after")) if answer is not None else None
        self.resolver.failed(target.hops[0], now, wait or 0)
        target.hops = target.hops[1:]
        if not target.hops or not self._has_room(_party(target)):
            return False
        self.dial(target, then, size)
        return True

    async def _dial(self, target: Target, party: str, then: Dialled, size: int) -> None:
        flow = None
        try:
            flow = await self._reach(target, size, party)
            if target.binding is not None and not target.route:
                await self.places.turn(target.binding, flow)
        except MsilodError:
            flow = None
        finally:
            self.dials -= 1
            self._shares.give_back(party)
        try:
            then(flow, trio.current_time())
        except MemoryError:
            raise
        except Exception as error:
            # An error with one request must not end the daemon, whose task this is.
            get_log().error("a request could not be sent on", exc_info=error, target=target.uri)
        self.tasks.after()

    async def _reach(self, target: Target, size: int, party: str) -> Flow:
        flow = None if target.hops else self.flow_to(target)
        if flow is None:
            flow = await self._open_first(target, party)
        if size > LARGEST_DATAGRAM and not flow.connection:
            return await self._open_for_large(target, flow)
        return flow

    async def _open_first(self, target: Target, party: str) -> Flow:
        """Open a flow to the first hop that can be reached, which is `target.hops[0]` afterwards."""
        if not target.hops:
            hops = await self.resolver.locate(_first_hop(target), trio.current_time(), party)
            target.hops = self._allowed(target, hops)
        while target.hops:
            hop = target.hops[0]
            try:
                if hop.transport == UDP:
                    return self.transports.udp_flow(hop.host, hop.port)
                return await self.transports.connect(*hop, _domain(target), DIAL_TIMEOUT)
            except TransportError:
                self.resolver.failed(hop, trio.current_time())
                target.hops = target.hops[1:]
        raise TransportError(f"no hop of {target.uri} can be reached")

    async def _open_for_large(self, target: Target, flow: Flow) -> Flow:
        """§18.1.1: use TCP, or the datagram when TCP is refused."""
        found = self._for_large(target, flow)
        if found is not None:
            return found
        try:
            return await self.transports.connect(TCP, flow.host, flow.port, "", LARGE_TIMEOUT)
        except TransportError:
            if target.binding is not None:
                target.binding.is_without_tcp = True
            self.resolver.failed(Hop(TCP, flow.host, flow.port), trio.current_time())
            return flow


def _party(target: Target) -> str:
    """The party that causes a look-up or a connection: the user of the contact, or the sender that named the URI."""
    if target.binding is not None and not target.route:
        return target.binding.aor
    return target.booked_on


def _first_hop(target: Target) -> SipUri:
    return SipUri.parse(_first_text(target))


def _first_text(target: Target) -> str:
    """The first URI of the stored Path (RFC 3327 §5.3), or a configured next hop; else a Route; else the target."""
    if not target.path:
        return target.route or target.uri
    first = target.path[0]
    if "<" not in first:
        # A next hop is a URI and keeps its parameters; a Path value is a name-addr (RFC 3327 §4).
        return first
    return NameAddr.parse(first.encode("utf-8", "replace")).uri.decode("ascii", "replace")


def _place(uri: SipUri, unsaid: str) -> Hop:
    """The hop of a URI with an IP literal. `unsaid`: the transport without transport= (RFC 3263 §4.1, §4.2)."""
    transport = TLS if uri.scheme == "sips" else uri.transport or unsaid
    return Hop(transport, bare(uri.host), uri.port or default_port(transport))


def _domain(target: Target) -> str:
    """The domain that a TLS peer must prove: the domain in the URI, not a name from DNS (RFC 5922 §4)."""
    return bare(_first_hop(target).host)


def _size(uri: str, hops: list[Hop] | None) -> int:
    """Bytes of an entry: the URI, and a list with one hop."""
    return 450 + 2 * len(uri)

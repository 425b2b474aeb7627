"""Sources: names the source of a request, for the limits on challenges, guesses and refused requests.

    the request came from                       name of the source          in sum
    an IPv4 address                             192.0.2.1                   -
    an IPv6 address                             2001:db8:0:1::/64           its /56, of one customer (RFC 6177 §2)
    an edge proxy of ours, with a second Via    198.51.100.7 by edge        challenges: the address of the edge;
                                                                            guesses: its /56, for an IPv6 address
    an edge proxy of ours, without              as for any address          -
    loopback, unless its limits are on          127.0.0.1 5070              all loopback addresses

An edge proxy ([auth] edges) puts its own Via on top, so the Via below names the client: by `received`, which the edge
has written (RFC 3261 §18.2.1), else by its sent-by. An IPv4-mapped IPv6 address counts as the IPv4 address.

Rule: the name is text, so the name can be hashed into a nonce. The name in sum is derived from the name.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.flow import Flow
from msilod.sip.grammar import COMMA, WSP, split_outside
from msilod.sip.message import Request
from msilod.sip.via import Via, parse_via

Network = IPv4Network | IPv6Network
CACHED_SOURCES: Final = 4096
# A longer host name in a Via names no client.
MAX_CLIENT: Final = 64
BY_EDGE: Final = " by edge"
LOOPBACK: Final = "loopback"
# A client that cannot be told from other clients behind its edge.
NOT_TOLD: Final = "-"
_LOOPBACKS: Final = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
# `_read` returns these for an edge proxy, and for loopback without limits, where more than the address counts.
_EDGE: Final = "edge"
_EXEMPT: Final = "exempt"


class Sources:
    """Names sources. `edges` are networks as in msilod.toml; an invalid network raises ValueError.

    With `limits_loopback` loopback addresses count like other addresses. Without `limits_loopback` each port of
    loopback is a source of its own, and has no limit of challenges.
    """

    __slots__ = ("_edges", "_limits_loopback", "_name")

    def __init__(self, edges: Sequence[str] = (), limits_loopback: bool = False) -> None:
        self.configure(edges, limits_loopback)

    def configure(self, edges: Sequence[str], limits_loopback: bool) -> None:
        """Use these edges and this limit from now on."""
        self._edges: tuple[Network, ...] = tuple([ip_network(text, strict=False) for text in edges])
        self._limits_loopback = limits_loopback
        self._name: Callable[[str], str] = lru_cache(CACHED_SOURCES)(self._read)

    def of(self, request: Request, flow: Flow) -> str:
        """Return the source of `request`, received on `flow`."""
        host = flow.host
        name = self._name(host)
        if name == _EDGE:
            return client_behind(request) or network_of(host)
        return f"{host} {flow.port}" if name == _EXEMPT else name

    def of_address(self, host: str) -> str:
        """Return the source of bytes from `host` that are not a request; "" for loopback and edges (not counted)."""
        name = self._name(host)
        return "" if name in (_EDGE, _EXEMPT) else name

    def exempt_networks(self) -> list[Network]:
        """The networks for which `of_address` returns ""."""
        return [*self._edges, *([] if self._limits_loopback else _LOOPBACKS)]

    def is_edge(self, host: str) -> bool:
        """True for the address of an edge proxy: all clients behind the edge send from there."""
        return self._name(host) == _EDGE

    def client_at(self, request: Request, flow: Flow) -> str:
        """Return address and port of the client behind an edge that sent `request`, as unambiguous text.

        "" when the request came from no edge, NOT_TOLD when the edge does not tell one client from another.
        """
        return place_behind(request) if self._name(flow.host) == _EDGE else ""

    def is_exempt(self, flow: Flow) -> bool:
        """True for loopback while its limits are off."""
        return self._name(flow.host) == _EXEMPT

    def edge_of(self, source: str, flow: Flow) -> str:
        """Return the edge that named the client `source`, "" for none."""
        return flow.host if source.endswith(BY_EDGE) else ""

    def _read(self, host: str) -> str:
        address = _address(host)
        if any(address in network for network in self._edges):
            return _EDGE
        if not self._limits_loopback and address.is_loopback:
            return _EXEMPT
        return network_of(host)


def network_of(host: str) -> str:
    """Return the addresses of one host: an IPv4 address, or the IPv6 /64 in which the host chooses its addresses."""
    address = _address(host)
    if isinstance(address, IPv6Address):
        return f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address)


def sum_of(source: str) -> str:
    """Return the addresses of one customer of a provider: the /56 of an IPv6 source, all of loopback; "" for IPv4.

    Clients behind an edge have only their own /56 in sum: wrong guesses of one client must not slow all others there.
    """
    if source.endswith(BY_EDGE):
        client = source[: -len(BY_EDGE)]
        return sum_of(client) + BY_EDGE if client.endswith("/64") else ""
    if source.endswith("/64"):
        return f"{IPv6Address(int(IPv6Address(source[:-3])) >> 72 << 72)}/56"
    # The name has a port when the limits of loopback are off.
    return LOOPBACK if source.startswith(("127.", "::1 ")) and " " in source else ""


def client_behind(request: Request) -> str:
    """Return the client in the Via below the top Via, as a source; "" when the Via is absent or unreadable."""
    via = second_via(request)
    if via is None:
        return ""
    host = (via.params.get(b"received") or via.host).decode("latin-1").strip("[]").lower()
    if not host or len(host) > MAX_CLIENT:
        return ""
    try:
        return network_of(host) + BY_EDGE
    except ValueError:
        return host + BY_EDGE


def place_behind(request: Request) -> str:
    """Return address and port of the client by the Via below the top Via, or NOT_TOLD.

    An edge adds `received` when the client is not where its sent-by says (RFC 3261 §18.2.1), and fills in `rport` (RFC
    3581 §4). Clients behind one NAT may have the same sent-by, so `received` without a port identifies no client.
    """
    via = second_via(request)
    if via is None:
        return NOT_TOLD
    received, rport = via.params.get(b"received"), via.params.get(b"rport")
    if received and not rport:
        return NOT_TOLD
    host = (received or via.host).decode("latin-1").lower()
    port = rport.decode("latin-1") if rport else str(via.port or "")
    return f"{via.transport.decode('latin-1').lower()} {host} {port}" if len(host) <= MAX_CLIENT else NOT_TOLD


def second_via(request: Request) -> Via | None:
    """Return the Via below the top Via, in the same line or the next; None when absent or unreadable."""
    lines = request.headers.get_all(b"via")
    values = split_outside(lines[0], b",") if COMMA in lines[0] else [lines[0]]
    if len(values) > 1:
        value = values[1]
    elif len(lines) > 1:
        value = split_outside(lines[1], b",")[0]
    else:
        return None
    try:
        return parse_via(value.strip(WSP))
    except MalformedMessage:
        return None


def _address(host: str) -> IPv6Address | IPv4Address:
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address

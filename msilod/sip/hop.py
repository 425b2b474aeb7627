"""Hop: the next transport address of a request, and the kinds of addresses (RFC 3263 §4)."""

import ipaddress
from functools import lru_cache
from typing import Final, NamedTuple

# The same addresses recur, and ipaddress takes 3 us for each.
CACHED: Final = 4096

# Kinds of networks.
LOOPBACK: Final = "loopback"
LINK_LOCAL: Final = "link-local"
PRIVATE: Final = "private"
PUBLIC: Final = "public"

_PRIVATE_4: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "240.0.0.0/4",
    )
)  # fmt: skip
_PRIVATE_6: Final = tuple(
    ipaddress.ip_network(text) for text in ("::/96", "100::/64", "fc00::/7", "fec0::/10")
)
# RFC 6052 §2.1, RFC 8215.
_NAT64: Final = tuple(ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48"))


class Hop(NamedTuple):
    """A transport address: `transport` is udp, tcp or tls, `host` an IP literal without brackets."""

    transport: str
    host: str
    port: int


@lru_cache(CACHED)
def is_group(host: str) -> bool:
    """True for multicast and broadcast addresses: a datagram would reach many hosts. `host` is without brackets."""
    return ipaddress.ip_address(host).is_multicast or host == "255.255.255.255"


@lru_cache(CACHED)
def can_be_sent_to(host: str) -> bool:
    """False for multicast, broadcast, unspecified and IPv4-mapped IPv6 addresses.

    Each socket of this server has one address family.
    """
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return False
    return not (is_group(host) or address.is_unspecified)


@lru_cache(CACHED)
def kind_of(host: str) -> str:
    """Return the kind of network of an address: LOOPBACK, LINK_LOCAL, PRIVATE or PUBLIC. `host` is without brackets.

    PRIVATE are RFC 1918, RFC 6598 (shared by the customers of a carrier), RFC 4193 and reserved addresses. An IPv6
    address with an IPv4 address inside (NAT64, 6to4) has the kind of the IPv4 address. Addresses for documentation are
    PUBLIC.
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is not None:
            address = inner
    if address.is_loopback:
        return LOOPBACK
    if address.is_link_local:
        return LINK_LOCAL
    networks = _PRIVATE_4 if address.version == 4 else _PRIVATE_6
    return PRIVATE if any(address in network for network in networks) else PUBLIC


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address inside an IPv6 address; None for most."""
    if any(address in network for network in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def bare(host: str) -> str:
    """Return an address for sockets: an IPv6 address without brackets."""
    return host[1:-1] if host.startswith("[") else host

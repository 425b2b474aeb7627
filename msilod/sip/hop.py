"""Hop: where a request is to go before there is a flow to it, and which addresses are no host's (RFC 3263 §4)."""

import ipaddress
from functools import lru_cache
from typing import Final, NamedTuple

# Addresses recur; ipaddress takes 3 us for each.
CACHED: Final = 4096


class Hop(NamedTuple):
    """Where to send: `transport` udp, tcp or tls, `host` an IP literal without brackets."""

    transport: str
    host: str
    port: int


@lru_cache(CACHED)
def is_group(host: str) -> bool:
    """True for multicast and broadcast: one datagram from us would be everybody's. `host` without brackets."""
    return ipaddress.ip_address(host).is_multicast or host == "255.255.255.255"


@lru_cache(CACHED)
def can_be_sent_to(host: str) -> bool:
    """False for a group, the unspecified address, and IPv4-mapped IPv6: our sockets are of one family."""
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return False
    return not (is_group(host) or address.is_unspecified)


@lru_cache(CACHED)
def is_local(host: str) -> bool:
    """True for loopback and link-local: on this machine or beside it, where no stranger's URI has any business."""
    address = ipaddress.ip_address(host)
    return address.is_loopback or address.is_link_local


def bare(host: str) -> str:
    """An address as sockets want it: IPv6 without its brackets."""
    return host[1:-1] if host.startswith("[") else host

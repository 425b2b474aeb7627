"""Trust: decides which sources are in the `trusted` networks, the trust domain (RFC 3325 §2.3).

Rules: the hot path asks for each request, so an address is matched once and remembered, and an empty list costs a look
at a tuple. An IPv4-mapped IPv6 address counts as the IPv4 address.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from msilod.sip.flow import Flow

Network = IPv4Network | IPv6Network
# Sources recur. Many hostile sources only evict entries.
CACHED_SOURCES: Final = 4096


class Trust:
    """`networks` as in msilod.toml: 192.0.2.0/24, 2001:db8::/32, 192.0.2.1. Raises ValueError for others."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self.configure(networks)

    def configure(self, networks: Sequence[str]) -> None:
        """Trust these networks from now on."""
        self._networks: tuple[Network, ...] = tuple(ip_network(text, strict=False) for text in networks)
        self._knows: Callable[[str], bool] = lru_cache(CACHED_SOURCES)(self._matches)

    @property
    def networks(self) -> Sequence[Network]:
        """The trusted networks."""
        return self._networks

    def trusts(self, flow: Flow) -> bool:
        """True when the peer of `flow` is in a trusted network."""
        return bool(self._networks) and self._knows(flow.host)

    def includes(self, host: str) -> bool:
        """True for an address, without brackets, in a trusted network."""
        return bool(self._networks) and self._knows(host)

    def _matches(self, host: str) -> bool:
        address = ip_address(host.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

"""Trust: which sources are our own proxies, the `trusted` networks (RFC 3325 §2.3, its trust domain).

Rules: asked for single requests on the hot path, so that an address is matched once and remembered, and an empty
list costs a look at a tuple; an IPv4 address that came mapped into IPv6 is the IPv4 address.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from msilod.sip.flow import Flow

Network = IPv4Network | IPv6Network
# Sources recur; a hostile crowd only evicts.
CACHED_SOURCES: Final = 4096


class Trust:
    """`networks` in the words of msilod.toml: 192.0.2.0/24, 2001:db8::/32, 192.0.2.1. Raises ValueError."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self.configure(networks)

    def configure(self, networks: Sequence[str]) -> None:
        """Trust these from now on."""
        self._networks: tuple[Network, ...] = tuple(ip_network(text, strict=False) for text in networks)
        self._knows: Callable[[str], bool] = lru_cache(CACHED_SOURCES)(self._matches)

    @property
    def networks(self) -> Sequence[Network]:
        """The trusted networks."""
        return self._networks

    def trusts(self, flow: Flow) -> bool:
        """True when what comes by `flow` comes from a trusted network, and what leaves by it stays in one."""
        return bool(self._networks) and self._knows(flow.host)

    def includes(self, host: str) -> bool:
        """True for an address, without brackets, in a trusted network."""
        return bool(self._networks) and self._knows(host)

    def _matches(self, host: str) -> bool:
        address = ip_address(host.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

"""Myself: the domains of this daemon with the addresses and ports of its listeners (SER's `uri==myself`).

routing/domains.py decides which URIs are ours and which AOR a URI names. This module adds the endpoints of a running
daemon, and the sent-by values of its own Vias (RFC 3261 §16.4, §16.5).
"""

from collections.abc import Iterable, Sequence

from msilod.registrar.gruu import Gruus
from msilod.routing.aliases import Aliases
from msilod.routing.domains import Domains, Named
from msilod.sip.flow import Endpoint
from msilod.sip.uri import canonical_host

__all__ = ["Myself", "Named"]


class Myself(Domains):
    """Domains, own addresses and ports. Without `domains` the first own address is the domain."""

    def __init__(
        self,
        domains: Sequence[str],
        endpoints: Iterable[Endpoint],
        addresses: Iterable[str],
        aliases: Aliases | None = None,
        gruus: Gruus | None = None,
    ) -> None:
        ends = list(endpoints)
        self.ports = frozenset(end.port for end in ends)
        hosts = [end.host for end in ends[:1]]
        super().__init__(domains, aliases, hosts, addresses, self.ports, gruus)
        shown = (f"[{address}]" if ":" in address else address for address in self.addresses)
        own = {canonical_host(address) for address in self.addresses}.union(shown)
        self._sent_by = frozenset(f"{host}:{port}".encode() for host in own for port in self.ports)

    def is_own_via(self, sent_by: bytes) -> bool:
        """True for the sent-by (`host:port`) of a Via of this server."""
        return sent_by in self._sent_by

"""Myself: which URIs mean this server, and which AOR they name (SER's `uri==myself`).

Rules: the configured domains are ours, and every address that we listen on is always ours too and an alias
of the first domain, so that `sip:bob@192.0.2.1` and `sip:bob@example.test` are one mailbox. A port that we
do not listen on makes a host somebody else's: phones live on our addresses, too (RFC 3261 §16.4, §16.5).
"""

from collections.abc import Iterable, Sequence

from msilod.sip.flow import Endpoint
from msilod.sip.uri import SipUri

_LOOPBACK_NAMES = ("localhost",)


class Myself:
    """Domains, own addresses and ports. `domains` may be empty: then the first own address is the domain."""

    def __init__(
        self, domains: Sequence[str], endpoints: Iterable[Endpoint], addresses: Iterable[str]
    ) -> None:
        ends = list(endpoints)
        self.ports = frozenset(end.port for end in ends)
        self.addresses = frozenset(address.lower() for address in addresses)
        names = set(self.addresses)
        if any(address.startswith("127.") or address == "::1" for address in self.addresses):
            names.update(_LOOPBACK_NAMES)
        self.domains = tuple(domain.lower() for domain in domains) or tuple(
            _bracketed(end.host) for end in ends[:1]
        )
        self._aliases = frozenset(_bracketed(name) for name in names) - frozenset(self.domains)
        self._hosts = self._aliases | frozenset(self.domains)

    def owns(self, uri: SipUri) -> bool:
        """True when a request for `uri` is ours to answer or to route by the location service."""
        return uri.host in self._hosts and (uri.port is None or uri.port in self.ports)

    def is_own_address(self, host: str) -> bool:
        """True for the addresses that we listen on: mode 0's IP-literal rule spares these."""
        return host in self._aliases or host in self.domains

    def canonical(self, aor: str) -> str:
        """`user@alias` as `user@first-domain`; any other AOR as it is."""
        user, _, host = aor.rpartition("@")
        return f"{user}@{self.domains[0]}" if host in self._aliases else aor

    def serves(self, aor: str) -> bool:
        """True when the AOR lies in a domain of ours."""
        return aor.rpartition("@")[2] in self._hosts


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host

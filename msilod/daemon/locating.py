"""Locating for the daemon: how names are asked for, and which of the hops a request of anybody's may be sent to.

Rules: a URI from the wire reaches no listener of ours by another name, and nothing on loopback or link-local
(checklist §4): a daemon that answers there trusts this machine. Except where all our listeners are on loopback,
so that everybody who can ask us is there already, and in the `trusted` networks.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msilod.config import parse_nameserver
from msilod.daemon.myself import Myself
from msilod.daemon.trust import Trust
from msilod.dns.location import Reach
from msilod.dns.records import Answer
from msilod.errors import TransportError, UnavailableError
from msilod.sip.flow import UDP, Endpoint
from msilod.sip.hop import Hop, is_local
from msilod.transport.transports import DIALLED

if TYPE_CHECKING:
    from msilod.dns.system import SystemAsk


class LazyAsk:
    """An `Ask` that becomes one at its first question: most daemons ask none, and dnspython takes 0.1 s and 5 MB."""

    def __init__(self, nameservers: Sequence[str]) -> None:
        self.configure(nameservers)

    def configure(self, nameservers: Sequence[str]) -> None:
        """Ask these from now on; none: those of /etc/resolv.conf."""
        self._nameservers = [parse_nameserver(text) for text in nameservers]
        self._ask: SystemAsk | None = None

    async def __call__(self, name: str, kind: str) -> Answer:
        """One question. Raises TransportError."""
        if self._ask is None:
            self._ask = self._made()
        return await self._ask(name, kind)

    def _made(self) -> "SystemAsk":
        from msilod.dns.system import SystemAsk, asking

        try:
            return SystemAsk(asking(self._nameservers) if self._nameservers else None)
        except UnavailableError as error:
            raise TransportError(str(error)) from error


class Reachable:
    """Which hops may be sent to."""

    def __init__(self, myself: Myself, trust: Trust, listening: Sequence[Endpoint]) -> None:
        self._myself = myself
        self._trust = trust
        self._is_local_only = all(is_local(endpoint.host) for endpoint in listening)

    def allowed(self, hops: Sequence[Hop]) -> list[Hop]:
        """Those of `hops` that may. Raises TransportError when there is none."""
        found = [hop for hop in hops if self._may_be_sent_to(hop)]
        if not found:
            raise TransportError(f"{hops[0].host}:{hops[0].port} is nothing that others may reach through us")
        return found

    def _may_be_sent_to(self, hop: Hop) -> bool:
        if hop.host in self._myself.addresses and hop.port in self._myself.ports:
            return False
        return self._is_local_only or not is_local(hop.host) or self._trust.includes(hop.host)


def reach_of(listening: Sequence[Endpoint]) -> Reach:
    """The transports that we listen on, and for each the address kinds (dns/location.py)."""
    kinds: dict[str, dict[str, None]] = {}
    for endpoint in listening:
        if endpoint.transport not in (UDP, *DIALLED):
            # Nobody can be called by WebSocket (RFC 7118 §5).
            continue
        kinds.setdefault(endpoint.transport, {})["AAAA" if ":" in endpoint.host else "A"] = None
    return {transport: tuple(found) for transport, found in kinds.items()}

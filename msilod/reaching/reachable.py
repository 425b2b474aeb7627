"""Reachable: decides which hops a request may be sent to; makes the DNS resolver when first needed.

A URI from the wire (Request-URI, Route, Contact, Path, maddr, or a name after DNS) leads to these hops only:

    a listener of this daemon          never, by any name
    a `trusted` network                always
    the address of the REGISTER of     always: the phone has registered from there
    a contact
    a public address                   always, except other ports of our own addresses
    a private network                  when one of our listeners is in a private network
    loopback, link-local               when all our listeners are there

A URI written by the operator (a next hop, a URI of the routing policy) may lead to any address.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msilod.auth.trust import Trust
from msilod.config import parse_nameserver
from msilod.dns.location import Reach
from msilod.dns.records import Answer
from msilod.errors import TransportError, UnavailableError
from msilod.routing.myself import Myself
from msilod.sip.flow import UDP, Endpoint
from msilod.sip.hop import LINK_LOCAL, LOOPBACK, PRIVATE, PUBLIC, Hop, can_be_sent_to, kind_of
from msilod.transport.transports import DIALLED

if TYPE_CHECKING:
    from msilod.dns.system import SystemAsk


class LazyAsk:
    """An `Ask` that imports dnspython at the first question; most daemons ask none. dnspython takes 0.1 s and 5 MB."""

    def __init__(self, nameservers: Sequence[str]) -> None:
        self.configure(nameservers)

    def configure(self, nameservers: Sequence[str]) -> None:
        """Use these name servers from now on; for an empty list those in /etc/resolv.conf."""
        self._nameservers = [parse_nameserver(text) for text in nameservers]
        self._ask: SystemAsk | None = None

    async def __call__(self, name: str, kind: str) -> Answer:
        """Ask one question. Raises TransportError."""
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
    """Decides which hops may be sent to. `listening`: the listeners of the daemon."""

    def __init__(self, myself: Myself, trust: Trust, listening: Sequence[Endpoint]) -> None:
        self._myself = myself
        self._trust = trust
        self._listening = [endpoint.host for endpoint in listening if can_be_sent_to(endpoint.host)]
        # By family (True: IPv6): a public IPv6 address is no sign of a public IPv4 network.
        self._is_public = {family: self._has(PUBLIC, self._all(), family) for family in (False, True)}
        self._serves_private = {
            family: self._has(PRIVATE, self._listening if self._is_public[family] else self._all(), family)
            for family in (False, True)
        }
        # Loopback and link-local are for a daemon with listeners there only.
        self._is_local_only = bool(listening) and all(
            kind_of(endpoint.host) in (LOOPBACK, LINK_LOCAL) for endpoint in listening
        )

    def _all(self) -> list[str]:
        """The addresses of all listeners, with the machine's addresses for a listener on 0.0.0.0 or [::].

        A listener on 0.0.0.0 is in each network of the machine. On a machine with a public address the private
        networks are often networks of containers. So on such a machine only explicit listeners count for private
        networks.
        """
        return [*self._listening, *self._myself.addresses]

    def _has(self, kind: str, hosts: Sequence[str], is_v6: bool) -> bool:
        return any(kind_of(host) == kind for host in hosts if (":" in host) is is_v6)

    def allowed(self, hops: Sequence[Hop], heard_from: str = "") -> list[Hop]:
        """The allowed hops of `hops`. `heard_from`: an address that the peer has proved, e.g. by a REGISTER.

        Raises TransportError when no hop is allowed.
        """
        found = [hop for hop in hops if self._may_be_sent_to(hop, heard_from)]
        if not found:
            raise TransportError(
                f"{hops[0].host}:{hops[0].port} is an address that requests may not be sent to"
            )
        return found

    def _may_be_sent_to(self, hop: Hop, heard_from: str) -> bool:
        host = hop.host
        if host in self._myself.addresses and hop.port in self._myself.ports:
            return False
        if host == heard_from or self._is_local_only or self._trust.includes(host):
            return True
        is_v6 = ":" in host
        if host in self._myself.addresses and self._is_public[is_v6]:
            # Another program of this machine.
            return False
        kind = kind_of(host)
        return kind == PUBLIC or (kind == PRIVATE and self._serves_private[is_v6])


def reach_of(listening: Sequence[Endpoint]) -> Reach:
    """The transports that we listen on, each with the kinds of address records to ask for (dns/location.py)."""
    kinds: dict[str, dict[str, None]] = {}
    for endpoint in listening:
        if endpoint.transport not in (UDP, *DIALLED):
            # A WebSocket client cannot be dialled (RFC 7118 §5).
            continue
        kinds.setdefault(endpoint.transport, {})["AAAA" if ":" in endpoint.host else "A"] = None
    return {transport: tuple(found) for transport, found in kinds.items()}

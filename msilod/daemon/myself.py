"""Myself: which URIs mean this server, and which AOR they name (SER's `uri==myself`).

Rules: the configured domains are ours, and every address that we listen on is always ours too and an alias
of the first domain, so that `sip:bob@192.0.2.1` and `sip:bob@example.test` are one mailbox. A port that we
do not listen on makes a host somebody else's: phones live on our addresses, too (RFC 3261 §16.4, §16.5).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msilod.errors import RequestRefused
from msilod.registrar.gruu import PARAMETER, Gruu, Gruus
from msilod.routing.aliases import Aliases
from msilod.sip.cache import Cache
from msilod.sip.flow import Endpoint
from msilod.sip.tel import is_tel, parse_tel
from msilod.sip.uri import SipUri

_LOOPBACK_NAMES: Final = ("localhost",)
# Bytes of what is remembered of Request-URIs: 14,000 of usual length.
CACHED_URI_BYTES: Final = 13_000_000


class Named:
    """What a Request-URI names: the URI (read only), whether it is ours, the AOR ("" when it names none).

    `gruu` tells which device of the AOR, None when it is for all of them.
    """

    __slots__ = ("aor", "gruu", "is_ours", "uri")

    def __init__(self, uri: SipUri, is_ours: bool, aor: str, gruu: Gruu | None = None) -> None:
        self.gruu = gruu
        self.uri = uri
        self.is_ours = is_ours
        self.aor = aor


class Myself:
    """Domains, own addresses and ports. Without `domains` the first own address is the domain.

    `named(raw)` reads a Request-URI; raises MalformedMessage, and RequestRefused 404 for a temporary GRUU that
    is none of ours.
    """

    def __init__(
        self,
        domains: Sequence[str],
        endpoints: Iterable[Endpoint],
        addresses: Iterable[str],
        aliases: Aliases | None = None,
        gruus: Gruus | None = None,
    ) -> None:
        self.gruus = gruus
        ends = list(endpoints)
        self.ports = frozenset(end.port for end in ends)
        self.addresses = frozenset(address.lower() for address in addresses)
        self._first = tuple(_bracketed(end.host) for end in ends[:1])
        self.configure(domains, aliases)

    def configure(self, domains: Sequence[str], aliases: Aliases | None = None) -> None:
        """Serve these domains, and these other names of mailboxes, from now on."""
        self._names = aliases or None
        names = set(self.addresses)
        if any(address.startswith("127.") or address == "::1" for address in self.addresses):
            names.update(_LOOPBACK_NAMES)
        self.domains = tuple(domain.lower() for domain in domains) or self._first
        self._aliases = frozenset(_bracketed(name) for name in names) - frozenset(self.domains)
        self._hosts = self._aliases | frozenset(self.domains)
        self._sent_by = frozenset(f"{host}:{port}".encode() for host in self._aliases for port in self.ports)
        # Recipients recur: 5 us a request become 0.1.
        self.named: Callable[[bytes], Named] = Cache(self._named, _size, CACHED_URI_BYTES).__getitem__

    def _named(self, raw: bytes) -> Named:
        uri = self._number(raw) if is_tel(raw) else SipUri.parse(raw)
        is_ours = self.owns(uri)
        aor = self.canonical(uri.aor()) if is_ours and uri.user is not None else ""
        if aor and PARAMETER in uri.params and self.gruus is not None:
            gruu = self.gruus.read(uri, aor)
            if not self.serves(gruu.aor):
                # Made when its domain was ours.
                raise RequestRefused(404, "Not Found")
            return Named(uri, is_ours, gruu.aor, gruu)
        return Named(uri, is_ours, aor)

    def _number(self, raw: bytes) -> SipUri:
        """A tel URI as the user of ours that it names (RFC 3261 §19.1.6): in the domain of its context, if that is
        one of ours, else in the first.
        """
        number, context = parse_tel(raw)
        host = context if context in self.domains else self.domains[0]
        return SipUri("sip", number, host, params={"user": "phone"})

    def is_own_via(self, sent_by: bytes) -> bool:
        """True for the sent-by (`host:port`) of a Via that we wrote."""
        return sent_by in self._sent_by

    def owns(self, uri: SipUri) -> bool:
        """True when a request for `uri` is ours to answer or to route by the location service."""
        return uri.host in self._hosts and (uri.port is None or uri.port in self.ports)

    def is_own_address(self, host: str) -> bool:
        """True for the addresses that we listen on: mode 0's IP-literal rule spares these."""
        return host in self._aliases or host in self.domains

    def canonical(self, aor: str) -> str:
        """`user@alias` as `user@first-domain`, and another name of a mailbox as the mailbox's; else as it is."""
        user, _, host = aor.rpartition("@")
        if host in self._aliases:
            aor, host = f"{user}@{self.domains[0]}", self.domains[0]
        return self._names.resolve(aor) if self._names is not None and host in self._hosts else aor

    def serves(self, aor: str) -> bool:
        """True when the AOR lies in a domain of ours."""
        return aor.rpartition("@")[2] in self._hosts


def _size(raw: bytes, named: Named) -> int:
    """Bytes: `raw`, the objects, their strings, and the parameters (a dict's slot and up to two strings each)."""
    return 800 + 4 * len(raw) + 160 * len(named.uri.params)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host

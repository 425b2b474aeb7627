"""Domains: which URIs are ours, and which address of record (AOR) a URI names (RFC 3261 §10.3 item 5, §16.4).

Only this module answers the two questions. The gate, the registrar, the silo, notices, receipts and the command line
use the answer, a `Named`, so all agree. The rules:

- A URI is ours when its host is one of our domains or one of our own addresses, and when it has no port or a port
  that we listen on. A port that we do not listen on makes the URI foreign, in From, To and Request-URI alike,
  because phones live on our addresses, too.
- Our own addresses (and `localhost`, when we listen on loopback) are other names of the first domain.
- A root dot (`example.test.`), the case of a host, the spelling of an IPv6 address and the IPv4-mapped form of an
  IPv4 address make no difference. The case of the user part does.
- The scheme (sip, sips), a password, parameters and headers of a URI make no difference to its AOR. Escapes are
  decoded. A tel URI names its number in the domain of its phone-context, or in the first domain
  when the phone-context is foreign.
- A GRUU that this server made names the AOR of its device (RFC 5627).
- [aliases] are applied last, to the AOR.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msilod.errors import MalformedMessage, RequestRefused, SipError
from msilod.registrar.gruu import PARAMETER, Gruu, Gruus
from msilod.routing.aliases import Aliases
from msilod.sip.cache import Cache
from msilod.sip.grammar import ipv4
from msilod.sip.tel import is_tel, parse_tel
from msilod.sip.uri import SipUri, canonical_host, canonical_user, has_scheme

_LOOPBACK_NAMES: Final = ("localhost",)
_MAPPED: Final = "[::ffff:"
# Bytes of remembered URIs of Request-URI, To and From: 20,000 of usual length.
CACHED_URI_BYTES: Final = 20_000_000


class Named:
    """The reading of a URI. Read only: one object serves all requests with the same URI.

    - `is_ours`: the URI lies in a domain of ours.
    - `aor`: the AOR of this server, "" for none. A URI without a user has none, nor a temporary GRUU not made here.
    - `gruu`: the device of the AOR, None for all devices.
    - `is_tel`: the URI was a tel URI.
    - `is_sip`: the URI was readable (sip, sips, tel); `uri` is empty if not.
    - `is_refused`: `Domains.named` raises for the URI.
    - `name`: the name in rows, notices and hourly limits: the AOR; `user@host` of a foreign URI; `user@host:port` of a
      URI
    that is foreign by its port alone; the URI itself without a user or when the URI is not a SIP URI. The name of a
    foreign URI never equals an AOR of this server.
    """

    __slots__ = ("aor", "gruu", "is_ours", "is_refused", "is_sip", "is_tel", "name", "uri")

    def __init__(
        self,
        uri: SipUri,
        is_ours: bool,
        aor: str,
        gruu: Gruu | None,
        name: str,
        is_tel: bool = False,
        is_sip: bool = True,
        is_refused: bool = False,
    ) -> None:
        self.is_refused = is_refused
        self.gruu = gruu
        self.uri = uri
        self.is_ours = is_ours
        self.aor = aor
        self.name = name
        self.is_tel = is_tel
        self.is_sip = is_sip

    def as_foreign(self, raw: bytes) -> "Named":
        """Return the same URI as a foreign URI: a telephone number without a user here."""
        return Named(self.uri, False, "", None, _told(raw), self.is_tel)


class Domains:
    """The domains of a server, its addresses and ports, and the other names of its mailboxes.

    `addresses` are the server's own, without brackets; `ports` are the ports of the listeners, None for any. Without
    `domains` the first of `hosts` is the domain. `identify(raw)` reads a URI, never raises, and remembers its answers.
    `named(raw)` reads a URI and raises the refusal of a Request-URI.
    """

    def __init__(
        self,
        domains: Sequence[str],
        aliases: Aliases | None = None,
        hosts: Sequence[str] = (),
        addresses: Iterable[str] = (),
        ports: Iterable[int] | None = None,
        gruus: Gruus | None = None,
    ) -> None:
        self.gruus = gruus
        self._ports = None if ports is None else frozenset(ports)
        self.addresses = frozenset(address.lower() for address in addresses)
        self._first = tuple(canonical_host(host) for host in hosts[:1])
        self.configure(domains, aliases)

    def configure(self, domains: Sequence[str], aliases: Aliases | None = None) -> None:
        """Use these domains and aliases from now on."""
        self._names = aliases or None
        names = set(self.addresses)
        if any(address.startswith("127.") or address == "::1" for address in names):
            names.update(_LOOPBACK_NAMES)
        self.domains = tuple(canonical_host(domain) for domain in domains) or self._first
        # Each spelling of a host of ours, and the domain of the spelling.
        self._hosts = {spelling: domain for domain in self.domains for spelling in _spellings(domain)}
        for name in sorted(names) if self.domains else ():
            for spelling in _spellings(canonical_host(name)):
                self._hosts.setdefault(spelling, self.domains[0])
        # Senders and recipients recur: 5 us a request become 0.1.
        self.identify: Callable[[bytes], Named] = Cache(self._identify, _size, CACHED_URI_BYTES).__getitem__

    def named(self, raw: bytes) -> Named:
        """As `identify`. Raises MalformedMessage (400, 416), and RequestRefused 404 for an invalid temporary GRUU."""
        found = self.identify(raw)
        if found.is_refused:
            # The URI is read again for the error: a kept error would keep its first request in memory.
            return self._read(raw)
        return found

    def mailbox(self, text: str) -> str:
        """Return the AOR for a typed `alice@example.test`, SIP URI or tel URI; `user@host` of foreign names.

        Raises ValueError with a text in plain words.
        """
        words = text.strip(" ")
        try:
            if not words:
                raise ValueError("an empty address")
            raw = (words if has_scheme(words) else f"sip:{words}").encode("utf-8", "backslashreplace")
            if is_tel(raw) and not self.domains:
                raise ValueError(f"{words}: whose number? write number@domain, or set domains in msilod.toml")
            found = self._read(raw)
        except SipError as error:
            raise ValueError(
                f"{words!r} is no address like alice@example.test: {error.phrase.lower()}"
            ) from error
        if found.uri.user is None:
            raise ValueError(f"{words!r} is no address like alice@example.test: uri without user")
        if not found.is_ours and found.uri.host in self._hosts:
            raise ValueError(f"{words!r} names no mailbox: nothing of ours listens on port {found.uri.port}")
        if found.is_ours and not found.aor:
            raise ValueError(f"{words!r} names no mailbox: [aliases] lead to a domain that is not ours")
        return found.name

    def owns(self, uri: SipUri) -> bool:
        """True when this server must answer a request for `uri` or route the request by the location service."""
        return uri.host in self._hosts and self._has_port(uri)

    def serves(self, host: str) -> bool:
        """True for a host of ours, in any spelling."""
        return canonical_host(host) in self._hosts

    def is_aor(self, text: str) -> bool:
        """True for the AOR of a mailbox here, in the spelling of `Named.aor`."""
        return bool(text) and self.identify(b"sip:" + text.encode("utf-8", "backslashreplace")).aor == text

    def _has_port(self, uri: SipUri) -> bool:
        return uri.port is None or self._ports is None or uri.port in self._ports

    def _identify(self, raw: bytes) -> Named:
        try:
            return self._read(raw)
        except MalformedMessage as error:
            # Text that is not a URI is put in angle brackets: `alice@[::1]` would be an AOR.
            name = _told(raw) if error.status == 416 else f"<{_told(raw)}>"
            return Named(SipUri("", None, ""), False, "", None, name, is_sip=False, is_refused=True)
        except RequestRefused:
            return Named(SipUri.parse(raw), True, "", None, _told(raw), is_refused=True)

    def _read(self, raw: bytes) -> Named:
        is_number = is_tel(raw)
        uri = self._number(raw) if is_number else SipUri.parse(raw)
        domain = self._hosts.get(uri.host)
        if domain is None:
            name = _told(raw) if uri.user is None or is_number else uri.aor()
            return Named(uri, False, "", None, name, is_number)
        if uri.user is None:
            return Named(uri, self._has_port(uri), "", None, _told(raw))
        if not self._has_port(uri):
            return Named(uri, False, "", None, f"{uri.aor()}:{uri.port}")
        aor = self._canonical(f"{canonical_user(uri.user)}@{domain}")
        if PARAMETER in uri.params and self.gruus is not None:
            gruu = self.gruus.read(uri, aor)
            user, _, host = gruu.aor.rpartition("@")
            if host not in self._hosts:
                # The GRUU was made when the domain was ours.
                raise RequestRefused(404, "Not Found")
            aor = self._canonical(f"{user}@{self._hosts[host]}")
            return Named(uri, True, aor, Gruu(aor, gruu.instance, gruu.call), aor or _told(raw))
        return Named(uri, True, aor, None, aor or _told(raw), is_number)

    def _canonical(self, aor: str) -> str:
        """Return the mailbox of `aor`, an AOR in a domain of ours; "" where [aliases] lead to a foreign domain."""
        if self._names is None:
            return aor
        user, _, host = self._names.resolve(aor).rpartition("@")
        domain = self._hosts.get(host)
        return "" if domain is None else f"{user}@{domain}"

    def _number(self, raw: bytes) -> SipUri:
        """Return a tel URI as a SIP URI (RFC 3261 §19.1.6).

        The domain is the phone-context when this is a domain of ours, else the first domain.
        """
        number, context = parse_tel(raw)
        first = self.domains[0] if self.domains else ""
        host = canonical_host(context) if context else first
        return SipUri("sip", number, host if host in self.domains else first, params={"user": "phone"})


def _spellings(host: str) -> tuple[str, ...]:
    """Return the host, and the IPv4-mapped IPv6 address of an IPv4 address or the reverse (RFC 4291 §2.5.5.2)."""
    if ipv4(host) is not None:
        return host, f"{_MAPPED}{host}]"
    if host.startswith(_MAPPED):
        return host, host[len(_MAPPED) : -1]
    return (host,)


def _size(raw: bytes, named: Named) -> int:
    """Bytes: `raw`, the objects, their strings, and the parameters (a dict's slot and up to two strings each).

    A usual URI of 27 octets takes 540 bytes, measured with its key; 20 MB hold 32,000 of them.
    """
    return 480 + 5 * len(raw) + 160 * len(named.uri.params)


def _told(raw: bytes) -> str:
    return raw.decode("ascii", "backslashreplace")

"""Identity: compares the SIP domains in a certificate with the domain that was dialled (RFC 5922 §7).

Rules: pure; a certificate is the dictionary of ssl.SSLSocket.getpeercert(), and ssl has verified the chain before.
Names match as a whole and without wildcards (§7.2). The common name of the subject counts only when there is no
subjectAltName at all (§7.1). RFC 5922 says nothing about IP literals: an IP literal is matched by an iPAddress entry
(RFC 2818 §3.1), and by no other entry.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Certificate = Mapping[str, Any]
Names = Sequence[tuple[str, str]]

_SIP: Final = "sip:"


def names_domain(certificate: Certificate, domain: str) -> bool:
    """True when `certificate` proves `domain`: a name, or an IP literal without brackets.

    `domain` is the domain in the URI, and never a name from a SRV or NAPTR record (§4, RFC 3263 §4).
    """
    address = _address(domain)
    if address is not None:
        return any(
            _address(name) == address for kind, name in _alternatives(certificate) if kind == "IP Address"
        )
    wanted = _folded(domain)
    return bool(wanted) and any(_folded(name) == wanted for name in sip_domains(certificate))


def sip_domains(certificate: Certificate) -> list[str]:
    """§7.1: the sip URIs without a user; without any the DNS names; without subjectAltName the common names."""
    alternatives = _alternatives(certificate)
    if not alternatives:
        return list(_common_names(certificate))
    uris = [host for kind, text in alternatives if kind == "URI" and (host := _sip_host(text))]
    return uris or [text for kind, text in alternatives if kind == "DNS"]


def _alternatives(certificate: Certificate) -> Names:
    names: Names = certificate.get("subjectAltName", ())
    return names


def _common_names(certificate: Certificate) -> Iterator[str]:
    for relative_name in certificate.get("subject", ()):
        yield from (value for kind, value in relative_name if kind == "commonName")


def _sip_host(uri: str) -> str:
    """The host of `sip:host`; "" for another scheme, `sips` too, and for a user's certificate."""
    if uri[: len(_SIP)].lower() != _SIP or "@" in uri:
        return ""
    return uri[len(_SIP) :].partition(";")[0].partition("?")[0]


def _folded(name: str) -> str:
    """DNS names compare without case (§7.2). A wildcard or a name with other bytes is no name: ""."""
    if not name.isascii() or "*" in name or not name.isprintable():
        return ""
    return name.lower().removesuffix(".")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None

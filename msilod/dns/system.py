"""SystemAsk: the `Ask` of a running daemon: dnspython on trio, with the nameservers of this machine.

Rules: /etc/resolv.conf is read once, when the object is made. Names are absolute, so search domains do not apply. No
exception of dnspython leaves this module. Only records of known types with valid names are returned.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.message
import dns.nameserver
import dns.rdataclass
import dns.rdatatype
import dns.resolver

from msilod.dns.records import MAX_RECORDS, Address, Alias, Answer, Naptr, Record, Srv, host_name
from msilod.dns.resolver import QUESTION_S
from msilod.errors import TransportError, UnavailableError

# Time for a second try, at the next nameserver when there is one.
_TRY_S: Final = QUESTION_S / 2
# RFC 9715 §3.1: this size passes without fragments.
_PAYLOAD: Final = 1232


class SystemAsk:
    """Asks the nameservers of `resolver`, by default those of /etc/resolv.conf.

    Raises UnavailableError when the file is missing or names no nameserver.
    """

    def __init__(self, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        try:
            self._resolver = dns.asyncresolver.Resolver() if resolver is None else resolver
        except dns.exception.DNSException as error:
            raise UnavailableError("DNS: /etc/resolv.conf is missing or names no nameserver") from error
        self._resolver.timeout = _TRY_S
        self._resolver.use_edns(0, 0, _PAYLOAD)

    async def __call__(self, name: str, kind: str) -> Answer:
        """Send one question. Raises TransportError for SERVFAIL from all nameservers, silence and invalid names."""
        try:
            answer = await self._resolver.resolve(
                f"{name}.",
                kind,
                raise_on_no_answer=False,
                lifetime=QUESTION_S,
                search=False,
                backend=dns.asyncbackend.get_backend("trio"),
            )
        except dns.resolver.NXDOMAIN:
            return Answer((), 0)
        except dns.exception.Timeout as error:
            raise TransportError(f"DNS: no answer for {name} {kind} within {QUESTION_S:g} s") from error
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise TransportError(f"DNS: the nameservers failed at {name} {kind}") from error
        return read_message(answer.response)


def asking(nameservers: Sequence[tuple[str, int]]) -> dns.asyncresolver.Resolver:
    """Return a resolver that asks these (address, port) in their order, and reads no file."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [dns.nameserver.Do53Nameserver(*nameserver) for nameserver in nameservers]
    return resolver


def read_message(message: dns.message.Message) -> Answer:
    """Return the answer section as plain records, the first MAX_RECORDS, with the smallest TTL."""
    heard = list(islice(_records(message), MAX_RECORDS))
    return Answer(tuple([record for record, _ in heard]), min([ttl for _, ttl in heard], default=0))


def _records(message: dns.message.Message) -> Iterator[tuple[Record, int]]:
    for rrset in message.answer:
        owner = host_name(str(rrset.name))
        make = _MAKERS.get(dns.rdatatype.to_text(rrset.rdtype))
        if make is None or owner is None or rrset.rdclass != dns.rdataclass.IN:
            continue
        for rdata in rrset:
            record = make(owner, rdata)
            if record is not None:
                yield record, rrset.ttl


def _alias(owner: str, rdata: Any) -> Alias | None:
    target = host_name(str(rdata.target))
    return None if target is None else Alias(owner, target)


def _srv(owner: str, rdata: Any) -> Srv | None:
    root = str(rdata.target) == "."
    target = "" if root else host_name(str(rdata.target))
    return None if target is None else Srv(owner, rdata.priority, rdata.weight, rdata.port, target)


def _naptr(owner: str, rdata: Any) -> Naptr:
    flags, service = rdata.flags.decode("latin-1"), rdata.service.decode("latin-1")
    replacement = host_name(str(rdata.replacement)) or ""
    return Naptr(owner, rdata.order, rdata.preference, flags, service, replacement)


_MAKERS: Final[dict[str, Callable[[str, Any], Record | None]]] = {
    "A": lambda owner, rdata: Address(owner, "A", rdata.address),
    "AAAA": lambda owner, rdata: Address(owner, "AAAA", rdata.address),
    "CNAME": _alias,
    "SRV": _srv,
    "NAPTR": _naptr,
}

"""Choice: selects and orders records: NAPTR services, SRV priorities and weights.

Rules: RFC 3263 §4.1 for NAPTR, RFC 2782 for SRV; randomness is an argument.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from msilod.dns.records import Naptr, Srv
from msilod.errors import TransportError

Random = Callable[[], float]

# RFC 3263 §4.1: the services of a sip URI with transports that this server may have.
_TRANSPORT_OF: Final = {"sip+d2u": "udp", "sip+d2t": "tcp", "sips+d2t": "tls"}
_SIP_SERVICES: Final = ("sip+d2", "sips+d2")
# A domain has one record per transport. The limit bounds the questions that follow.
_MAX_SERVICES: Final = 4


def choose_services(
    domain: str, records: Iterable[Naptr], transports: Collection[str]
) -> list[tuple[str, str]]:
    """Return (transport, SRV name) by order and preference (RFC 3403 §4.1, RFC 3263 §4.1); [] without SIP services.

    All usable services are returned, of any order: RFC 3263 §4.1 reads the order as the preference of the server.
    Raises TransportError when the domain names SIP services and none is usable here. Another transport would then
    ignore a domain that allows TLS alone.
    """
    ranked = sorted(records, key=lambda record: (record.order, record.preference))
    ours = [record for record in ranked if record.service.lower().startswith(_SIP_SERVICES)]
    usable = {
        (transport, record.replacement): None
        for record in ours
        if (transport := _TRANSPORT_OF.get(record.service.lower())) in transports
        and transport is not None
        and record.flags.lower() == "s"
        and record.replacement
    }
    if ours and not usable:
        raise TransportError(f"DNS: {domain} offers no SIP service that we can use")
    return list(usable)[:_MAX_SERVICES]


def in_srv_order(records: Iterable[Srv], random: Random) -> list[Srv]:
    """Return the records by priority, and within a priority by weighted chance (RFC 2782, "Weight").

    `random` returns 0 <= x < 1.
    """
    by_priority: dict[int, list[Srv]] = {}
    for record in records:
        by_priority.setdefault(record.priority, []).append(record)
    ordered: list[Srv] = []
    for priority in sorted(by_priority):
        # Records of weight 0 stand first, so they have a small chance beside the others.
        rest = sorted(by_priority[priority], key=lambda record: record.weight != 0)
        while rest:
            ordered.append(rest.pop(_drawn(rest, random)))
    return ordered


def _drawn(records: list[Srv], random: Random) -> int:
    chosen = int(random() * (sum([record.weight for record in records]) + 1))
    running = 0
    for index, record in enumerate(records):
        running += record.weight
        if running >= chosen:
            return index
    return len(records) - 1

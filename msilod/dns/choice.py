"""Which records to use, and in which order: NAPTR services, SRV weights.

Rules: RFC 3263 §4.1 for NAPTR, RFC 2782 for SRV; randomness is an argument.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from msilod.dns.records import Naptr, Srv
from msilod.errors import TransportError

Random = Callable[[], float]

# RFC 3263 §4.1: the services of a sip URI whose transports we may have.
_TRANSPORT_OF: Final = {"sip+d2u": "udp", "sip+d2t": "tcp", "sips+d2t": "tls"}
_SIP_SERVICES: Final = ("sip+d2", "sips+d2")
# A domain offers one record per transport; more are somebody else's work for us.
_MAX_SERVICES: Final = 4


def choose_services(
    domain: str, records: Iterable[Naptr], transports: Collection[str]
) -> list[tuple[str, str]]:
    """(transport, SRV name) by order and preference (RFC 3403 §4.1, RFC 3263 §4.1); none without SIP services.

    All usable ones are kept, whatever their order: RFC 3263 §4.1 reads the order as the server's preference.
    Raises TransportError when the domain names SIP services and we can use none of them: to go there by what
    it does not offer would undo its choice of TLS.
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
    """By priority, and within one by weighted chance (RFC 2782, "Weight"). `random` gives 0 <= x < 1."""
    by_priority: dict[int, list[Srv]] = {}
    for record in records:
        by_priority.setdefault(record.priority, []).append(record)
    ordered: list[Srv] = []
    for priority in sorted(by_priority):
        # Those of weight 0 stand first, so that they have a small chance beside the others.
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

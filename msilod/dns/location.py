"""Location: finds SIP servers (RFC 3263 §4.1, §4.2): from a URI to questions, and from the answers to hops.

    | the URI has            | transport               | port and addresses from           |
    |------------------------|-------------------------|-----------------------------------|
    | an IP literal          | transport=, else UDP    | the URI, else 5060                |
    | a name and a port      | transport=, else UDP    | the URI; A, AAAA                  |
    | a name and transport=  | transport=              | SRV, else 5060; A, AAAA           |
    | a name                 | NAPTR, else SRV         | SRV, else UDP at 5060; A, AAAA    |

Rules: pure. sips: and transport=tls mean TLS. A maddr parameter replaces the host (§4). A failed question counts only
when no hop was found. At most MAX_HOPS hops are returned. A failed NAPTR question counts as an answer without records,
since some servers do not know the type. A failed SRV question does not, because the address of the name may be another
machine.
"""

from collections.abc import Generator, Iterable, Mapping
from typing import Final, NamedTuple

from msilod.dns.choice import Random, choose_services, in_srv_order
from msilod.dns.records import Address, Naptr, Outcome, Question, Srv, host_name
from msilod.errors import TransportError
from msilod.sip.flow import TCP, TLS, UDP
from msilod.sip.grammar import ipv4, ipv6
from msilod.sip.hop import Hop, can_be_sent_to
from msilod.sip.uri import SipUri

MAX_HOPS: Final = 8
# RFC 3261 §19.1.2.
DEFAULT_PORT: Final = 5060
DEFAULT_TLS_PORT: Final = 5061
_SRV_OF: Final = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
# RFC 6761 §6.4 (row T13: browsers use the domain), RFC 7686 §2: names in these domains are never asked for.
_NEVER_ASKED: Final = ("invalid", "onion")
# Transports that may be named in a log. A URI may contain any other word.
_KNOWN: Final = ("udp", "tcp", "tls", "ws", "wss", "sctp", "tls-sctp")

# The transports that this server listens on, each with its address kinds, best first: {"udp": ("A",)}.
Reach = Mapping[str, tuple[str, ...]]


class _Place(NamedTuple):
    transport: str
    name: str
    port: int


# Yields questions that may be asked in parallel, receives the outcomes in the same order, returns hops.
Search = Generator[tuple[Question, ...], list[Outcome], list[Hop]]
_Places = Generator[tuple[Question, ...], list[Outcome], list[_Place]]


def search(uri: SipUri, reach: Reach, random: Random) -> Search:
    """Return the hops for `uri`, best first, never empty. Raises TransportError with a reason that is safe to log."""
    target = _target(uri)
    transport = _transport(uri, target, reach)
    literal = ipv4(target) or ipv6(target)
    if literal is not None:
        used = transport or _default(reach)
        return [_literal_hop(Hop(used, literal, uri.port or default_port(used)), reach)]
    if uri.port is not None:
        places = [_Place(transport or _default(reach), target, uri.port)]
    else:
        places = yield from _services(target, transport, reach, random)
    return (yield from _addresses(target, places, reach))


def _transport(uri: SipUri, target: str, reach: Reach) -> str | None:
    transport = uri.transport
    if transport is not None and transport not in _KNOWN:
        raise TransportError(f"{target} is to be reached by a transport that is unknown here")
    if uri.scheme == "sips":
        if transport not in (None, TCP, TLS):
            raise TransportError(f"{target} is to be reached by sips, and {transport} is not secure")
        transport = TLS
    if not reach or (transport is not None and transport not in reach):
        raise TransportError(
            f"{target} is to be reached by {transport or UDP}, and there is no such listener"
        )
    return transport


def default_port(transport: str) -> int:
    """Return the port of a URI without a port."""
    return DEFAULT_TLS_PORT if transport == TLS else DEFAULT_PORT


def _default(reach: Reach) -> str:
    return UDP if UDP in reach else next(iter(reach))


def _target(uri: SipUri) -> str:
    """Return the maddr parameter or the host (§4), an IPv6 address without brackets."""
    given = uri.params.get("maddr") or uri.host
    if given[0] == "[" and ipv6(given[1:-1]) is not None:
        return given[1:-1]
    name = host_name(given)
    if name is None or (name.rpartition(".")[2].isdigit() and ipv4(name) is None):
        raise TransportError("a URI without a host name that DNS can be asked for")
    if name.rpartition(".")[2] in _NEVER_ASKED:
        raise TransportError(f"{name} is a name that is never looked up")
    return name


def _literal_hop(hop: Hop, reach: Reach) -> Hop:
    kind = "AAAA" if ":" in hop.host else "A"
    if not can_be_sent_to(hop.host):
        raise TransportError(f"{hop.host} is not the address of a host")
    if kind not in reach[hop.transport]:
        raise TransportError(f"{hop.host}: no {hop.transport} listener for addresses of its kind")
    return hop


def _services(target: str, transport: str | None, reach: Reach, random: Random) -> _Places:
    """Find the places of a name without a port (§4.1, §4.2): the name at 5060 when there is no SRV."""
    chosen: list[tuple[str, str]] = []
    if transport is None:
        (outcome,) = yield (Question(target, "NAPTR"),)
        if not isinstance(outcome, TransportError):
            naptrs = [record for record in outcome if isinstance(record, Naptr)]
            chosen = choose_services(target, naptrs, reach)
    if not chosen:
        # Without a NAPTR only sips: asks for TLS (§4.1).
        plain = [name for name in (UDP, TCP) if name in reach]
        ours = (plain or list(reach)) if transport is None else [transport]
        chosen = [(name, f"{_SRV_OF[name]}.{target}") for name in ours]
    outcomes = yield tuple([Question(name, "SRV") for _, name in chosen])
    found = _places(zip([name for name, _ in chosen], outcomes, strict=True), random)
    if found:
        return found
    _check_srv(target, outcomes)
    return [_Place(chosen[0][0], target, default_port(chosen[0][0]))]


def _places(outcomes: Iterable[tuple[str, Outcome]], random: Random) -> list[_Place]:
    places: list[_Place] = []
    for transport, outcome in outcomes:
        if isinstance(outcome, TransportError):
            continue
        usable = [record for record in outcome if isinstance(record, Srv) and record.target and record.port]
        places += [_Place(transport, srv.target, srv.port) for srv in in_srv_order(usable, random)]
    return places[:MAX_HOPS]


def _check_srv(target: str, outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, TransportError):
            raise outcome
        if outcome:
            # RFC 2782, "Target": "." says that the domain does not have the service. So no address is asked for.
            raise TransportError(f"DNS: {target} says that it has no SIP server")


def _addresses(target: str, places: list[_Place], reach: Reach) -> Search:
    wanted = [(place, Question(place.name, kind)) for place in places for kind in reach[place.transport]]
    questions = tuple(dict.fromkeys([question for _, question in wanted]))
    outcomes = dict(zip(questions, (yield questions), strict=True))
    hops = {
        Hop(place.transport, record.host, place.port): None
        for place, question in wanted
        for record in _heard(outcomes[question])
        if can_be_sent_to(record.host)
    }
    if hops:
        return list(hops)[:MAX_HOPS]
    for outcome in outcomes.values():
        if isinstance(outcome, TransportError):
            raise outcome
    raise TransportError(f"DNS: no address of a host for {target}")


def _heard(outcome: Outcome) -> list[Address]:
    if isinstance(outcome, TransportError):
        return []
    return [record for record in outcome if isinstance(record, Address)]

"""Request forwarding by RFC 3261 §16.6, without the Via, and the loop hash of RFC 5393 §4.2.

Rules: all fields not named here are forwarded unchanged (§16.6 step 1). A MESSAGE never gets a Record-Route or a
Contact (RFC 3428 §4, §9).
"""

from collections.abc import Callable, Sequence
from typing import Final

from msilod.errors import MalformedMessage, RequestRefused
from msilod.proxy.route import IsMyself, preprocess_route
from msilod.proxy.target_set import Target
from msilod.sip.address import NameAddr
from msilod.sip.grammar import WSP, number
from msilod.sip.message import Request
from msilod.sip.sips import under_scheme_of
from msilod.sip.uri import SipUri, request_uri
from msilod.sip.via import COOKIE, parse_via

DEFAULT_MAX_FORWARDS: Final = 70
# RFC 3261 §20.22.
MAX_HOPS: Final = 255
_USUAL_HOPS: Final = b" %d" % DEFAULT_MAX_FORWARDS
_LARGEST_BREADTH: Final = 2**31
# RFC 5393 §5.3.3.
MAX_BREADTH: Final = 60
# All possible lines of these fields, made once.
_HOPS_LEFT: Final = [(b"max-forwards", b"Max-Forwards: %d" % hops) for hops in range(MAX_HOPS)]
_BREADTHS: Final = [(b"max-breadth", b"Max-Breadth: %d" % breadth) for breadth in range(MAX_BREADTH + 1)]
_MASK: Final = (1 << 64) - 1
# The loop part in branches of deliveries from the silo. Every hash is longer, so the two are never equal.
DELIVERY: Final = b"silo"


def forward_request(
    request: Request,
    target: Target,
    max_forwards: int = DEFAULT_MAX_FORWARDS,
    record_routes: Sequence[bytes] = (),
    breadth: int = MAX_BREADTH,
) -> Request:
    """Return the copy for `target`: Request-URI, Max-Forwards, and Route from Path (§16.6 steps 1 to 6).

    `record_routes` are the URIs to record; the first faces the target. `breadth` is the share of this branch in the
    Max-Breadth (RFC 5393 §5.3).
    """
    copy, received = request.copy(), request.received
    copy.uri = under_scheme_of(request.uri, request_uri(target.uri))
    fields = copy.headers.fields
    hops = received.get(b"max-forwards")
    if hops is None:
        fields.append((b"max-forwards", b"Max-Forwards: %d" % max_forwards))
    else:
        fields[_position_of(b"max-forwards", fields)] = _HOPS_LEFT[(read_hops(hops) or 1) - 1]
    if b"max-breadth" in received:
        copy.headers.remove(b"max-breadth")
    fields.insert(0, _BREADTHS[breadth])
    if target.path:
        _push_routes(copy, target.path)
    # `received` still has a removed Route of ours, so the header fields are looked at as well.
    if target.path or (b"route" in received and b"route" in copy.headers):
        _satisfy_strict_router(copy)
    for uri in reversed(record_routes):
        copy.headers.prepend(b"Record-Route", b"<%b>" % uri)
    return copy


def share_of_breadth(request: Request, branches: int) -> int:
    """Return the Max-Breadth for each of `branches` parallel branches (RFC 5393 §5.3.3).

    Raises RequestRefused (440) when the Max-Breadth is too small, MalformedMessage for a value other than a number.
    """
    breadth = MAX_BREADTH
    value = request.received.get(b"max-breadth")
    if value is not None:
        asked = number(value.strip(WSP), _LARGEST_BREADTH)
        if asked is None:
            raise MalformedMessage("Bad Max-Breadth")
        breadth = min(asked, MAX_BREADTH)
    if branches > breadth:
        raise RequestRefused(440, "Max-Breadth Exceeded")
    return breadth // max(branches, 1)


def next_hop(request: Request, target: Target) -> SipUri:
    """Return the next hop of the copy for `target` (§16.6 step 7): Path, else first Route of the request, else target.

    `request` is the received request after `preprocess_route`. Raises MalformedMessage.
    """
    if target.path:
        return SipUri.parse(NameAddr.parse(target.path[0].encode("utf-8", "replace")).uri)
    routes = request.headers.split(b"route")
    return SipUri.parse(NameAddr.parse(routes[0]).uri if routes else target.uri)


def read_hops(value: bytes) -> int | None:
    """Return the number in an untrimmed Max-Forwards; None unless the value is a number up to 255."""
    # RFC 3261 §8.1.1.6: nearly all requests start with 70. Comparing saves 0.3 us.
    return DEFAULT_MAX_FORWARDS if value == _USUAL_HOPS else number(value.strip(WSP), MAX_HOPS)


def _position_of(wanted: bytes, fields: list[tuple[bytes, bytes]]) -> int:
    position = 0
    for name, _ in fields:
        if name == wanted:
            break
        position += 1
    return position


def _push_routes(request: Request, path: Sequence[str]) -> None:
    """Put the stored Path before all Routes (RFC 3327 §5.3)."""
    for value in reversed(path):
        request.headers.prepend(b"Route", value.encode("utf-8", "replace"))


def _satisfy_strict_router(request: Request) -> None:
    """Send to a strict router: a first Route without lr becomes the Request-URI (§16.6 step 6).

    The old Request-URI becomes the last Route. A Route with another URI than a SIP URI is left alone.
    """
    values = request.headers.split(b"route")
    if not values or values[0].partition(b">")[0].endswith(b";lr"):
        return
    try:
        address = NameAddr.parse(values[0])
        is_loose = "lr" in SipUri.parse(address.uri).params
    except MalformedMessage:
        return
    if not is_loose:
        own = b"<%b>" % request.uri
        request.uri = address.uri
        request.headers.remove(b"route")
        for value in (*values[1:], own):
            request.headers.add_received(b"Route", value)


def loop_hash(request: Request) -> bytes:
    """Return a hash of the parts of a request which stay equal in a loop (RFC 5393 §4.2.1), without the method.

    The request has passed `validate` and `preprocess_route`: From and To are parsed, and Request-URI and Route are the
    values used for routing. Raises MalformedMessage for an unreadable From or To.
    """
    # `received` still has a removed Route of ours, so the header fields are read. Only the URI of the first value is
    # hashed, since other servers may join or split the list.
    route = request.headers.get(b"route") if b"route" in request.received else None
    # Hashes are compared only in this process, so Python's keyed hash is enough. The hash takes a fifth of the time of
    # a digest.
    parts = (
        request.uri,
        route.partition(b">")[0] if route else b"",
        request.call_id,
        request.cseq,
        request.from_.tag,
        request.to.tag,
    )
    return b"%016x" % (hash(parts) & _MASK)


def is_delivery(request: Request, is_own_via: Callable[[bytes], bool]) -> bool:
    """True for a stored MESSAGE sent by this server and sent back by a next hop."""
    if request.has_one_via:
        return False
    return any(_own_hash(value, is_own_via) == DELIVERY for value in request.headers.split(b"via"))


def branch_for(random: bytes, loop: bytes) -> bytes:
    """Return a branch: cookie, random part and loop part (§16.6 step 8)."""
    return b"%b%b.%b" % (COOKIE, random, loop) if loop else COOKIE + random


def is_loop(request: Request, is_own_via: Callable[[bytes], bool], is_myself: IsMyself) -> bool:
    """True when a Via of ours has the loop hash of this request. Another hash means a spiral, which is permitted.

    `request` is as received, before `preprocess_route`. An unreadable Via is not a Via of ours (P6).
    """
    hashes = [_own_hash(value, is_own_via) for value in request.headers.split(b"via")]
    if not any(hashes):
        return False
    copy = request.copy()
    preprocess_route(copy, is_myself)
    return loop_hash(copy) in hashes


def _own_hash(value: bytes, is_own_via: Callable[[bytes], bool]) -> bytes:
    """Return the loop part of a branch of ours, else b""."""
    try:
        via = parse_via(value)
    except MalformedMessage:
        return b""
    return via.branch.rpartition(b".")[2] if is_own_via(via.sent_by) else b""

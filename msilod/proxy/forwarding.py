"""Request forwarding, RFC 3261 §16.6 without the Via, and the loop hash of RFC 5393 §4.2.

Rules: what is not named here passes unchanged (§16.6 step 1); no Record-Route and no Contact is ever added to
a MESSAGE (RFC 3428 §4, §9).
"""

from collections.abc import Callable, Sequence
from typing import Final

from msilod.proxy.target_set import Target
from msilod.sip.grammar import number
from msilod.sip.headers import Headers
from msilod.sip.message import Request
from msilod.sip.uri import SipUri
from msilod.sip.via import COOKIE, parse_via

DEFAULT_MAX_FORWARDS: Final = 70
_MAXIMUM: Final = 255
# RFC 3261 §20.30: a Record-Route means something in requests that make or refresh a dialog.
_DIALOG_FORMING: Final = frozenset((b"INVITE", b"SUBSCRIBE", b"REFER"))
_MASK: Final = (1 << 64) - 1


def forward_request(
    request: Request, target: Target, max_forwards: int = DEFAULT_MAX_FORWARDS, record_route: bytes = b""
) -> Request:
    """The copy that goes to `target`: Request-URI, Max-Forwards, Route from Path (§16.6 steps 1 to 6).

    `record_route` is the URI to record in a dialog-forming request; empty: none.
    """
    copy = request.copy()
    copy.uri = target_uri(target.uri)
    _count_hop(copy.headers, max_forwards)
    if target.path:
        _push_routes(copy, target.path)
    if record_route and request.method in _DIALOG_FORMING:
        copy.headers.prepend(b"Record-Route", b"<%b>" % record_route)
    return copy


def target_uri(contact: str) -> bytes:
    """A contact as Request-URI: without headers and method parameter (§16.6 step 2, §19.1.1 table 1)."""
    if "?" not in contact and "method" not in contact.lower():
        return contact.encode("utf-8", "replace")
    uri = SipUri.parse(contact)
    uri.headers = ""
    uri.params = {name: value for name, value in uri.params.items() if name != "method"}
    return str(uri).encode("utf-8", "replace")


def _count_hop(headers: Headers, default: int) -> None:
    fields = headers.fields
    for position, (name, line) in enumerate(fields):
        if name == b"max-forwards":
            hops = number(line.partition(b":")[2].strip(b" \t"), _MAXIMUM) or 1
            fields[position] = (name, b"Max-Forwards: %d" % (hops - 1))
            return
    fields.append((b"max-forwards", b"Max-Forwards: %d" % default))


def _push_routes(request: Request, path: Sequence[str]) -> None:
    """RFC 3327 §5.3: the stored Path becomes the Route, before any that is there."""
    for value in reversed(path):
        request.headers.prepend(b"Route", value.encode("utf-8", "replace"))


def loop_hash(request: Request) -> bytes:
    """What a request that comes back unchanged has the same again (RFC 5393 §4.2.1): not the method."""
    headers = request.headers
    parts = (
        request.uri,
        headers.get(b"route") or b"",
        headers.get(b"from") or b"",
        headers.get(b"to") or b"",
        request.call_id,
        b"%d" % request.cseq,
    )
    # Only we compare it, and only while we run: Python's keyed hash does, at a fifth of a digest's price.
    return b"%016x" % (hash(parts) & _MASK)


def branch_for(random: bytes, loop: bytes) -> bytes:
    """The cookie, the unguessable part, and the loop part (§16.6 step 8)."""
    return b"%b%b.%b" % (COOKIE, random, loop) if loop else COOKIE + random


def _has_second_via(headers: Headers) -> bool:
    """True when a request has come through a proxy before, us or another; most have not."""
    count = 0
    for name, line in headers.fields:
        if name == b"via":
            count += 1
            if count > 1 or b"," in line:
                return True
    return False


def is_loop(request: Request, is_own_via: Callable[[bytes], bool]) -> bool:
    """True when a Via of ours carries the hash that we would give again; another hash is a spiral."""
    if not _has_second_via(request.headers):
        return False
    values = request.headers.split(b"via")[1:]
    own = [via for via in map(parse_via, values) if is_own_via(via.sent_by)] if values else []
    if not own:
        return False
    loop = loop_hash(request)
    return any(via.branch.rpartition(b".")[2] == loop for via in own)

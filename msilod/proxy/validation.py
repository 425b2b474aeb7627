"""Request validation, RFC 3261 §16.3 in its order: syntax, URI scheme, Max-Forwards, loop, Proxy-Require.

Rule: raises what is to be answered, returns nothing. We support no extension that Proxy-Require could name.
"""

from collections.abc import Callable
from typing import Final

from msilod.errors import MalformedMessage, RequestRefused
from msilod.proxy.forwarding import is_loop
from msilod.sip.address import check_address
from msilod.sip.grammar import number
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

_MAXIMUM: Final = 255

IsMyself = Callable[[SipUri], bool]
IsOwnVia = Callable[[bytes], bool]


def validate(
    request: Request, is_myself: IsMyself, is_own_via: IsOwnVia | None = None, uri: SipUri | None = None
) -> None:
    """Raises MalformedMessage (400, 416) or RequestRefused (420, 482, 483).

    `is_own_via` tells from a sent-by (`host:port`) whether a Via is ours, for loop detection. `uri` is the
    Request-URI if it has been parsed already.
    """
    uri = uri or SipUri.parse(request.uri)
    check_address(request.headers.get(b"from") or b"")
    check_address(request.headers.get(b"to") or b"")
    hops = max_forwards(request)
    if hops == 0 and not (request.method == b"OPTIONS" and is_myself(uri)):
        raise RequestRefused(483, "Too Many Hops")
    if is_own_via is not None and is_loop(request, is_own_via):
        raise RequestRefused(482, "Loop Detected")
    required = request.headers.split(b"proxy-require")
    if required:
        raise RequestRefused(420, "Bad Extension", [(b"Unsupported", b", ".join(required[:16]))])


def max_forwards(request: Request) -> int | None:
    """The hops left; None when not told. Raises MalformedMessage for what is no number up to 255."""
    value = request.headers.get(b"max-forwards")
    if value is None:
        return None
    hops = number(value, _MAXIMUM)
    if hops is None:
        raise MalformedMessage("Bad Max-Forwards")
    return hops

"""Request validation, RFC 3261 §16.3 in its order: syntax, URI scheme, Max-Forwards, loop, Proxy-Require.

Rule: raises what is to be answered, returns nothing. We support no extension that Proxy-Require could name;
Require is for who ends the request, so a proxy does not look at it (§20.32).
"""

from collections.abc import Callable, Collection
from typing import Final

from msilod.errors import MalformedMessage, RequestRefused
from msilod.proxy.forwarding import DEFAULT_MAX_FORWARDS, is_loop, read_hops
from msilod.proxy.route import IsMyself
from msilod.sip.grammar import is_token
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

IsOwnVia = Callable[[bytes], bool]

# An answer names no more of what we do not support.
_MAX_UNSUPPORTED: Final = 16


def validate(
    request: Request, is_myself: IsMyself, is_own_via: IsOwnVia | None = None, uri: SipUri | None = None
) -> None:
    """Raises MalformedMessage (400, 416) or RequestRefused (420, 482, 483).

    `is_own_via` tells from a sent-by (`host:port`) whether a Via is ours, for loop detection. `uri` is the
    Request-URI if it has been parsed already.
    """
    # Both are parsed here and kept: 400 for what cannot be read.
    _ = request.from_, request.to
    received = request.received
    value = received.get(b"max-forwards")
    hops = read_hops(value) if value is not None else DEFAULT_MAX_FORWARDS
    if hops is None:
        raise MalformedMessage("Bad Max-Forwards")
    if uri is None:
        uri = SipUri.parse(request.uri)
    # An OPTIONS to the server itself goes no further; one to a user of it would (RFC 4475 §3.3.11).
    if hops == 0 and not (request.method == b"OPTIONS" and uri.user is None and is_myself(uri)):
        raise RequestRefused(483, "Too Many Hops")
    # One Via is the client's own: what we have forwarded before has two at least.
    if is_own_via is not None and not request.has_one_via and is_loop(request, is_own_via, is_myself):
        raise RequestRefused(482, "Loop Detected")
    if b"proxy-require" in received:
        refuse_extensions(request, b"proxy-require", ())


def refuse_extensions(request: Request, name: bytes, supported: Collection[bytes]) -> None:
    """420 for the option tags of that header, Require or Proxy-Require, that we do not support (§8.2.2.3, §16.3).

    Raises RequestRefused, MalformedMessage for what is no option tag.
    """
    if name not in request.received:
        return
    required = request.headers.split(name)[:_MAX_UNSUPPORTED]
    if not all(is_token(tag) for tag in required):
        # It would stand in our answer.
        raise MalformedMessage("Bad Option Tag")
    unsupported = [tag for tag in required if tag.lower() not in supported]
    if unsupported:
        raise RequestRefused(420, "Bad Extension", [(b"Unsupported", b", ".join(unsupported))])

"""Request validation in the order of RFC 3261 §16.3: syntax, URI scheme, Max-Forwards, loop, Proxy-Require.

Rules: a refusal is an exception; nothing is returned. This server supports no extension for Proxy-Require. Require is
for the recipient of the request, so a proxy ignores Require (§20.32).
"""

from collections.abc import Callable

from msilod.errors import MalformedMessage, RequestRefused
from msilod.proxy.forwarding import DEFAULT_MAX_FORWARDS, is_loop, read_hops
from msilod.proxy.route import IsMyself
from msilod.sip.extensions import refuse_extensions
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

IsOwnVia = Callable[[bytes], bool]


def validate(
    request: Request, is_myself: IsMyself, is_own_via: IsOwnVia | None = None, uri: SipUri | None = None
) -> None:
    """Check a request. Raises MalformedMessage (400, 416) or RequestRefused (420, 482, 483).

    `is_own_via` tells from a sent-by (`host:port`) whether a Via is ours, for loop detection. `uri` is the parsed
    Request-URI, if known.
    """
    # Parse both now, so that unreadable values are answered with 400.
    _ = request.from_, request.to
    received = request.received
    value = received.get(b"max-forwards")
    hops = read_hops(value) if value is not None else DEFAULT_MAX_FORWARDS
    if hops is None:
        raise MalformedMessage("Bad Max-Forwards")
    if uri is None:
        uri = SipUri.parse(request.uri)
    # An OPTIONS to the server itself is answered here. An OPTIONS to a user would be forwarded (RFC 4475 §3.3.11).
    if hops == 0 and not (request.method == b"OPTIONS" and uri.user is None and is_myself(uri)):
        raise RequestRefused(483, "Too Many Hops")
    # A request with one Via comes from a client. A looped request has at least two.
    if is_own_via is not None and not request.has_one_via and is_loop(request, is_own_via, is_myself):
        raise RequestRefused(482, "Loop Detected")
    if b"proxy-require" in received:
        refuse_extensions(request, b"proxy-require", ())

"""Request validation, RFC 3261 §16.3 in its order: syntax, URI scheme, Max-Forwards, loop, Proxy-Require.

Rule: raises what is to be answered, returns nothing. We support no extension that Proxy-Require could name.
"""

from collections.abc import Callable
from typing import Final

from msilod.errors import MalformedMessage, RequestRefused
from msilod.proxy.forwarding import is_loop
from msilod.proxy.route import IsMyself
from msilod.sip.address import check_address
from msilod.sip.grammar import WSP, is_token, number
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

IsOwnVia = Callable[[bytes], bool]

_MAXIMUM: Final = 255
# An answer names no more of what we do not support.
_MAX_UNSUPPORTED: Final = 16


def validate(
    request: Request, is_myself: IsMyself, is_own_via: IsOwnVia | None = None, uri: SipUri | None = None
) -> None:
    """Raises MalformedMessage (400, 416) or RequestRefused (420, 482, 483).

    `is_own_via` tells from a sent-by (`host:port`) whether a Via is ours, for loop detection. `uri` is the
    Request-URI if it has been parsed already.
    """
    hops, vias, requires = _look_through(request)
    if uri is None:
        uri = SipUri.parse(request.uri)
    if hops == 0 and not (request.method == b"OPTIONS" and is_myself(uri)):
        raise RequestRefused(483, "Too Many Hops")
    # One Via is the client's own: what we have forwarded before has two at least.
    if vias > 1 and is_own_via is not None and is_loop(request, is_own_via, is_myself):
        raise RequestRefused(482, "Loop Detected")
    if requires:
        _refuse_required(request)


def _refuse_required(request: Request) -> None:
    required = request.headers.split(b"proxy-require")[:_MAX_UNSUPPORTED]
    if not all(is_token(tag) for tag in required):
        # It would stand in our answer.
        raise MalformedMessage("Bad Proxy-Require")
    if required:
        raise RequestRefused(420, "Bad Extension", [(b"Unsupported", b", ".join(required))])


def _look_through(request: Request) -> tuple[int | None, int, bool]:
    """One pass for every request: the syntax of what a proxy uses, then hops, Vias, and a Proxy-Require.

    Measured: a look-up of its own for each field costs twice as much.
    """
    hops, vias, requires = None, 0, False
    from_ = to = b""
    for name, line in request.headers.fields:
        if name == b"via":
            vias += 1 + line.count(b",")
        elif name == b"from":
            from_ = line
        elif name == b"to":
            to = line
        elif name == b"max-forwards":
            hops = _hops(line)
        elif name == b"proxy-require":
            requires = True
    _check(from_)
    _check(to)
    return hops, vias, requires


def _check(line: bytes) -> None:
    value = line.partition(b":")[2].strip(WSP)
    if value[:1] == b'"' and b"\\" not in value:
        # Half of all phones send a display name: past its quotes the address is of the usual form.
        _, quote, rest = value[1:].partition(b'"')
        if quote and rest[:2] == b" <":
            value = rest[1:]
    check_address(value)


def _hops(line: bytes) -> int:
    """The hops left. Raises MalformedMessage for what is no number up to 255."""
    hops = number(line.partition(b":")[2].strip(WSP), _MAXIMUM)
    if hops is None:
        raise MalformedMessage("Bad Max-Forwards")
    return hops

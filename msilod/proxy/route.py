"""Route: preprocesses the Route fields of a request (RFC 3261 §16.4).

Real clients preload `Route: <sip:server;lr>` (baresip, PJSIP, linphone). A first Route with our name is removed.
"""

from collections.abc import Callable, Sequence

from msilod.errors import MalformedMessage
from msilod.sip.address import NameAddr
from msilod.sip.grammar import EQUALS
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

IsMyself = Callable[[SipUri], bool]


def preprocess_route(request: Request, is_myself: IsMyself) -> Sequence[SipUri]:
    """Undo the change of a strict router, drop a maddr of ours, and remove first Routes which name this server.

    Returns the removed URIs: two when a dialog changes its transport here (RFC 5658 §3.1). Other Routes stay unchanged.
    Raises MalformedMessage.
    """
    ours = _use_routes(request, is_myself) if b"route" in request.received else ()
    # Most URIs have no parameter with a value, and this test takes a third of the time.
    if EQUALS in request.uri and b"maddr" in request.uri.lower():
        _drop_maddr(request, is_myself)
    return ours


def _use_routes(request: Request, is_myself: IsMyself) -> list[SipUri]:
    routes = request.headers.split(b"route")
    left = routes.copy()
    ours = []
    uri = _read_uri(request.uri) if b";lr" in request.uri.lower() else None
    if left and uri is not None and uri.user is None and "lr" in uri.params and is_myself(uri):
        # A strict router moved our Record-Route value into the Request-URI. The real Request-URI is the last Route.
        request.uri = NameAddr.parse(left.pop()).uri
        ours.append(uri)
    while left:
        first = _read(left[0])
        if first is None or not is_myself(first):
            break
        ours.append(first)
        del left[0]
    if left != routes:
        request.headers.remove(b"route")
        for value in left:
            request.headers.add_received(b"Route", value)
    return ours


def _read(value: bytes) -> SipUri | None:
    """Return the URI of a Route; None for a URI other than a SIP URI, which cannot be ours."""
    return _read_uri(NameAddr.parse(value).uri)


def _read_uri(raw: bytes) -> SipUri | None:
    """Return the parsed URI; None for another scheme."""
    try:
        return SipUri.parse(raw)
    except MalformedMessage as error:
        if error.status == 416:
            return None
        raise


def _drop_maddr(request: Request, is_myself: IsMyself) -> None:
    """Drop a maddr of this server, with the port and the transport which led here (§16.4)."""
    uri = _read_uri(request.uri)
    maddr = uri.params.get("maddr") if uri is not None else None
    if uri is None or not maddr or not is_myself(SipUri("sip", None, maddr.lower(), uri.port)):
        return
    uri.port = None
    uri.params = {name: value for name, value in uri.params.items() if name not in ("maddr", "transport")}
    request.uri = str(uri).encode("ascii")

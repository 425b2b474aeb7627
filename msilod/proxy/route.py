"""Route information preprocessing, RFC 3261 §16.4.

Real clients preload `Route: <sip:server;lr>` (baresip, PJSIP, linphone): a first Route that names us goes.
"""

from collections.abc import Callable, Sequence

from msilod.errors import MalformedMessage
from msilod.sip.address import NameAddr
from msilod.sip.grammar import EQUALS
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

IsMyself = Callable[[SipUri], bool]


def preprocess_route(request: Request, is_myself: IsMyself) -> Sequence[SipUri]:
    """Undo what a strict router did, drop a maddr that is ours, and remove the Routes at the top that name us.

    Returns these: two when a dialog changes its transport here (RFC 5658 §3.1). Other Routes stay as they are.
    Raises MalformedMessage.
    """
    ours = _use_routes(request, is_myself) if b"route" in request.received else ()
    # Most URIs have no parameter with a value, which is seen in a third of the time.
    if EQUALS in request.uri and b"maddr" in request.uri.lower():
        _drop_maddr(request, is_myself)
    return ours


def _use_routes(request: Request, is_myself: IsMyself) -> list[SipUri]:
    routes = request.headers.split(b"route")
    left = routes.copy()
    ours = []
    uri = _read_uri(request.uri) if b";lr" in request.uri.lower() else None
    if left and uri is not None and uri.user is None and "lr" in uri.params and is_myself(uri):
        # A strict router put our Record-Route value into the Request-URI; the real one is the last Route.
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
    """None for what is no SIP URI, and so not ours."""
    return _read_uri(NameAddr.parse(value).uri)


def _read_uri(raw: bytes) -> SipUri | None:
    """None for another scheme."""
    try:
        return SipUri.parse(raw)
    except MalformedMessage as error:
        if error.status == 416:
            return None
        raise


def _drop_maddr(request: Request, is_myself: IsMyself) -> None:
    """§16.4: a maddr that names us has done its work, with the port and the transport that led here."""
    uri = _read_uri(request.uri)
    maddr = uri.params.get("maddr") if uri is not None else None
    if uri is None or not maddr or not is_myself(SipUri("sip", None, maddr.lower(), uri.port)):
        return
    uri.port = None
    uri.params = {name: value for name, value in uri.params.items() if name not in ("maddr", "transport")}
    request.uri = str(uri).encode("ascii")

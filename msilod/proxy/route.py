"""Route information preprocessing, RFC 3261 §16.4.

Real clients preload `Route: <sip:server;lr>` (baresip, PJSIP, linphone): a first Route that names us goes.
"""

from msilod.errors import MalformedMessage
from msilod.proxy.validation import IsMyself
from msilod.sip.address import NameAddr
from msilod.sip.message import Request
from msilod.sip.uri import SipUri


def preprocess_route(request: Request, is_myself: IsMyself) -> None:
    """Undo what a strict router did, and remove the first Route if it names us. Raises MalformedMessage."""
    if b"route" not in request.headers:
        return
    routes = request.headers.split(b"route")
    uri = SipUri.parse(request.uri)
    if uri.user is None and "lr" in uri.params and is_myself(uri) and routes:
        # A strict router put our Record-Route value into the Request-URI; the real one is the last Route.
        request.uri = NameAddr.parse(routes.pop()).uri
    if routes and _names_us(routes[0], is_myself):
        del routes[0]
    request.headers.remove(b"route")
    for value in routes:
        request.headers.add(b"Route", value)


def _names_us(value: bytes, is_myself: IsMyself) -> bool:
    try:
        return is_myself(SipUri.parse(NameAddr.parse(value).uri))
    except MalformedMessage as error:
        if error.status == 416:
            return False
        raise

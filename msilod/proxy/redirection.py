"""Redirection: chooses the contacts of a 3xx to try next (RFC 3261 §16.7 step 4).

Rules: a target is never tried twice (§16.5), a sips: request never goes to a sip: contact, and the number of branches
is bounded.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.address import NameAddr
from msilod.sip.message import Request, Response
from msilod.sip.sips import asks_for_sips
from msilod.sip.tel import is_tel
from msilod.sip.uri import SipUri

# RFC 3261 §21.3: the contacts of a 305 are proxies, those of a 380 another service.
_RECURSIBLE: Final = frozenset((300, 301, 302))


def redirection(
    request: Request, response: Response, tried: Sequence[str], may_use: Callable[[SipUri], bool], room: int
) -> tuple[tuple[str, ...], Response | None]:
    """Return the URIs to try, best q first, and the rest of `response` for upstream; None without a rest.

    `tried` are the URIs of earlier branches; `room` is the number of branches which may be added. Raises
    MalformedMessage when the Request-URI is neither a SIP nor a tel URI, or a URI in `tried` is not a SIP URI.
    """
    if response.status not in _RECURSIBLE or room <= 0:
        return (), response
    known = list(map(SipUri.parse, tried))
    if not is_tel(request.uri):
        known.append(SipUri.parse(request.uri))
    is_sips = asks_for_sips(request.uri)
    used: list[tuple[float, str]] = []
    left: list[bytes] = []
    for value in response.headers.split(b"contact"):
        contact = _read(value)
        if contact is None or (is_sips and contact[1].scheme != "sips") or not may_use(contact[1]):
            left.append(value)
        elif any(contact[1].equals(uri) for uri in known):
            # A contact tried before is neither tried again nor passed upstream.
            continue
        elif len(used) < room:
            known.append(contact[1])
            used.append((-contact[0], str(contact[1])))
        else:
            left.append(value)
    used.sort(key=lambda pair: pair[0])
    return tuple(uri for _, uri in used), _without(response, left) if used else response


def _read(value: bytes) -> tuple[float, SipUri] | None:
    """Return q and URI; None when unreadable or of another scheme."""
    try:
        address = NameAddr.parse(value)
        return _q(address.get(b"q")), SipUri.parse(address.uri)
    except MalformedMessage:
        return None


def _q(value: bytes | None) -> float:
    """Return the q of a contact. A contact with a bad q is kept, and comes last."""
    if value is None:
        return 1.0
    if value.count(b".") > 1 or not value.replace(b".", b"").isdigit() or len(value) > 5:
        return 0.0
    return min(float(value), 1.0)


def _without(response: Response, left: list[bytes]) -> Response | None:
    if not left:
        return None
    rest = response.copy()
    rest.headers.remove(b"contact")
    # The lines are as received: `add` would raise ValueError for a NUL in a display name.
    rest.headers.fields += [(b"contact", b"Contact: " + value) for value in left]
    return rest

"""Recursion on redirections, RFC 3261 §16.7 step 4: which contacts of a 3xx are tried next.

Rule: never the same target twice (§16.5), never from sips to sip, and no more than there is room for.
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
    """The URIs to try, best q first, and what is left of `response` for upstream; None when nothing is.

    `tried` are the URIs that have had a branch; `room` is how many more there may be. Raises MalformedMessage
    for a Request-URI that is neither SIP nor tel URI, or a tried one that is no SIP URI.
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
            # It has had its turn, here or in another 3xx: it is neither tried nor told again.
            continue
        elif len(used) < room:
            known.append(contact[1])
            used.append((-contact[0], str(contact[1])))
        else:
            left.append(value)
    used.sort(key=lambda pair: pair[0])
    return tuple(uri for _, uri in used), _without(response, left) if used else response


def _read(value: bytes) -> tuple[float, SipUri] | None:
    """q and URI; None for what cannot be read or is of another scheme."""
    try:
        address = NameAddr.parse(value)
        return _q(address.get(b"q")), SipUri.parse(address.uri)
    except MalformedMessage:
        return None


def _q(value: bytes | None) -> float:
    """A wrong q is no reason to lose a contact: it goes last."""
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
    # As they were received: `add` would raise for a NUL in somebody's display name.
    rest.headers.fields += [(b"contact", b"Contact: " + value) for value in left]
    return rest

"""sips: what the scheme of a URI requires of the way of a request (RFC 3261 §26.2.2, RFC 5630 §5).

Rules: a URI as text is from a contact or an operator; a URI as bytes is a received Request-URI. Case does not matter.
"""

from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.flow import TLS
from msilod.sip.uri import SipUri

SIPS: Final = "sips:"


def is_sips(uri: str) -> bool:
    """True for a sips: URI as text, in upper or lower case."""
    return uri[:5].lower() == SIPS


def asks_for_sips(uri: bytes) -> bool:
    """True for a Request-URI with the scheme sips:."""
    return uri[:5].lower() == b"sips:"


def under_scheme_of(asked: bytes, uri: bytes) -> bytes:
    """Return the contact `uri` as Request-URI of a request for `asked`: sip: stays sip: (RFC 5630 §5.3)."""
    if uri[:5].lower() == b"sips:" and not asks_for_sips(asked):
        return b"sip:" + uri[5:]
    return uri


def is_by_tls(uri: str) -> bool:
    """True for a hop reached by TLS, the only transport for a sips: Request-URI (RFC 3261 §16.6 step 7)."""
    try:
        hop = SipUri.parse(uri)
    except MalformedMessage:
        return False
    return hop.scheme == "sips" or hop.transport == TLS

"""sips: what is asked of the way by the scheme of a URI (RFC 3261 §26.2.2, RFC 5630 §5).

Rules: a URI as text is a contact's or an operator's, as bytes it is a Request-URI as it came. Case means nothing.
"""

from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.flow import TLS
from msilod.sip.uri import SipUri

SIPS: Final = "sips:"


def is_sips(uri: str) -> bool:
    """True for a URI as text, whatever its case."""
    return uri[:5].lower() == SIPS


def asks_for_sips(uri: bytes) -> bool:
    """True for a Request-URI that only sips: may serve."""
    return uri[:5].lower() == b"sips:"


def under_scheme_of(asked: bytes, uri: bytes) -> bytes:
    """The contact `uri` as Request-URI for who asked for `asked`: sip: stays sip: (RFC 5630 §5.3)."""
    if uri[:5].lower() == b"sips:" and not asks_for_sips(asked):
        return b"sip:" + uri[5:]
    return uri


def is_by_tls(uri: str) -> bool:
    """True for a hop that is reached by TLS: a Request-URI of sips: may pass by no other (RFC 3261 §16.6 step 7)."""
    try:
        hop = SipUri.parse(uri)
    except MalformedMessage:
        return False
    return hop.scheme == "sips" or hop.transport == TLS

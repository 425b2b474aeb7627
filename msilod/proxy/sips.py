"""sips: what the scheme of a Request-URI asks of the way to a contact (RFC 5630 §5.2, §5.3, checklist T17).

Rules: a request for sips: goes to contacts that registered as sips: and to no other; one for sip: goes to those too,
by TLS, under the scheme that it came with.
"""

from collections.abc import Sequence
from typing import Final

from msilod.errors import RequestRefused
from msilod.registrar.binding import Binding

SIPS: Final = "sips:"
# RFC 5630 §6.2: the one who asked may try again with sip.
_NOT_ALLOWED: Final = (b"Warning", b'380 msilod "SIPS Not Allowed"')


def is_sips(uri: str) -> bool:
    """True for a URI as text, whatever its case."""
    return uri[:5].lower() == SIPS


def only_sips(bindings: Sequence[Binding]) -> list[Binding]:
    """Those that a request for sips: may go to. Raises RequestRefused 480 when it is none of several."""
    secure = [binding for binding in bindings if is_sips(binding.contact)]
    if bindings and not secure:
        raise RequestRefused(480, "Temporarily Unavailable", (_NOT_ALLOWED,))
    return secure


def under_scheme_of(asked: bytes, uri: bytes) -> bytes:
    """The contact `uri` as Request-URI for who asked for `asked`: sip: stays sip: (RFC 5630 §5.3)."""
    if uri[:5].lower() == b"sips:" and asked[:5].lower() != b"sips:":
        return b"sip:" + uri[5:]
    return uri

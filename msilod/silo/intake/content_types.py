"""Content types: decides which types of MESSAGE are stored, and for how long.

The rules are those of RFC 3428 §7, RFC 3994 §3.3 and RFC 5438 §12.2.

Is-composing is never stored, because the information is soon outdated. Receipts are stored for a shorter time. The
operator decides about all other types. For message/cpim the type of the wrapped message counts as well. Plain text is
not looked at, so the usual message costs nothing.
"""

from typing import Final

from msilod.errors import RequestRefused
from msilod.silo.intake.cpim import parse_cpim
from msilod.silo.policy import SiloPolicy
from msilod.sip.grammar import WSP

CPIM: Final = b"message/cpim"
IMDN: Final = b"message/imdn+xml"
IS_COMPOSING: Final = b"application/im-iscomposing+xml"
# The longest media type: two tokens of 127 characters and a slash (RFC 6838 §4.2).
MAX_CONTENT_TYPE: Final = 255
# The type of a message without Content-Type (RFC 2045 §5.2).
_DEFAULT: Final = b"text/plain"


def media_type(content_type: bytes) -> bytes:
    """`type/subtype` in lower case, without parameters."""
    return content_type.partition(b";")[0].strip(WSP).lower() or _DEFAULT


def media_types(content_type: bytes, body: bytes) -> tuple[bytes, ...]:
    """The type of the message, and for message/cpim the type of the wrapped message."""
    outer = media_type(content_type)
    cpim = parse_cpim(body) if outer == CPIM else None
    return (outer,) if cpim is None else (outer, media_type(cpim.content_type))


def is_usual(content_type: bytes) -> bool:
    """True for text with a Content-Type of usual length. Only the rules of the operator matter for such a message."""
    return content_type[:5] == b"text/" and len(content_type) <= MAX_CONTENT_TYPE


def lifetime(content_type: bytes, body: bytes, policy: SiloPolicy) -> int:
    """The lifetime of a message of this type in seconds.

    Raises RequestRefused: 400 for a Content-Type too long for a row, 480 for is-composing, 415 with Accept for a type
    refused by the operator (RFC 3261 §21.4.13).
    """
    if len(content_type) > MAX_CONTENT_TYPE:
        raise RequestRefused(400, "Content-Type Too Long")
    types = media_types(content_type, body)
    if IS_COMPOSING in types:
        raise RequestRefused(480, "Temporarily Unavailable")
    if not policy.takes(types):
        raise RequestRefused(415, "Unsupported Media Type", [(b"Accept", policy.accept)])
    return min(policy.expire_time, policy.imdn_expire_time) if IMDN in types else policy.expire_time

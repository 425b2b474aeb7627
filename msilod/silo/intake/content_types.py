"""Content: which types of MESSAGE the silo keeps, and how long (RFC 3428 §7, RFC 3994 §3.3, RFC 5438 §12.2).

Rules: is-composing is worth nothing later and is never kept, receipts are kept for a shorter while; what else is
kept is the operator's to say. A message/cpim wrapper counts as what it wraps as well. Looked at only for what is
not plain text: the usual message pays nothing for it.
"""

from typing import Final

from msilod.errors import RequestRefused
from msilod.silo.intake.cpim import parse_cpim
from msilod.silo.policy import SiloPolicy
from msilod.sip.grammar import WSP

CPIM: Final = b"message/cpim"
IMDN: Final = b"message/imdn+xml"
IS_COMPOSING: Final = b"application/im-iscomposing+xml"
# Two tokens of 127 characters and a slash are the longest media type there can be (RFC 6838 §4.2).
MAX_CONTENT_TYPE: Final = 255
# RFC 2045 §5.2: what has no type is that.
_DEFAULT: Final = b"text/plain"


def media_type(content_type: bytes) -> bytes:
    """`type/subtype` in lower case, without parameters."""
    return content_type.partition(b";")[0].strip(WSP).lower() or _DEFAULT


def media_types(content_type: bytes, body: bytes) -> tuple[bytes, ...]:
    """That of the message, and that of what it wraps if it is message/cpim."""
    outer = media_type(content_type)
    cpim = parse_cpim(body) if outer == CPIM else None
    return (outer,) if cpim is None else (outer, media_type(cpim.content_type))


def is_usual(content_type: bytes) -> bool:
    """True for text of a sane type: nothing here has anything to say about it but the operator's rules."""
    return content_type[:5] == b"text/" and len(content_type) <= MAX_CONTENT_TYPE


def lifetime(content_type: bytes, body: bytes, policy: SiloPolicy) -> int:
    """How long a message of this type is kept, seconds.

    Raises RequestRefused: 400 for a type that no row could hold, 480 for is-composing, 415 with Accept for what
    the operator does not want kept (RFC 3261 §21.4.13).
    """
    if len(content_type) > MAX_CONTENT_TYPE:
        raise RequestRefused(400, "Content-Type Too Long")
    types = media_types(content_type, body)
    if IS_COMPOSING in types:
        raise RequestRefused(480, "Temporarily Unavailable")
    if not policy.takes(types):
        raise RequestRefused(415, "Unsupported Media Type", [(b"Accept", policy.accept)])
    return min(policy.expire_time, policy.imdn_expire_time) if IMDN in types else policy.expire_time

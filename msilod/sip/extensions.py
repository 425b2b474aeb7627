"""Extensions: option tags that a request demands of its recipient or of proxies (RFC 3261 §20.32, §20.29).

Rules: a field without an option tag demands nothing. The answer names all unsupported tags, up to a bound.
"""

from collections.abc import Collection
from typing import Final

from msilod.errors import MalformedMessage, RequestRefused
from msilod.sip.grammar import is_token
from msilod.sip.message import Request

# Option tags named in one answer at most.
_MAX_UNSUPPORTED: Final = 16


def refuse_extensions(request: Request, name: bytes, supported: Collection[bytes]) -> None:
    """Refuse a request with unsupported option tags in the field `name`, Require or Proxy-Require (§8.2.2.3, §16.3).

    Raises RequestRefused (420), and MalformedMessage for a value other than option tags.
    """
    if name not in request.received:
        return
    required = request.headers.split(name)
    if not all(is_token(tag) for tag in required):
        # The answer would repeat the value.
        raise MalformedMessage("Bad Option Tag")
    unsupported = [tag for tag in required if tag.lower() not in supported]
    if unsupported:
        tags = b", ".join(unsupported[:_MAX_UNSUPPORTED])
        raise RequestRefused(420, "Bad Extension", [(b"Unsupported", tags)])

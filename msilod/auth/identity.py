"""The identity that we assert (RFC 3325 §5), and credentials that end here (RFC 3261 §22.3).

Rule: what we assert is what a password has proved; a P-Preferred-Identity is no more than a hint among the user's
own names. Whose word goes on to whom is sip/privacy.py's.
"""

from collections.abc import Callable
from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.address import NameAddr
from msilod.sip.digest import parse_credentials
from msilod.sip.headers import value_of
from msilod.sip.message import Request
from msilod.sip.privacy import ASSERTED

_CREDENTIALS: Final = (b"authorization", b"proxy-authorization")


def assert_identity(
    request: Request, aor: str, preferred: bytes | None, aor_of: Callable[[bytes], str]
) -> None:
    """Add the P-Asserted-Identity of the authenticated user; `preferred` lends its display name if it is his.

    `aor_of` reads a URI and raises MalformedMessage.
    """
    display = b""
    if preferred is not None:
        try:
            hint = NameAddr.parse(preferred)
            display = hint.display + b" " if hint.display and aor_of(hint.uri) == aor else b""
        except MalformedMessage:
            # A hint that cannot be read is none.
            display = b""
    value = b"P-Asserted-Identity: %b<sip:%b>" % (display, aor.encode())
    # Not at the end: what ends with its Content-Length is put together fastest.
    request.headers.fields.insert(1, (ASSERTED, value))


def drop_own_credentials(request: Request, is_ours: Callable[[bytes], bool]) -> None:
    """Remove the credentials that are for realms of ours: they go no further, and nowhere to rest (A9).

    Those of other realms stay; a Digest that cannot be read might be ours.
    """
    fields = request.headers.fields
    fields[:] = [
        (name, text)
        for name, text in fields
        if name not in _CREDENTIALS or not _is_own(value_of(text), is_ours)
    ]


def _is_own(value: bytes, is_ours: Callable[[bytes], bool]) -> bool:
    try:
        credentials = parse_credentials(value)
    except MalformedMessage:
        return True
    return credentials is not None and is_ours(credentials.realm)

"""Identity: adds the asserted identity (RFC 3325 §5), and removes credentials for this server (RFC 3261 §22.3).

Rule: only an identity that a password has proved is asserted. P-Preferred-Identity only selects among the names of the
user. sip/privacy.py decides which asserted identities are passed on.
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
    """Add the P-Asserted-Identity of the authenticated user.

    `preferred` lends its display name when it names the user. `aor_of` reads a URI and raises MalformedMessage.
    """
    display = b""
    if preferred is not None:
        try:
            hint = NameAddr.parse(preferred)
            display = hint.display + b" " if hint.display and aor_of(hint.uri) == aor else b""
        except MalformedMessage:
            # An unreadable P-Preferred-Identity is ignored.
            display = b""
    value = b"P-Asserted-Identity: %b<sip:%b>" % (display, aor.encode())
    # Not at the end: a message that ends with its Content-Length is serialized fastest.
    request.headers.fields.insert(1, (ASSERTED, value))


def drop_own_credentials(request: Request, is_ours: Callable[[bytes], bool]) -> None:
    """Remove the credentials for realms of this server, so they are neither forwarded nor stored (A9).

    Credentials for other realms stay. An unreadable Digest is removed, because its realm might be one of this server.
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

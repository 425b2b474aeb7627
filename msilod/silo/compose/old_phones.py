"""Old phones: changes deliveries by msilo's parameters add_date, add_contact and extra_hdrs.

All are off by default: each parameter changes the sender's message or breaks a rule of RFC 3428. The prefix of add_date
is added only to text/plain in an ASCII-compatible charset, never to CPIM, multipart or compressed bodies (msilo added
the prefix to all of these). The time in the prefix is UTC.
"""

from typing import Final

from msilod.silo.intake.content_types import media_type
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.sip.address import NameAddr
from msilod.sip.dates import format_date
from msilod.sip.grammar import WSP

# Charsets with the bytes of ASCII. A prefix would make UTF-16 unreadable.
_ASCII_LIKE: Final = (b"utf-8", b"us-ascii", b"iso-8859-", b"windows-125")


def dress(
    fields: list[tuple[bytes, bytes]], message: StoredMessage, policy: SiloPolicy, ahead: float
) -> bytes:
    """Append the header lines of the operator and SER's Contact to `fields`. Returns the body.

    The Contact is the sender's URI with `msilo=yes`. `ahead`: system time minus silo time, in seconds.
    """
    fields += policy.extra_fields
    if policy.add_contact:
        uri = NameAddr.parse(message.from_header).uri
        fields.append((b"contact", b"Contact: <%b>;msilo=yes" % uri))
    if policy.add_date and _may_have_prefix(fields, message):
        return b"[Offline message - %b] %b" % (format_date(message.received_at + ahead), message.body)
    return message.body


def _may_have_prefix(fields: list[tuple[bytes, bytes]], message: StoredMessage) -> bool:
    is_encoded = any(name in (b"content-encoding", b"content-transfer-encoding") for name, _ in fields)
    is_plain = media_type(message.content_type) == b"text/plain" and _is_ascii_like(message.content_type)
    return is_plain and not is_encoded


def _is_ascii_like(content_type: bytes) -> bool:
    for param in content_type.split(b";")[1:]:
        name, _, value = param.partition(b"=")
        if name.strip(WSP).lower() == b"charset":
            return value.strip(WSP + b'"').lower().startswith(_ASCII_LIKE)
    return True

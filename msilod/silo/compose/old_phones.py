"""What old phones and old scripts want of a delivery: msilo's add_date, add_contact and extra_hdrs.

Rules: all off by default, because each of them changes what the sender wrote or what RFC 3428 forbids. The prefix
goes before text/plain of an ASCII-like charset and nothing else: never into CPIM, multipart, or what is compressed
(msilo put it into each of them). Its time is UTC.
"""

from typing import Final

from msilod.silo.intake.content_types import media_type
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.sip.address import NameAddr
from msilod.sip.dates import format_date
from msilod.sip.grammar import WSP

# Charsets that write ASCII as ASCII; a prefix would break UTF-16.
_ASCII_LIKE: Final = (b"utf-8", b"us-ascii", b"iso-8859-", b"windows-125")


def dress(
    fields: list[tuple[bytes, bytes]], message: StoredMessage, policy: SiloPolicy, ahead: float
) -> bytes:
    """Append the operator's lines and SER's Contact, the sender's URI marked `msilo=yes`; return the body.

    System time is `ahead` of silo time by so many seconds.
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

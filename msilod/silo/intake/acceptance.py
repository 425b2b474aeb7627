"""Acceptance: makes the row of a MESSAGE (SER's m_store, RFC 3428 §7).

End-to-end header fields are kept byte for byte. Hop-by-hop fields, secrets (credentials above all) and fields added
anew at delivery are dropped. A refusal has the status for the sender.
"""

from hashlib import blake2b
from typing import Final
from zlib import crc32

from msilod.errors import RequestRefused
from msilod.silo.intake.content_types import is_usual, lifetime
from msilod.silo.intake.scheduled import due_time
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import CALL_KEY_BYTES, State, StoredMessage
from msilod.sip.dates import parse_date
from msilod.sip.extensions import refuse_extensions
from msilod.sip.grammar import WSP, number
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

__all__ = ["NEVER_SENT", "NOT_KEPT", "Absorbed", "SiloPolicy", "accept", "duplicate_hash", "guard_registrar"]

# The mode of m_store with To as the only source of the recipient.
TO_ONLY: Final = 2
MAX_KEPT_HEADERS: Final = 16_384
HASH_BYTES: Final = 16
# Copied for each message: a copy takes two thirds of the time of a new hash object.
_EMPTY_HASH: Final = blake2b(digest_size=HASH_BYTES - CALL_KEY_BYTES)
# A constant, because looking up an enum member costs a descriptor call.
_WAITING: Final = State.WAITING

# Bounds of a credible Date, in seconds before and after receipt. RFC 3428 §7 counts Expires from Date: a wrong clock
# must neither discard a message nor keep a message for ever.
OLDEST_DATE: Final = 86_400.0
NEWEST_DATE: Final = 300.0
_MAX_EXPIRES: Final = 2**32 - 1

# Hop-by-hop fields, fields made anew, secrets, and assertions by an unknown party (RFC 3325 §5, RFC 7044).
_DROPPED: Final = frozenset((
    b"via", b"route", b"record-route", b"path", b"max-forwards", b"max-breadth", b"timestamp", b"contact",
    b"authorization", b"proxy-authorization", b"proxy-require", b"security-client", b"security-server",
    b"security-verify", b"content-length", b"p-asserted-identity", b"p-preferred-identity", b"history-info",
    b"p-charging-vector", b"p-charging-function-addresses",
))  # fmt: skip
_COLUMNS: Final = frozenset((b"from", b"to", b"call-id", b"cseq", b"content-type"))
NOT_KEPT: Final = _DROPPED | _COLUMNS
# Fields never added to a delivery, also for rows written by other programs.
NEVER_SENT: Final = NOT_KEPT - {b"p-asserted-identity", b"p-preferred-identity", b"history-info"}
_NOT_KEPT_OF_TRUSTED: Final = NOT_KEPT - {b"p-asserted-identity"}


class Absorbed(RequestRefused):
    """A MESSAGE to the notice address: answered 200 and dropped. Otherwise receipts for notices would loop."""

    def __init__(self) -> None:
        super().__init__(200, "OK")


def names_a_mailbox(uri: SipUri) -> bool:
    """True if m_store takes the URI for an AOR: the URI has a user, and the host is no IP literal."""
    return uri.user is not None and not uri.is_ip_literal


def accept(
    request: Request, aor: str, sender: str, policy: SiloPolicy, wall: float, is_trusted: bool = False,
    due_at: float | None = None, ahead: float = 0.0,
) -> StoredMessage:  # fmt: skip
    """The row of a MESSAGE for `aor`. `sender` is the name in From (`Named.name`, routing/domains.py).

    With `is_trusted`, P-Asserted-Identity is kept (RFC 3325 §5). A message with `due_at`, or with the policy's
    due_header, is scheduled. The life of a scheduled message begins when due, and ends in system time, as `due_at` is
    system time. `wall` is silo time; system time is `ahead` seconds more.

    Raises RequestRefused: 413 for a long body, 513 for long header fields, 420 for an option tag in Require (the silo
    ends the transaction and supports no extension), 480 for an Expires of 0 or in the past, and the statuses of
    `content_types.lifetime`. Raises MalformedMessage for an unreadable From or Require.
    """
    received, body, author = request.received, request.body, request.from_
    if len(body) > policy.max_body:
        raise RequestRefused(413, "Request Entity Too Large")
    headers = _kept(request, _NOT_KEPT_OF_TRUSTED if is_trusted else NOT_KEPT)
    to_header = received.get(b"to", b"").strip(WSP)
    content_type = received.get(b"content-type", b"").strip(WSP)
    if due_at is None and policy.due_field:
        due_at = due_time(request, policy.due_field, wall + ahead)
    end = wall + policy.expire_time
    if policy.is_choosy or due_at is not None or b"expires" in received or not is_usual(content_type):
        end = _end_of_life(request, content_type, policy, wall, due_at, ahead)
    return StoredMessage(
        aor=aor, sender=sender,
        hash=duplicate_hash(request.call_id, request.cseq, author.tag, sender, aor, content_type, body),
        request_uri=request.uri, from_header=received[b"from"].strip(WSP), to_header=to_header,
        call_id=request.call_id, cseq=request.cseq, content_type=content_type, headers=headers, body=body,
        received_at=wall, expires_at=end, due_at=due_at,
        state=_WAITING if due_at is None else State.SCHEDULED, size=len(body),
    )  # fmt: skip


def _kept(request: Request, not_kept: frozenset[bytes]) -> bytes:
    """The kept header lines as received."""
    kept = []
    for name, text in request.headers.fields:
        if name not in not_kept:
            kept.append(text)
    if not kept:
        return b""
    if b"require" in request.received:
        refuse_extensions(request, b"require", ())
        # Fields without an option tag (§20.32).
        kept = [text for name, text in request.headers.fields if name not in not_kept and name != b"require"]
        if not kept:
            return b""
    kept.append(b"")
    headers = b"\r\n".join(kept)
    if len(headers) > MAX_KEPT_HEADERS:
        raise RequestRefused(513, "Message Too Large")
    return headers


def guard_registrar(registrar: str, aor: str, sender: str, to: str) -> None:
    """SER's guard against loops. All arguments are names as `Named.name`; `registrar` is the notice address.

    Raises Absorbed for a MESSAGE to the notice address, and RequestRefused 403 for a MESSAGE from the notice address.
    """
    if sender == registrar:
        raise RequestRefused(403, "Forbidden")
    if registrar in (aor, to):
        raise Absorbed


def _end_of_life(
    request: Request, content_type: bytes, policy: SiloPolicy, wall: float, due_at: float | None, ahead: float
) -> float:
    """The end of life by the policy, or earlier by Expires. Raises RequestRefused for a message without life left."""
    received = request.received
    born = wall if due_at is None else due_at
    is_special = policy.is_choosy or not is_usual(content_type)
    end = born + (lifetime(content_type, request.body, policy) if is_special else policy.expire_time)
    if b"expires" in received:
        end = min(end, _expires(received, born, due_at is None, ahead))
    if end <= born:
        raise RequestRefused(480, "Temporarily Unavailable")
    return end


def _expires(received: dict[bytes, bytes], born: float, by_date: bool, ahead: float) -> float:
    """Expires after a credible Date, else after `born`. An unreadable Expires counts as none (RFC 3261 §20.19)."""
    seconds = number(received[b"expires"].strip(WSP), _MAX_EXPIRES)
    if seconds is None:
        return float("inf")
    if seconds == 0:
        return born
    date = parse_date(received[b"date"].strip(WSP)) if by_date and b"date" in received else None
    if date is None or not born - OLDEST_DATE <= date - ahead <= born + NEWEST_DATE:
        return born + seconds
    return date - ahead + seconds


def copy_hash(request: Request, aor: str, sender: str) -> bytes:
    """The duplicate key of the row that `accept` would make. Raises MalformedMessage for an unreadable From."""
    content_type = request.received.get(b"content-type", b"").strip(WSP)
    author = request.from_
    return duplicate_hash(request.call_id, request.cseq, author.tag, sender, aor, content_type, request.body)


def duplicate_hash(
    call_id: bytes, cseq: int, from_tag: bytes, sender: str, aor: str, content_type: bytes, body: bytes
) -> bytes:
    """The 16-byte key of law 9: equal for copies, different for messages with any different argument.

    The sender is an argument, because clients with unseeded random numbers share Call-IDs, tags and CSeqs. Each part is
    preceded by a length, so different parts never make the same input. The first bytes depend on the Call-ID alone. A
    sender gains nothing by Call-IDs with equal first bytes: the cost is one look at the index.
    """
    name = f"{len(sender)}:{sender}{aor}".encode()
    parts = _EMPTY_HASH.copy()
    parts.update(
        b"%d:%b%d:%d:%b%d:%b%d:%b%d:%b"
        % (
            len(call_id), call_id, cseq, len(from_tag), from_tag, len(name), name,
            len(content_type), content_type, len(body), body,
        )
    )  # fmt: skip
    return crc32(call_id).to_bytes(CALL_KEY_BYTES, "big") + parts.digest()

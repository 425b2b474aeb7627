"""Acceptance: whose mailbox a MESSAGE goes to, and what of it is kept (SER's m_store, RFC 3428 §7).

Rules: everything end-to-end is kept as it came, byte for byte; what is hop-by-hop, secret or ours to make
anew is not (checklist §3.3), credentials above all. What cannot be kept is refused with the status for its
sender. Bytes in, one row out; nothing here remembers a message.
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
from msilod.sip.grammar import WSP, number
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

__all__ = ["NEVER_SENT", "Absorbed", "SiloPolicy", "accept", "duplicate_hash", "guard_registrar"]

# m_store's mode that looks at To and nothing else.
TO_ONLY: Final = 2
MAX_KEPT_HEADERS: Final = 16_384
HASH_BYTES: Final = 16
# Copied for each message, which costs two thirds of making one.
_EMPTY_HASH: Final = blake2b(digest_size=HASH_BYTES - CALL_KEY_BYTES)
# Enum members cost a descriptor call each time they are looked up.
_WAITING: Final = State.WAITING

# RFC 3428 §7 counts Expires from Date, and a wrong clock must not throw a message away or keep it for ever.
OLDEST_DATE: Final = 86_400.0
NEWEST_DATE: Final = 300.0
_MAX_EXPIRES: Final = 2**32 - 1

# Hop by hop, ours to make anew, secret, or an assertion of whom we do not know (RFC 3325 §5, RFC 7044).
_DROPPED: Final = frozenset((
    b"via", b"route", b"record-route", b"path", b"max-forwards", b"max-breadth", b"timestamp", b"contact",
    b"authorization", b"proxy-authorization", b"proxy-require", b"security-client", b"security-server",
    b"security-verify", b"content-length", b"p-asserted-identity", b"p-preferred-identity", b"history-info",
    b"p-charging-vector", b"p-charging-function-addresses",
))  # fmt: skip
_COLUMNS: Final = frozenset((b"from", b"to", b"call-id", b"cseq", b"content-type"))
_NOT_KEPT: Final = _DROPPED | _COLUMNS
# What no row may add to a delivery, whoever wrote it into the silo.
NEVER_SENT: Final = _NOT_KEPT - {b"p-asserted-identity", b"p-preferred-identity", b"history-info"}
_NOT_KEPT_OF_TRUSTED: Final = _NOT_KEPT - {b"p-asserted-identity"}


class Absorbed(RequestRefused):
    """A MESSAGE to the notice's own address: answered 200 and dropped, or receipts to it would go round."""

    def __init__(self) -> None:
        super().__init__(200, "OK")


def names_a_mailbox(uri: SipUri) -> bool:
    """True for a URI that m_store takes for an address of record: it has a user, and no IP literal as host."""
    return uri.user is not None and not uri.is_ip_literal


def accept(
    request: Request, aor: str, sender: str, policy: SiloPolicy, wall: float, is_trusted: bool = False,
    due_at: float | None = None, ahead: float = 0.0,
) -> StoredMessage:  # fmt: skip
    """The row to keep for `aor`; `sender` is the name of its From (routing/domains.py, `Named.name`).

    `is_trusted` keeps P-Asserted-Identity (RFC 3325 §5).

    With `due_at`, or by the policy's due_header, it is scheduled, and its life begins then: its end is system time, as
    `due_at` is. `wall` is silo time, and system time is `ahead` of it by so many seconds.

    Raises RequestRefused: 413 body, 513 kept headers too long; 420 Require (a silo ends the transaction and knows
    no extension); 480 Expires over or 0; and as `content.lifetime` does; MalformedMessage for an unreadable From.
    """
    received, body, author = request.received, request.body, request.from_
    if len(body) > policy.max_body:
        raise RequestRefused(413, "Request Entity Too Large")
    headers = _kept(request, _NOT_KEPT_OF_TRUSTED if is_trusted else _NOT_KEPT)
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
    """The lines to keep, as they came."""
    kept = []
    for name, text in request.headers.fields:
        if name not in not_kept:
            kept.append(text)
    if not kept:
        return b""
    if b"require" in request.received:
        unsupported = request.received[b"require"].strip(WSP)
        raise RequestRefused(420, "Bad Extension", [(b"Unsupported", unsupported)])
    kept.append(b"")
    headers = b"\r\n".join(kept)
    if len(headers) > MAX_KEPT_HEADERS:
        raise RequestRefused(513, "Message Too Large")
    return headers


def guard_registrar(registrar: str, aor: str, sender: str, to: str) -> None:
    """SER's loop guard: receipts to a notice are not kept, and no other sender writes in the name of its address.

    All are names as `Named.name` has them; `registrar` is the notice's sender, `to` the name in To. Raises
    RequestRefused 403, Absorbed.
    """
    if sender == registrar:
        raise RequestRefused(403, "Forbidden")
    if registrar in (aor, to):
        raise Absorbed


def _end_of_life(
    request: Request, content_type: bytes, policy: SiloPolicy, wall: float, due_at: float | None, ahead: float
) -> float:
    """By the policy, or sooner by Expires. Raises RequestRefused for what would be over at once."""
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
    """Date, if it is sane and counts, else `born`, plus Expires; an unreadable Expires is none (RFC 3261 §20.19)."""
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
    """The key that `accept` would give a row of `aor` from `sender`. Raises MalformedMessage for an unreadable From."""
    content_type = request.received.get(b"content-type", b"").strip(WSP)
    author = request.from_
    return duplicate_hash(request.call_id, request.cseq, author.tag, sender, aor, content_type, request.body)


def duplicate_hash(
    call_id: bytes, cseq: int, from_tag: bytes, sender: str, aor: str, content_type: bytes, body: bytes
) -> bytes:
    """The 16-byte key of law 9: equal for a copy, different for a message that differs in any of these.

    The sender is one of them, since clients that do not seed their random numbers share Call-IDs, tags and CSeqs.
    Each part is preceded by its length, so that no two lists of parts make the same input. The first bytes are
    of the Call-ID alone: nobody gains by two Call-IDs that share them, it only costs him a look at the index.
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

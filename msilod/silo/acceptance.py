"""Acceptance: whose mailbox a MESSAGE goes to, and what of it is kept (SER's m_store, RFC 3428 §7).

Rules: everything end-to-end is kept as it came, byte for byte; what is hop-by-hop, secret or ours to make
anew is not (checklist §3.3), credentials above all. What cannot be kept is refused with the status for its
sender. Bytes in, one row out; nothing here remembers a message.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Final
from zlib import crc32

from msilod.errors import MalformedMessage, RequestRefused
from msilod.silo.content import is_usual, lifetime
from msilod.silo.due import due_time
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import CALL_KEY_BYTES, State, StoredMessage
from msilod.sip.cache import Cache
from msilod.sip.dates import parse_date
from msilod.sip.grammar import WSP, number
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

__all__ = ["NEVER_SENT", "Absorbed", "SiloPolicy", "accept", "duplicate_hash", "recipient", "strange_sender"]

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

# Bytes of what is remembered of senders and recipients: 15,000 of usual length.
_CACHED_URI_BYTES: Final = 6_000_000


class Absorbed(RequestRefused):
    """A MESSAGE to the notice's own address: answered 200 and dropped, or receipts to it would go round."""

    def __init__(self) -> None:
        super().__init__(200, "OK")


def recipient(
    request: Request, new_uri: bytes | None, mode: int, is_own_address: Callable[[str], bool]
) -> str:
    """The AOR whose mailbox the MESSAGE goes to, by m_store's mode.

    0: `new_uri` if it is given and an address of record, else the Request-URI if it is one, else To. 1: the
    Request-URI, else To. 2: To. An address of record has a user and no IP literal as host, but for addresses
    of ours. Raises RequestRefused 404 when none of them names anybody, MalformedMessage for a bad To.
    """
    candidates = [] if mode >= TO_ONLY else [request.uri]
    if mode == 0 and new_uri:
        candidates.insert(0, new_uri)
    for uri in candidates:
        aor, host, is_literal = _named(uri)
        if aor and (not is_literal or is_own_address(host)):
            return aor
    aor = _named(request.to.uri)[0]
    if not aor:
        raise RequestRefused(404, "Not Found")
    return aor


def strange_sender(uri: bytes) -> str:
    """The sender of a row when From is no SIP URI with a user."""
    return uri.decode("ascii", "backslashreplace")


def _read_name(uri: bytes) -> tuple[str, str, bool]:
    """AOR ("" for none), host, whether the host is an IP literal."""
    try:
        parsed = SipUri.parse(uri)
        return parsed.aor(), parsed.host, parsed.is_ip_literal
    except MalformedMessage:
        return "", "", False


def _size(uri: bytes, name: tuple[str, str, bool]) -> int:
    """Bytes: the URI, the tuple, and two strings that are parts of the URI."""
    return 320 + 3 * len(uri)


_named: Final[Callable[[bytes], tuple[str, str, bool]]] = Cache(
    _read_name, _size, _CACHED_URI_BYTES
).__getitem__


def accept(
    request: Request, aor: str, policy: SiloPolicy, wall: float, is_trusted: bool = False,
    due_at: float | None = None,
) -> StoredMessage:  # fmt: skip
    """The row to keep for `aor`; `is_trusted` keeps P-Asserted-Identity (RFC 3325 §5).

    With `due_at`, or by the policy's due_header, it is scheduled, and its life begins then.

    Raises RequestRefused: 413 body, 513 kept headers too long; 420 Require (a silo ends the transaction and knows
    no extension); 403 in the name of the notice's sender; 480 Expires over or 0; and as `content.lifetime` does;
    Absorbed for a MESSAGE to the notice's sender; MalformedMessage for an unreadable From or To.
    """
    received, body, author = request.received, request.body, request.from_
    if len(body) > policy.max_body:
        raise RequestRefused(413, "Request Entity Too Large")
    headers = _kept(request, _NOT_KEPT_OF_TRUSTED if is_trusted else _NOT_KEPT)
    sender = _named(author.uri)[0] or strange_sender(author.uri)
    to_header = received.get(b"to", b"").strip(WSP)
    if policy.registrar_aor:
        _guard_registrar(policy.registrar_aor, aor, sender, to_header)
    content_type = received.get(b"content-type", b"").strip(WSP)
    if due_at is None and policy.due_field:
        due_at = due_time(request, policy.due_field, wall)
    end = wall + policy.expire_time
    if policy.is_choosy or due_at is not None or b"expires" in received or not is_usual(content_type):
        end = _end_of_life(request, content_type, policy, wall, due_at)
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


def _guard_registrar(registrar: str, aor: str, sender: str, to_header: bytes) -> None:
    """SER's loop guard: receipts to a notice are not mail, and nobody else speaks in its name."""
    if sender == registrar:
        raise RequestRefused(403, "Forbidden")
    if aor == registrar or (registrar.lower().encode() in to_header.lower() and _names(to_header, registrar)):
        raise Absorbed


def _names(to_header: bytes, registrar: str) -> bool:
    start = to_header.find(b"<") + 1
    uri = to_header[start:].partition(b">")[0] if start else to_header.partition(b";")[0]
    return _named(uri.strip(WSP))[0] == registrar


def _end_of_life(
    request: Request, content_type: bytes, policy: SiloPolicy, wall: float, due_at: float | None
) -> float:
    """By the policy, or sooner by Expires. Raises RequestRefused for what would be over at once."""
    received = request.received
    born = wall if due_at is None else due_at
    is_special = policy.is_choosy or not is_usual(content_type)
    end = born + (lifetime(content_type, request.body, policy) if is_special else policy.expire_time)
    if b"expires" in received:
        end = min(end, _expires(received, born, due_at is None))
    if end <= born:
        raise RequestRefused(480, "Temporarily Unavailable")
    return end


def _expires(received: dict[bytes, bytes], born: float, by_date: bool) -> float:
    """Date, if it is sane and counts, else `born`, plus Expires; an unreadable Expires is none (RFC 3261 §20.19)."""
    seconds = number(received[b"expires"].strip(WSP), _MAX_EXPIRES)
    if seconds is None:
        return float("inf")
    if seconds == 0:
        return born
    date = parse_date(received[b"date"].strip(WSP)) if by_date and b"date" in received else None
    if date is None or not born - OLDEST_DATE <= date <= born + NEWEST_DATE:
        date = born
    return date + seconds


def copy_hash(request: Request, aor: str) -> bytes:
    """The key that `accept` would give a row of `aor`. Raises MalformedMessage for an unreadable From."""
    content_type = request.received.get(b"content-type", b"").strip(WSP)
    author = request.from_
    sender = _named(author.uri)[0] or strange_sender(author.uri)
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

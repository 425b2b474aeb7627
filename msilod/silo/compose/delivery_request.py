"""Delivery request: builds the MESSAGE that carries a stored message to a contact.

The device gets the sender's From with tag, To, Call-ID, CSeq, Date, Expires, body and kept header fields unchanged. A
phone can recognise a copy, and a signature stays valid. New are the Request-URI, Route, Max-Forwards, and a Date if the
message had none (RFC 3428 §7). There is no Contact (§4); the transaction layer adds the Via. The asserted identity of
an anonymous sender is removed (RFC 3325 §7). Changes for old phones (old_phones.py) are off by default.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msilod.errors import MalformedMessage
from msilod.registrar.binding import Binding
from msilod.silo.compose.old_phones import dress
from msilod.silo.intake.acceptance import NEVER_SENT
from msilod.silo.policy import NEW_CALL_ID, SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.sip.address import NameAddr
from msilod.sip.cache import Cache
from msilod.sip.dates import format_date
from msilod.sip.grammar import WSP, is_call_id, is_token
from msilod.sip.headers import KNOWN, Headers, canonical
from msilod.sip.limits import MAX_CSEQ
from msilod.sip.message import Request
from msilod.sip.privacy import ASSERTED, asks_for_id
from msilod.sip.sips import under_scheme_of
from msilod.sip.uri import SipUri, request_uri

Field = tuple[bytes, bytes]

_MAX_FORWARDS: Final = (b"max-forwards", b"Max-Forwards: 70")
# The key of a cached way: the contact's URI, Path and next hop. The value: the Request-URI and the Route fields.
_Contact = tuple[str, tuple[str, ...], str]
_Way = tuple[bytes, tuple[Field, ...]]
# A run sends many rows to few contacts. The bound is in bytes: 7,000 contacts of usual length.
_CACHED_WAY_BYTES: Final = 4_000_000


class Unsendable(MalformedMessage):
    """Raised for a row unfit for a MESSAGE to any contact: a row written by another program."""


def build_delivery(
    message: StoredMessage,
    target_uri: str,
    path: Sequence[str],
    policy: SiloPolicy,
    ahead: float,
    call_id: bytes = b"",
    next_hop: str = "",
) -> Request:
    """The MESSAGE to the contact `target_uri`, by `path`, or without a Path by `next_hop` (see `next_hop_of`).

    `call_id` is a fresh id, used if the policy says "new". A message without a Date gets the time of receipt as Date,
    in system time: `ahead` seconds more than silo time. Raises MalformedMessage for a bad contact or next hop, and
    Unsendable for a row unfit for any MESSAGE: the row did not come by SIP.
    """
    uri, route = _way((target_uri, tuple(path), next_hop))
    uri = under_scheme_of(message.request_uri, uri)
    sent_id = call_id if call_id and policy.call_id == NEW_CALL_ID else message.delivery_call_id
    sent_id = sent_id or message.call_id
    _check(message, sent_id)
    fields = [
        *route,
        _MAX_FORWARDS,
        (b"from", b"From: " + message.from_header),
        (b"to", b"To: " + _without_tag(message.to_header)),
        (b"call-id", b"Call-ID: " + sent_id),
        (b"cseq", b"CSeq: %d MESSAGE" % message.cseq),
    ]
    _add_kept(fields, message, ahead)
    if message.content_type:
        fields.append((b"content-type", b"Content-Type: " + message.content_type))
    body = dress(fields, message, policy, ahead) if policy.serves_old_phones else message.body
    # `received` is empty: the request was not received, and no code reads the field.
    return Request(b"MESSAGE", uri, Headers(fields), body, cseq=message.cseq, call_id=sent_id, received={})


def _check(message: StoredMessage, call_id: bytes) -> None:
    """Raise Unsendable for columns with line ends, or with values unreadable for a device."""
    head = b"%b%b%b" % (message.from_header, message.to_header, message.content_type)
    if b"\n" in head or b"\r" in head or not message.from_header:
        raise Unsendable("Bad Header Field")
    if not is_call_id(call_id):
        raise Unsendable("Bad Call-ID")
    if not 0 <= message.cseq <= MAX_CSEQ:
        raise Unsendable("Bad CSeq")


def next_hop_of(message: StoredMessage, binding: Binding, policy: SiloPolicy) -> str:
    """The outbound proxy for the message: that of m_store, else that of m_dump, else [silo] next_hop.

    Returns "" for none. With a Path, the Path is the only way to the contact (RFC 3327 §5.3).
    """
    return "" if binding.path else message.next_hop or binding.next_hop or policy.next_hop


def _add_kept(fields: list[Field], message: StoredMessage, ahead: float) -> None:
    has_date = False
    is_hidden = b"p-asserted-identity" in message.headers.lower() and _hides(message.headers)
    for text in _lines(message.headers):
        printed, colon, _ = text.partition(b":")
        name = canonical(printed.rstrip(WSP))
        if name in NEVER_SENT or not colon or not (name in KNOWN or is_token(name)):
            continue
        if not (is_hidden and name == ASSERTED):
            fields.append((name, text))
            has_date = has_date or name == b"date"
    if not has_date:
        fields.append((b"date", b"Date: " + format_date(message.received_at + ahead)))


def _hides(headers: bytes) -> bool:
    """True if the sender asks for privacy: user agents are outside the trust domain (RFC 3325 §7)."""
    fields = [text.partition(b":") for text in _lines(headers)]
    return any(canonical(name.rstrip(WSP)) == b"privacy" and asks_for_id(value) for name, _, value in fields)


def _lines(headers: bytes) -> list[bytes]:
    """The kept header lines, without lines containing a stray CR, LF or NUL.

    An imported row may contain stray line ends. A stray line end must not begin a header line.
    """
    lines = headers.split(b"\r\n")
    if headers.count(b"\r") + headers.count(b"\n") != 2 * (len(lines) - 1) or b"\x00" in headers:
        lines = [text for text in lines if not any(stray in text for stray in (b"\r", b"\n", b"\x00"))]
    return [text for text in lines if text]


def _read_way(contact: _Contact) -> _Way:
    target_uri, path, next_hop = contact
    # An imported row or an operator names the contact: refuse a contact that is no URI.
    SipUri.parse(target_uri)
    routes = [_route_value(hop) for hop in path]
    if next_hop and not routes:
        routes.append(outbound_route(next_hop))
    return request_uri(target_uri), tuple((b"route", b"Route: " + value) for value in routes)


def _size(contact: _Contact, way: _Way) -> int:
    """The memory of a cache entry in bytes: strings, tuples, and 60 bytes for the head of each object."""
    target_uri, path, next_hop = contact
    text = len(target_uri) + len(next_hop) + sum(map(len, path)) + len(way[0])
    return 400 + text + 60 * len(path) + sum(130 + len(value) for _, value in way[1])


_way: Final[Callable[[_Contact], _Way]] = Cache(_read_way, _size, _CACHED_WAY_BYTES).__getitem__


def outbound_route(next_hop: str) -> bytes:
    """The Route value for an outbound proxy, with `lr` added if missing (RFC 3261 §19.1.1).

    Raises MalformedMessage.
    """
    uri = SipUri.parse(next_hop)
    uri.params.setdefault("lr", None)
    return f"<{uri}>".encode("ascii")


def _route_value(hop: str) -> bytes:
    """A Path value with angle brackets. Raises MalformedMessage for an unreadable address."""
    value = hop.encode("utf-8", "replace")
    return NameAddr.parse(value if value[:1] == b"<" or b"<" in value else b"<%b>" % value).to_bytes()


def _without_tag(to_header: bytes) -> bytes:
    """To without a tag: a delivery is outside of any dialog."""
    if b"tag" not in to_header.lower():
        return to_header
    try:
        address = NameAddr.parse(to_header)
    except MalformedMessage as error:
        raise Unsendable(error.phrase) from error
    if not address.tag:
        return to_header
    params = tuple([param for param in address.params if param[0].lower() != b"tag"])
    return NameAddr(address.display, address.uri, params).to_bytes()

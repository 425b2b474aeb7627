"""Keys: matches messages to transactions by RFC 3261 §17.1.3 (responses) and §17.2.3 (requests).

Rules: a key is one bytes object, since a million keys are remembered. A key is never longer than MAX_KEY, for any
branch. Making a key raises no exception.

Two requests with one key. RFC 3261 distinguishes transactions by branch, sent-by and method. Some clients never change
their branch, and some make the same "random" identifiers in each process. So a request with a known key counts as a
retransmission only when Request-URI, From, To, Call-ID, CSeq, Contact and body are the same as well. Any other request
becomes a transaction under a key of its own (`own_key`), and its retransmissions are found under the second key:
- Answers find their transaction, since the transaction user answers the transaction object.
- Retransmissions of the second request are looked up under the first key, then under the second key. Therefore the
  first request must stay known for 64*T1 after the second, and is remembered anew when the second comes.
- An ACK and a CANCEL belong to the INVITE with the same Request-URI, From, Call-ID and CSeq number (`shared_key`).
  When two INVITEs have equal values, the ACK or CANCEL belongs to the newer INVITE in a fitting state.
- The look-ups cost a new request nothing. A completed transaction keeps a fingerprint of 50 bits.
"""

from hashlib import blake2b
from operator import itemgetter
from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.message import Request
from msilod.sip.via import COOKIE

MAX_KEY: Final = 128

_PARTS: Final = itemgetter(b"from", b"to", b"call-id", b"cseq")
# The low bits of a fingerprint are free for a status. An int with both takes 32 bytes.
STATUS_BITS: Final = 10
_FINGERPRINT_MASK: Final = ((1 << 50) - 1) << STATUS_BITS


def server_key(request: Request, method: bytes) -> bytes:
    """Return branch, sent-by and method as key; without the magic cookie, the parts compared by RFC 2543.

    `method` is the method of the request. For an ACK or a CANCEL, pass the method of the request to be found (§17.2.3,
    §9.2).
    """
    via = request.via
    branch = via.branch
    # This is `via.has_cookie` inline, which saves 0.1 us.
    if branch[:7] != COOKIE or branch == COOKIE:
        return _old_key(request, method, _tag(request))
    key = b" ".join((branch, via.sent_by, method))
    return key if len(key) <= MAX_KEY else _short(key)


def old_ack_key(request: Request) -> bytes:
    """Return the key of the INVITE without a To tag to which an ACK without the cookie may belong.

    The To tag of the ACK is then the tag of our answer. The caller compares the tags (§17.2.3).
    """
    return _old_key(request, b"INVITE", b"")


def cancel_key(branch: bytes) -> bytes:
    """Return the key of a CANCEL sent by this server. A CANCEL has the branch of its INVITE (§9.1)."""
    return b"CANCEL " + branch


def fingerprint(request: Request) -> int:
    """Return a keyed hash of a request: a request with an equal key and fingerprint is a retransmission.

    Request-URI, From, To, Call-ID, CSeq, Contact and body are hashed as received. RFC 3261 section 17.2.3 compares only
    the branch, but some clients never change their branch. Python's hash of bytes has a new key in each process, so a
    sender cannot construct two requests with one fingerprint. The fingerprint has 50 bits above STATUS_BITS zero bits.
    """
    received = request.received
    contact: object = received.get(b"contact")
    if contact is not None and len(received) != len(request.headers.fields):
        contact = _contacts(request)
    parts = (
        request.uri_received, received[b"from"], received[b"to"], request.call_id, request.cseq, contact, request.body
    )  # fmt: skip
    return hash(parts) & _FINGERPRINT_MASK


def is_copy(request: Request, first: Request) -> bool:
    """True when the parts hashed by `fingerprint` are equal. The keys are equal already."""
    return (
        request.uri_received == first.uri_received
        and _PARTS(request.received) == _PARTS(first.received)
        and request.body == first.body
        and _contacts(request) == _contacts(first)
    )


def is_of_dialog(request: Request, first: Request) -> bool:
    """True when an ACK or a CANCEL has the Call-ID, the CSeq number and the From tag of `first`.

    RFC 3261 sections 9.1 and 17.1.1.3 require these. To is not compared: an ACK has a tag in To, and so has the CANCEL
    of some phones.
    """
    return (
        request.call_id == first.call_id
        and request.cseq == first.cseq
        and _from_tag(request) == _from_tag(first)
    )


def own_key(key: bytes, request: Request) -> bytes:
    """Return the key of a request when `key` belongs to another request."""
    own = b"%b %x" % (key, fingerprint(request) >> STATUS_BITS)
    return own if len(own) <= MAX_KEY else _short(own)


def shared_key(key: bytes, request: Request) -> bytes:
    """Return a key which an INVITE shares with its CANCEL and the ACK of its failure (RFC 3261 sections 9.1, 17.1.1.3).

    All three have the same branch, Request-URI, From, Call-ID and CSeq number. The To of the ACK has one more tag.
    """
    parts = (key, request.uri_received, request.received[b"from"], request.call_id, b"%d" % request.cseq)
    return _short(b" ".join(b"%d:%b" % (len(part), part) for part in parts))


def _contacts(request: Request) -> tuple[bytes, ...] | bytes | None:
    """Return the first Contact as received, with the lines of further Contacts."""
    first = request.received.get(b"contact")
    more = [text for name, text in request.headers.fields if name == b"contact"][1:]
    return (first or b"", *more) if more else first


def _old_key(request: Request, method: bytes, to_tag: bytes) -> bytes:
    """Make a key of Request-URI, tags, Call-ID, CSeq, and the parts of the top Via left unchanged by proxies."""
    via = request.via
    sender = (request.headers.get(b"from") or b"", via.transport, via.sent_by, via.branch)
    parts = (request.uri, to_tag, request.call_id, b"%d" % request.cseq, method, *sender)
    return _short(b" ".join(b"%d:%b" % (len(part), part) for part in parts))


def _tag(request: Request) -> bytes:
    try:
        return request.to.tag
    except MalformedMessage:
        # The user answers such a request with 400. Retransmissions are matched by the whole value.
        return request.headers.get(b"to") or b""


def _from_tag(request: Request) -> bytes:
    """Return the From tag; the whole value when From is unreadable."""
    try:
        return request.from_.tag
    except MalformedMessage:
        return request.received.get(b"from") or b""


def to_tag(request: Request) -> bytes:
    """Return the To tag; b"" when To has no tag or is unreadable."""
    try:
        return request.to.tag
    except MalformedMessage:
        return b""


def _short(key: bytes) -> bytes:
    return blake2b(key, digest_size=32).digest()

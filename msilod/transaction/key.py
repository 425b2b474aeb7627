"""Which transaction a message belongs to: RFC 3261 §17.1.3 (responses) and §17.2.3 (requests).

Rules: one bytes object per key, since a million of them are remembered; never longer than MAX_KEY, whatever
a peer writes into its branch; and making one raises nothing.

Two requests with one key. RFC 3261 tells transactions apart by the branch, the sent-by and the method. Some clients
never change their branch, and some make the same "random" identifiers in each process. So a request with a known key
is taken for a copy only when Request-URI, From, To, Call-ID, CSeq, Contact and body are the same as well. Any other
request becomes a transaction under a key of its own (`own_key`), and its copies are found under that key:
- The answers find their transaction, since the transaction user answers the transaction object.
- The first request must stay known as long as copies of the second may come (64*T1), because a copy of the second is
  looked for under the first one's key and then under its own. So the first one is remembered anew when the second
  comes.
- An ACK and a CANCEL belong to the INVITE that has their Request-URI, From, Call-ID and CSeq number (`thread_key`).
  When two INVITEs agree in these as well, the newer one that the ACK or CANCEL can mean gets it.
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
# The low bits of a fingerprint are free for a status; with it an int takes 32 bytes.
STATUS_BITS: Final = 10
_FINGERPRINT_MASK: Final = ((1 << 50) - 1) << STATUS_BITS


def server_key(request: Request, method: bytes) -> bytes:
    """Branch, sent-by and method; for a branch without the magic cookie what RFC 2543 compared.

    `method` is the request's own, or INVITE for an ACK and whatever a CANCEL may mean (§17.2.3, §9.2).
    """
    via = request.via
    branch = via.branch
    # `has_cookie` spelt out, 0.1 us less.
    if branch[:7] != COOKIE or branch == COOKIE:
        return _old_key(request, method, _tag(request))
    key = b" ".join((branch, via.sent_by, method))
    return key if len(key) <= MAX_KEY else _short(key)


def old_ack_key(request: Request) -> bytes:
    """The key of the INVITE without a To tag that an ACK without the cookie may belong to.

    Its To tag is then the one of our answer, which the caller compares (§17.2.3).
    """
    return _old_key(request, b"INVITE", b"")


def cancel_key(branch: bytes) -> bytes:
    """The key of our CANCEL among the client transactions: it shares its branch with its INVITE (§9.1)."""
    return b"CANCEL " + branch


def fingerprint(request: Request) -> int:
    """A keyed hash of the parts that make a request: two requests with one transaction key and one fingerprint are
    copies.

    Hashed are Request-URI, From, To, Call-ID, CSeq, Contact and body as they came. RFC 3261 section 17.2.3
    compares the branch only, but clients exist that never change their branch. Python's hash of bytes is keyed anew
    in each process, so a sender cannot construct two requests with one fingerprint. 50 bits, and STATUS_BITS zeros
    below them.
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
    """True when both have the parts of `fingerprint` in common; their keys are equal already."""
    return (
        request.uri_received == first.uri_received
        and _PARTS(request.received) == _PARTS(first.received)
        and request.body == first.body
        and _contacts(request) == _contacts(first)
    )


def is_of_dialog(request: Request, first: Request) -> bool:
    """True when an ACK or a CANCEL has the Call-ID, the CSeq number and the From tag of `first`.

    RFC 3261 sections 9.1 and 17.1.1.3 ask for this. To is not compared, since an ACK has a tag more there, and the
    CANCEL of some phones has one too.
    """
    return (
        request.call_id == first.call_id
        and request.cseq == first.cseq
        and _from_tag(request) == _from_tag(first)
    )


def own_key(key: bytes, request: Request) -> bytes:
    """The key of a request that found `key` taken by a request that it is no copy of."""
    own = b"%b %x" % (key, fingerprint(request) >> STATUS_BITS)
    return own if len(own) <= MAX_KEY else _short(own)


def thread_key(key: bytes, request: Request) -> bytes:
    """The key of an INVITE as its CANCEL and the ACK of its failure have it too (RFC 3261 sections 9.1, 17.1.1.3).

    Both repeat branch, Request-URI, From, Call-ID and the CSeq number; the To of the ACK has a tag more.
    """
    parts = (key, request.uri_received, request.received[b"from"], request.call_id, b"%d" % request.cseq)
    return _short(b" ".join(b"%d:%b" % (len(part), part) for part in parts))


def _contacts(request: Request) -> tuple[bytes, ...] | bytes | None:
    """The first Contact as it came, with the lines of further ones behind it."""
    first = request.received.get(b"contact")
    more = [text for name, text in request.headers.fields if name == b"contact"][1:]
    return (first or b"", *more) if more else first


def _old_key(request: Request, method: bytes, to_tag: bytes) -> bytes:
    """Request-URI, tags, Call-ID, CSeq, and of the top Via what a proxy on the way leaves alone."""
    via = request.via
    sender = (request.headers.get(b"from") or b"", via.transport, via.sent_by, via.branch)
    parts = (request.uri, to_tag, request.call_id, b"%d" % request.cseq, method, *sender)
    return _short(b" ".join(b"%d:%b" % (len(part), part) for part in parts))


def _tag(request: Request) -> bytes:
    try:
        return request.to.tag
    except MalformedMessage:
        # The user answers 400 to it; until then its copies are known by the whole value.
        return request.headers.get(b"to") or b""


def _from_tag(request: Request) -> bytes:
    """The From tag; the whole value when it cannot be read."""
    try:
        return request.from_.tag
    except MalformedMessage:
        return request.received.get(b"from") or b""


def to_tag(request: Request) -> bytes:
    """The To tag; b"" when there is none or To cannot be read."""
    try:
        return request.to.tag
    except MalformedMessage:
        return b""


def _short(key: bytes) -> bytes:
    return blake2b(key, digest_size=32).digest()

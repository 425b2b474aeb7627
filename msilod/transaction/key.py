"""Which transaction a message belongs to: RFC 3261 §17.1.3 (responses) and §17.2.3 (requests).

Rules: one bytes object per key, since a million of them are remembered; never longer than MAX_KEY, whatever
a peer writes into its branch; and making one raises nothing.
"""

from hashlib import blake2b
from typing import Final

from msilod.errors import MalformedMessage
from msilod.sip.message import Request
from msilod.sip.via import COOKIE

MAX_KEY: Final = 128


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


def _short(key: bytes) -> bytes:
    return blake2b(key, digest_size=32).digest()

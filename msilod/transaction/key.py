"""Which transaction a message belongs to: RFC 3261 §17.1.3 (responses) and §17.2.3 (requests).

Rule: one bytes object per key, since a million of them are remembered.
"""

from msilod.sip.message import Request


def server_key(request: Request, method: bytes | None = None) -> bytes:
    """Branch, sent-by and method; for a branch without the magic cookie what RFC 2543 compared.

    `method` stands in for the request's own: an ACK and a CANCEL look for the INVITE (§17.2.3, §9.2).
    Raises MalformedMessage when From or To of a request without the cookie cannot be read.
    """
    via = request.via
    method = method or request.method
    if via.has_cookie:
        return b"%b %b %b" % (via.branch, via.sent_by, method)
    tag = b"" if method == b"INVITE" else request.to.tag
    parts = (request.uri, tag, request.from_.tag, request.call_id, b"%d" % request.cseq, via.sent_by, method)
    return b"2543 " + b" ".join(b"%d:%b" % (len(part), part) for part in parts)


def client_key(branch: bytes, method: bytes) -> bytes:
    """Branch and CSeq method; only a CANCEL shares its branch, with its INVITE (§9.1)."""
    return branch if method != b"CANCEL" else b"CANCEL " + branch

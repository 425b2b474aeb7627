"""The requests a client transaction makes itself: ACK for a failure (§17.1.1.3) and CANCEL (§9.1).

Both copy the branch, the Request-URI, From, Call-ID, the CSeq number and the Route of the INVITE.
"""

from msilod.sip.headers import Headers
from msilod.sip.message import Request, Response

_KEPT = frozenset((b"from", b"to", b"call-id", b"route", b"max-forwards"))


def _hop(method: bytes, invite: Request, to: bytes | None) -> Request:
    via = next(line for name, line in invite.headers.fields if name == b"via")
    headers = Headers([(b"via", via)])
    for name, line in invite.headers.fields:
        if name in _KEPT:
            headers.fields.append((name, line))
    if to is not None:
        headers.replace(b"To", to)
    headers.add(b"CSeq", b"%d %b" % (invite.cseq, method))
    return Request(method, invite.uri, headers, b"", invite.via, invite.cseq, invite.call_id)


def ack_for(invite: Request, failure: Response) -> Request:
    """The ACK for a 300 to 699: To as in the response, everything else as in the INVITE (§17.1.1.3)."""
    return _hop(b"ACK", invite, failure.headers.get(b"to"))


def cancel_for(invite: Request) -> Request:
    """The CANCEL of a pending INVITE (§9.1)."""
    return _hop(b"CANCEL", invite, None)

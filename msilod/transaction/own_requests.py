"""The requests that a client transaction makes itself: ACK for a failure (RFC 3261 §17.1.1.3), CANCEL (§9.1).

Both have the one Via of the INVITE as it was sent, its Request-URI, From, Call-ID, CSeq number and Route.
"""

from typing import Final

from msilod.sip.headers import Headers
from msilod.sip.message import Request, Response

_KEPT: Final = frozenset((b"from", b"to", b"call-id", b"route", b"max-forwards"))


def ack_for(invite: Request, failure: Response) -> Request:
    """The ACK for a 300 to 699: To as in the response, everything else as in the INVITE."""
    ack = _hop(b"ACK", invite)
    for field in failure.headers.fields:
        if field[0] == b"to":
            # The line as it came. A display name may hold a NUL (RFC 4475 §3.1.1.2), and Headers.add refuses one.
            ack.headers.fields[:] = [field if other[0] == b"to" else other for other in ack.headers.fields]
            break
    return ack


def cancel_for(invite: Request) -> Request:
    """The CANCEL of a pending INVITE."""
    return _hop(b"CANCEL", invite)


def _hop(method: bytes, invite: Request) -> Request:
    fields = invite.headers.fields
    # The layer put its own Via first, with one value on the line.
    headers = Headers([fields[0], *(field for field in fields if field[0] in _KEPT)])
    headers.add(b"CSeq", b"%d %b" % (invite.cseq, method))
    return Request(method, invite.uri, headers, b"", invite.via, invite.cseq, invite.call_id, {})

"""Own requests: makes the ACK for a failure (RFC 3261 §17.1.1.3) and the CANCEL (§9.1) of a client transaction.

Both have the top Via of the sent INVITE, its Request-URI, From, Call-ID, CSeq number and Route.
"""

from typing import Final

from msilod.sip.headers import Headers
from msilod.sip.message import Request, Response

_KEPT: Final = frozenset((b"from", b"to", b"call-id", b"route", b"max-forwards"))


def ack_for(invite: Request, failure: Response) -> Request:
    """Make the ACK for a 300 to 699: To from the response, all else from the INVITE."""
    ack = _hop_by_hop(b"ACK", invite)
    for field in failure.headers.fields:
        if field[0] == b"to":
            # The received line is used, since a display name may contain a NUL (RFC 4475 §3.1.1.2) and Headers.add
            # refuses NUL.
            ack.headers.fields[:] = [field if other[0] == b"to" else other for other in ack.headers.fields]
            break
    return ack


def cancel_for(invite: Request) -> Request:
    """Make the CANCEL of a pending INVITE."""
    return _hop_by_hop(b"CANCEL", invite)


def _hop_by_hop(method: bytes, invite: Request) -> Request:
    fields = invite.headers.fields
    # The first field is the Via of this layer, with one value on its line.
    headers = Headers([fields[0], *(field for field in fields if field[0] in _KEPT)])
    headers.add(b"CSeq", b"%d %b" % (invite.cseq, method))
    return Request(method, invite.uri, headers, b"", invite.via, invite.cseq, invite.call_id, {})

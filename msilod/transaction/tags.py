"""Tags: makes the To tags of answers outside of transactions (RFC 3261 §8.2.6.2, §8.2.7, §19.3)."""

from msilod.sip.message import Request, Response
from msilod.transaction.responses import final_tag


class StatelessTags:
    """Equal tags for retransmissions of a request, different tags for different branches. `secret`: 1 to 64 bytes.

    A CANCEL and the ACK of a failure have the Call-ID and the branch of their INVITE, and so the same tag.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def of(self, request: Request) -> bytes:
        """Return the tag for an answer to `request`."""
        # Tags are compared only in this process, so Python's keyed hash (SipHash) is enough. The hash takes half the
        # time of a digest. It is signed, and a tag may have a minus sign (RFC 3261 §25.1): a mask would take 0.12 us.
        return b"%x" % hash(self._secret + request.call_id + request.via.branch)

    def is_of(self, response: Response, branch: bytes) -> bool:
        """True when this server made the answer itself, to a request with `branch`."""
        call_id = response.headers.get(b"call-id") or b""
        return final_tag(response) == b"%x" % hash(self._secret + call_id + branch)

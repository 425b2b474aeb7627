"""Tags: the To tags of answers outside of any transaction (RFC 3261 §8.2.6.2, §8.2.7, §19.3)."""

from typing import Final

from msilod.sip.message import Request, Response
from msilod.transaction.responses import final_tag

_MASK: Final = (1 << 64) - 1


class StatelessTags:
    """The same tag for each copy of a request, another for each branch. `secret`: 1 to 64 bytes.

    A CANCEL and the ACK of a failure have the Call-ID and the branch of their INVITE, so its tag as well.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def of(self, request: Request) -> bytes:
        """The tag for an answer to `request`."""
        # Only this process compares it: Python's keyed hash (SipHash) does, at half a digest's price.
        return b"%016x" % (hash(self._secret + request.call_id + request.via.branch) & _MASK)

    def is_of(self, response: Response, branch: bytes) -> bool:
        """True for an answer to a request with that branch that this server has made itself."""
        call_id = response.headers.get(b"call-id") or b""
        return final_tag(response) == b"%016x" % (hash(self._secret + call_id + branch) & _MASK)

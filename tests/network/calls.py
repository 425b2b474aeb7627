"""Calls: the dialog state of a caller and of a callee (RFC 3261 §12, §13, §15).

`ending` says how a call has ended, and is "" until then. The route set is taken from Record-Route and the target from
Contact, so ACK and BYE take the way chosen by the proxy.
"""

from dataclasses import dataclass, field

from msilod.sip.message import Request, Response


@dataclass(slots=True)
class Call:
    """One side of a call. `route` and `target` come from the response (caller) or the INVITE (callee)."""

    call_id: bytes
    own: bytes
    other: bytes
    target: bytes = b""
    route: list[bytes] = field(default_factory=list)
    cseq: int = 1
    is_caller: bool = True
    is_ringing: bool = False
    is_talking: bool = False
    is_cancelled: bool = False
    ending: str = ""
    status: int = 0

    def learn_from_answer(self, response: Response) -> None:
        """Set up the dialog of the caller (§12.1.2)."""
        self.other = response.headers.get(b"to") or b""
        self.target = _uri(response.headers.get(b"contact") or b"")
        self.route = list(reversed(response.headers.split(b"record-route")))

    def request(self, method: bytes, branch: bytes, via: bytes, cseq: int | None = None) -> bytes:
        """A request in the dialog. `cseq`: for an ACK, the CSeq of the INVITE."""
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        lines = [b"%b %b SIP/2.0" % (method, self.target), b"Via: %b;rport;branch=%b" % (via, branch)]
        lines += [b"Route: " + one for one in self.route]
        lines += [
            b"Max-Forwards: 70", b"From: " + self.own, b"To: " + self.other, b"Call-ID: " + self.call_id,
            b"CSeq: %d %b" % (cseq, method), b"Content-Length: 0", b"", b"",
        ]  # fmt: skip
        return b"\r\n".join(lines)


def called(invite: Request, tag: bytes) -> Call:
    """The dialog of the callee (§12.1.1)."""
    return Call(
        call_id=invite.call_id,
        own=(invite.headers.get(b"to") or b"") + b";tag=" + tag,
        other=invite.headers.get(b"from") or b"",
        target=_uri(invite.headers.get(b"contact") or b""),
        route=invite.headers.split(b"record-route"),
        cseq=100,
        is_caller=False,
    )


def _uri(contact: bytes) -> bytes:
    return contact.partition(b"<")[2].partition(b">")[0] or contact

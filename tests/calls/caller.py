"""A phone that calls and is called: INVITE, CANCEL, ACK, BYE, and the route set of a dialog (RFC 3261 §12)."""

import itertools
import re

from msilod.sip.address import NameAddr
from msilod.sip.message import Request, Response
from tests.scenarios.phone import Phone

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
_serial = itertools.count(1)


def values(message: Request | Response, name: bytes) -> list[bytes]:
    """All values of a header that may be a list."""
    return message.headers.split(name)


def lines(message: Request | Response, name: bytes) -> list[bytes]:
    """The lines of a header that is no list (F3)."""
    return [line.partition(b":")[2].strip() for own, line in message.headers.fields if own == name]


def header(message: Request | Response, name: bytes) -> bytes:
    """The value of a header that must be there."""
    value = message.headers.get(name)
    assert value is not None, f"no {name!r} in {message!r}"
    return value


class Dialog:
    """One side of a dialog: what its next request says."""

    def __init__(
        self, phone: "Caller", local: bytes, remote: bytes, call_id: bytes, peer: Request | Response
    ) -> None:
        self.phone = phone
        self.local = local
        self.remote = remote
        self.call_id = call_id
        self.target = NameAddr.parse(header(peer, b"contact")).uri
        recorded = values(peer, b"record-route")
        # §12.1.1, §12.1.2: the caller's route set is the list turned round.
        self.routes = recorded if isinstance(peer, Request) else recorded[::-1]
        self.cseq = 10

    def request(
        self, method: bytes, cseq: int = 0, extra: bytes = b"", branch: bytes = b"", body: bytes = b""
    ) -> bytes:
        """The bytes of a request inside the dialog."""
        self.cseq += 1
        routes = b"".join(b"Route: %b\r\n" % value for value in self.routes)
        return (
            b"%b %b SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP %b:%d;rport;branch=%b\r\n"
            b"Max-Forwards: 70\r\n%b"
            b"From: %b\r\nTo: %b\r\nCall-ID: %b\r\nCSeq: %d %b\r\n%b"
            b"Contact: <%b>\r\nContent-Length: %d\r\n\r\n%b"
        ) % (
            method, self.target, self.phone.host.encode(), self.phone.port, branch or b"z9hG4bKdlg%d" % next(_serial),
            routes, self.local, self.remote, self.call_id, cseq or self.cseq, method, extra,
            self.phone.contact.encode(), len(body), body,
        )  # fmt: skip

    def send(self, method: bytes, cseq: int = 0, extra: bytes = b"", body: bytes = b"") -> None:
        self.phone.send(self.request(method, cseq, extra, body=body))


class Caller(Phone):
    """`invite` and what follows from it."""

    def leave(self) -> None:
        """Close, and unregister everything of this user."""
        self.socket.close()
        with Phone(self.user, self.server) as other:
            other.register(0, contact="*")

    def invite(
        self,
        uri: str,
        extra: str = "",
        method: str = "INVITE",
        body: bytes = SDP,
        branch: str = "",
        to: str = "",
    ) -> bytes:
        """The bytes of an INVITE (or another method that has a Contact) to `uri`."""
        lines = self.head(method, uri, to or uri, f"call-{next(_serial)}@{self.user}", 1)
        if branch:
            lines = re.sub(r"branch=\S+", f"branch={branch}", lines)
        lines += f"Contact: <{self.contact}>\r\n{extra}"
        if body:
            lines += "Content-Type: application/sdp\r\n"
        return f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def call(self, uri: str, extra: str = "") -> bytes:
        """Send an INVITE and see its 100; returns what was sent."""
        sent = self.invite(uri, extra)
        self.send(sent)
        assert self.response().status == 100
        return sent

    def of_same_hop(self, invite: bytes, method: bytes, to: bytes = b"") -> bytes:
        """The CANCEL of an INVITE, or the ACK of its failure with the To of that (§9.1, §17.1.1.3)."""
        head = invite.partition(b"\r\n\r\n")[0].replace(b"INVITE", method)
        kept = [
            line
            for line in head.split(b"\r\n")
            if not line.startswith((b"Content", b"Contact", b"Require", b"Proxy"))
        ]
        if to:
            kept = [b"To: " + to if line.startswith(b"To:") else line for line in kept]
        return b"\r\n".join(kept) + b"\r\nContent-Length: 0\r\n\r\n"

    def final(self, invite: bytes) -> Response:
        """The next final answer; that an INVITE failed is acknowledged."""
        while (response := self.response()).status < 200:
            pass
        if response.status >= 300 and invite.startswith(b"INVITE"):
            self.send(self.of_same_hop(invite, b"ACK", header(response, b"to")))
        return response

    def until(self, method: bytes) -> Request:
        """The next request of `method`; copies of an INVITE before it are passed over."""
        while True:
            message = self.receive()
            assert isinstance(message, Request), message
            if message.method != b"INVITE" or method == b"INVITE":
                assert message.method == method, message
                return message

    def ring(self, request: Request, status: int = 180) -> None:
        self.answer(request, status, self._dialog_headers(request))

    def accept(self, request: Request, status: int = 200) -> None:
        self.answer(request, status, self._dialog_headers(request))

    def _dialog_headers(self, request: Request) -> tuple[tuple[bytes, bytes], ...]:
        recorded = tuple((b"Record-Route", value) for value in values(request, b"record-route"))
        return (*recorded, (b"Contact", b"<%b>" % self.contact.encode()))

    def as_caller(self, accepted: Response) -> Dialog:
        """The dialog that a 2xx made."""
        local, remote = header(accepted, b"from"), header(accepted, b"to")
        return Dialog(self, local, remote, header(accepted, b"call-id"), accepted)

    def as_callee(self, invite: Request) -> Dialog:
        """The dialog on the other side; our tag is the one that `answer` gives."""
        local = header(invite, b"to") + b";tag=ua"
        return Dialog(self, local, header(invite, b"from"), invite.call_id, invite)

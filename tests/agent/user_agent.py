"""UserAgent: the user agent of the tests. A user agent writes requests and responses, and sends both on a wire.

All phones, peers and attackers on the virtual network are this class. The wire is a collaborator: virtual_wire.py has
ports of the virtual network. transactions.py adds the transactions of RFC 3261 §17. The bytes are made without the
daemon's code, except for responses and the parsing of received messages.
"""

from collections.abc import Sequence
from itertools import count
from typing import Generic, Protocol, TypeVar

from msilod.sip.message import Request, Response, build_response
from tests.agent.requests import decoded, head, recorded, with_body

Fields = Sequence[tuple[bytes, bytes]]
DOMAIN = "example.test"
serial = count(1)


class Wire(Protocol):
    """A way to the server. `transport`: as in Via. `address`: the own host and port."""

    transport: str
    address: tuple[str, int]

    def send(self, data: bytes) -> None: ...


class UserAgent:
    """A user agent of `user`@`domain` on `wire`."""

    tag = b"ua"

    def __init__(self, wire: Wire, user: str, domain: str = DOMAIN) -> None:
        self.wire = wire
        self.user = user
        self.domain = domain
        self._contact = ""

    @property
    def aor(self) -> str:
        return f"sip:{self.user}@{self.domain}"

    @property
    def place(self) -> str:
        """Host and port, as in a URI."""
        host, port = self.wire.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def contact(self) -> str:
        """The URI in Contact: the own address, unless a test has set another URI."""
        transport = self.wire.transport.lower()
        parameter = "" if transport == "udp" else f";transport={transport}"
        return self._contact or f"sip:{self.user}@{self.place}{parameter}"

    @contact.setter
    def contact(self, uri: str) -> None:
        self._contact = uri

    @property
    def via(self) -> str:
        """The Via of requests, without the branch."""
        return f"SIP/2.0/{self.wire.transport} {self.place};rport"

    def branch(self) -> str:
        """A new branch."""
        return f"z9hG4bK{next(serial):x}.{self.wire.address[1]:x}"

    def new_from(self, cseq: int) -> str:
        """The From of a request outside a dialog, with a new tag."""
        return f"<{self.aor}>;tag=t{next(serial)}"

    def head(self, method: str, uri: str, to: str, call_id: str, cseq: int, branch: str = "") -> str:
        """The request line and the header fields of all requests. `to`: a URI or a whole To."""
        to = to if "<" in to else f"<{to}>"
        via = f"{self.via};branch={branch or self.branch()}"
        return head(method, uri, via, self.new_from(cseq), to, call_id, cseq)

    def request(
        self, method: str, uri: str, to: str = "", extra: str = "", call_id: str = "", from_: str = "",
        cseq: int = 1, body: bytes | str = b"", branch: str = "",
    ) -> bytes:  # fmt: skip
        """The bytes of a request. `to` and `from_`: whole header values. `extra`: further header lines, with CRLF."""
        via = f"{self.via};branch={branch or self.branch()}"
        call_id = call_id or f"c{next(serial)}@{self.user}"
        from_, to = from_ or self.new_from(cseq), to or f"<{uri}>"
        return with_body(head(method, uri, via, from_, to, call_id, cseq, extra), body)

    def send(self, data: bytes) -> None:
        """Send bytes as written."""
        self.wire.send(data)

    def respond(self, request: Request, status: int, headers: Fields = (), tag: bytes = b"") -> bytes:
        """Send a response; returns the bytes."""
        data = build_response(request, status, to_tag=tag or self.tag, headers=headers).to_bytes()
        self.send(data)
        return data

    def dialog_headers(self, request: Request) -> Fields:
        """Record-Route and Contact of a response that makes a dialog (RFC 3261 §12.1.1)."""
        return (*recorded(request), (b"Contact", f"<{self.contact}>".encode()))


A = TypeVar("A", bound=UserAgent)


class Dialog(Generic[A]):
    """One side of a dialog: the state for further requests (RFC 3261 §12.2.1.1). `local`, `remote`: whole values."""

    def __init__(
        self, agent: A, local: str, remote: str, call_id: str, target: str = "",
        routes: Sequence[str] = (), cseq: int = 10,
    ) -> None:  # fmt: skip
        self.agent = agent
        self.local = local
        self.remote = remote
        self.call_id = call_id
        self.target = target
        self.routes = list(routes)
        self.cseq = cseq

    def learn(self, peer: Request | Response) -> None:
        """Take the target and the route set from the message of the other side (§12.1.1, §12.1.2)."""
        contact = decoded(peer.headers.get(b"contact"))
        self.target = contact.partition("<")[2].partition(">")[0] or contact
        routes = [decoded(value) for value in peer.headers.split(b"record-route")]
        self.routes = routes if isinstance(peer, Request) else routes[::-1]

    def next_cseq(self) -> int:
        self.cseq += 1
        return self.cseq

    def send(self, method: str | bytes, extra: str = "", cseq: int = 0, body: bytes | str = b"") -> None:
        """Send a request in the dialog."""
        self.agent.send(self.request(method, extra, cseq=cseq, body=body))

    def request(
        self, method: str | bytes, extra: str = "", uri: str = "", from_: str = "", to: str = "", cseq: int = 0,
        body: bytes | str = b"", branch: str = "",
    ) -> bytes:  # fmt: skip
        """The bytes of a request in the dialog. `cseq`: for an ACK, the CSeq of the INVITE."""
        routes = "".join(f"Route: {route}\r\n" for route in self.routes)
        return self.agent.request(
            method if isinstance(method, str) else decoded(method),
            uri or self.target,
            to or self.remote,
            routes + extra,
            self.call_id,
            from_ or self.local,
            cseq or self.next_cseq(),
            body,
            branch,
        )


def of_caller(agent: A, accepted: Response) -> Dialog[A]:
    """The caller's side of the dialog made by a 2xx (§12.1.2)."""
    local, remote, call_id = (decoded(accepted.headers.get(name)) for name in (b"from", b"to", b"call-id"))
    made = Dialog(agent, local, remote, call_id)
    made.learn(accepted)
    return made


def of_callee(agent: A, request: Request, tag: bytes) -> Dialog[A]:
    """The callee's side, answered with `tag` (§12.1.1)."""
    local = f"{decoded(request.headers.get(b'to'))};tag={decoded(tag)}"
    made = Dialog(agent, local, decoded(request.headers.get(b"from")), decoded(request.call_id))
    made.learn(request)
    return made

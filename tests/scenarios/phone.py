"""Phone: a user agent for scenarios with a real UDP socket, to register, send messages and answer.

A phone waits for the expected message, with the socket's timeout as the limit, so no scenario sleeps.
"""

import itertools
import socket
from types import TracebackType

from msilod.sip.message import Request, Response, build_response
from msilod.sip.parser import parse

PATIENCE = 10.0
_serial = itertools.count(1)


class Phone:
    """A phone of `user`@example.test, with an own socket at the IPv4 address `host`."""

    def __init__(
        self, user: str, server: tuple[str, int], domain: str = "example.test", host: str = "127.0.0.1"
    ) -> None:
        self.user = user
        self.domain = domain
        self.server = server
        self.host = host
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.settimeout(PATIENCE)
        self.cseq = itertools.count(1)
        self.answered: set[bytes] = set()
        self.call_id = f"reg-{next(_serial)}@{user}"

    def __enter__(self) -> "Phone":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    @property
    def contact(self) -> str:
        return f"sip:{self.user}@{self.host}:{self.port}"

    # --- bytes ---------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        self.socket.sendto(data, self.server)

    def receive(self, patience: float = PATIENCE) -> Request | Response:
        """Receive the next message. Raises TimeoutError."""
        self.socket.settimeout(patience)
        return parse(self.socket.recv(65535))

    def response(self) -> Response:
        """Receive the next message and check for a response."""
        message = self.receive()
        assert isinstance(message, Response), message
        return message

    def request(self, method: bytes = b"MESSAGE") -> Request:
        """Receive the next message and check for a request of `method`."""
        message = self.receive()
        assert isinstance(message, Request), message
        assert message.method == method, message
        return message

    def is_silent(self, seconds: float = 0.3) -> bool:
        """True when no new message comes in `seconds`. Copies of answered requests are not new."""
        while True:
            try:
                message = self.receive(seconds)
            except TimeoutError:
                return True
            if not isinstance(message, Request) or message.via.branch not in self.answered:
                return False

    def answer(
        self, request: Request, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.answered.add(request.via.branch)
        self.send(build_response(request, status, to_tag=b"ua", headers=headers).to_bytes())

    # --- words ---------------------------------------------------------------------------------------

    def head(self, method: str, uri: str, to: str, call_id: str, cseq: int) -> str:
        branch = f"z9hG4bK{next(_serial):x}.{self.port:x}"
        return (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.host}:{self.port};rport;branch={branch}\r\n"
            "Max-Forwards: 70\r\n"
            f'From: "{self.user.title()}" <sip:{self.user}@{self.domain}>;tag=t{next(_serial)}\r\n'
            f"To: <{to}>\r\n"
            f"Call-ID: {call_id}\r\n"
            f"CSeq: {cseq} {method}\r\n"
        )

    def registration(self, expires: int = 600, extra: str = "", contact: str | None = None) -> bytes:
        aor = f"sip:{self.user}@{self.domain}"
        lines = self.head("REGISTER", f"sip:{self.domain}", aor, self.call_id, next(self.cseq))
        lines += f"Contact: {contact or f'<{self.contact}>'}\r\nExpires: {expires}\r\n{extra}"
        return f"{lines}Content-Length: 0\r\n\r\n".encode()

    def register(self, expires: int = 600, extra: str = "", contact: str | None = None) -> Response:
        """Send a REGISTER, and return the final response. A MESSAGE before this response is an error."""
        self.send(self.registration(expires, extra, contact))
        return self.response()

    def message(
        self, user: str, text: str | bytes = "hello", extra: str = "", uri: str | None = None,
        content_type: str = "text/plain", call_id: str | None = None,
    ) -> bytes:  # fmt: skip
        """The bytes of a MESSAGE to `user`."""
        body = text.encode() if isinstance(text, str) else text
        to = f"sip:{user}@{self.domain}"
        lines = self.head("MESSAGE", uri or to, to, call_id or f"msg-{next(_serial)}@{self.user}", 1)
        lines += f"{extra}Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        return lines.encode() + body

    def text(self, user: str, text: str | bytes = "hello", extra: str = "") -> Response:
        """Send a MESSAGE and return the final answer."""
        self.send(self.message(user, text, extra))
        return self.response()

    def take(self, status: int = 200) -> Request:
        """Receive and answer a MESSAGE."""
        request = self.request()
        self.answer(request, status)
        return request

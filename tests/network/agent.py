"""Agent: the transactions of a phone (RFC 3261 §17), written for the tests from the RFC alone.

Requests are repeated by Timer A or E until an answer, for at most 64*T1. Final responses are repeated for each copy of
the request; final responses to an INVITE also by Timer G until the ACK. On a stream nothing is repeated. phone.py has
the decisions of a phone.
"""

from collections.abc import Callable, Sequence

from msilod.sip.message import Request, Response, build_response
from msilod.sip.parser import parse
from tests.network.ladder import Address
from tests.network.wires import End, Timer, Wires

T1 = 0.5
T2 = 4.0
LIFE = 64 * T1

Heard = Callable[[Response | None], None]
Send = Callable[[bytes], None]
Fields = Sequence[tuple[bytes, bytes]]


class Asked:
    """A client transaction. `heard` is called with each new response, and with None after 64*T1 without one."""

    def __init__(self, agent: "Agent", data: bytes, method: bytes, send: Send, heard: Heard) -> None:
        self.agent = agent
        self.data = data
        self.is_invite = method == b"INVITE"
        self.send = send
        self.heard = heard
        self.status = 0
        self._interval = T1
        self._again: Timer | None = None
        self._end = agent.wires.after(LIFE, self._timed_out)
        send(data)
        self._wait()

    def _wait(self) -> None:
        if not self.agent.is_on_stream:
            self._again = self.agent.wires.after(self._interval, self._repeat)

    def _repeat(self) -> None:
        if self.status == 0 or (self.status < 200 and not self.is_invite):
            self.send(self.data)
            self._interval = self._interval * 2 if self.is_invite else min(2 * self._interval, T2)
            self._wait()

    def _timed_out(self) -> None:
        if self.status < 200:
            self.give_up()
            self.heard(None)

    def give_up(self) -> None:
        """Stop all timers."""
        for timer in (self._again, self._end):
            if timer is not None:
                timer.cancel()

    def answered(self, response: Response) -> None:
        """Handle a response (§17.1.1.2, §17.1.2.2). Each copy of a failure of an INVITE gets an ACK."""
        is_new, self.status = self.status < 200, max(self.status, response.status)
        if response.status >= 200 or self.is_invite:
            self.give_up()
        if self.is_invite and response.status >= 300:
            self.send(_ack(self.data, response))
        if is_new or (self.is_invite and response.status < 300):
            self.heard(response)


def _ack(invite: bytes, response: Response) -> bytes:
    """The ACK of a failure: the branch of the INVITE, the To of the response (§17.1.1.3)."""
    asked = parse(invite)
    assert isinstance(asked, Request)
    lines = [b"ACK %b SIP/2.0" % asked.uri]
    for name in (b"via", b"max-forwards", b"from"):
        lines += [text for key, text in asked.headers.fields if key == name][:1]
    lines.append(b"To: " + (response.headers.get(b"to") or b""))
    lines += [b"Call-ID: " + asked.call_id, b"CSeq: %d ACK" % asked.cseq, b"Content-Length: 0", b"", b""]
    return b"\r\n".join(lines)


class Served:
    """A server transaction. `last`: the newest response. `is_acked`: True after the ACK of an INVITE."""

    def __init__(self, agent: "Agent", request: Request, send: Send) -> None:
        self.agent = agent
        self.request = request
        self.send = send
        self.at = agent.wires.now
        self.last = b""
        self.status = 0
        self.is_acked = False
        self._interval = T1
        self._until = 0.0

    def respond(self, status: int, headers: Fields = (), body: bytes = b"") -> None:
        """Send a response. After a final response nothing more is sent."""
        if self.status >= 200:
            return
        self.status = status
        tag = self.agent.tag if status > 100 else b""
        self.last = build_response(self.request, status, to_tag=tag, headers=headers, body=body).to_bytes()
        self.send(self.last)
        if self.request.method == b"INVITE" and status >= 200:
            self._until = self.agent.wires.now + LIFE
            self.agent.wires.after(self._interval, self._repeat)

    def repeated(self) -> None:
        """Answer a copy of the request."""
        if self.last and not self.is_acked:
            self.send(self.last)

    def _repeat(self) -> None:
        """Repeat a final response until the ACK: Timer G, and §13.3.1.4 for a 2xx, on streams as well."""
        if not self.is_acked and self.agent.is_alive and self.agent.wires.now < self._until:
            self.send(self.last)
            self._interval = min(2 * self._interval, T2)
            self.agent.wires.after(self._interval, self._repeat)


class Agent:
    """The transactions of a user agent at `address`. `stream`: the connection to the server, or None."""

    def __init__(self, wires: Wires, address: Address, server: Address) -> None:
        self.wires = wires
        self.address = address
        self.server = server
        self.tag = b"t%d" % address[1]
        self.stream: End | None = None
        self.wants_stream = False
        self.is_alive = False
        self.asked: dict[bytes, Asked] = {}
        self.served: dict[bytes, Served] = {}
        self._branches = 0

    # --- life ----------------------------------------------------------------------------------------

    def switch_on(self) -> None:
        """Open the port."""
        self.is_alive = True
        self.wires.bind(self.address, self._datagram)
        self.wires.listen(self.address, self._accept)

    def switch_off(self) -> None:
        """Switch off as by an empty battery: close the port and the connection, without a message."""
        self.is_alive = False
        self.wires.unbind(self.address)
        if self.stream is not None:
            self.stream.close()
            self.stream = None
        for asked in self.asked.values():
            asked.give_up()
        self.asked.clear()
        self.served.clear()

    @property
    def is_on_stream(self) -> bool:
        return self.wants_stream

    def connect(self) -> bool:
        """Open a connection to the server, if none is open. False when this fails."""
        if self.stream is None or not self.stream.is_open:
            self.stream = self.wires.connect((self.address[0], self._branches + 20000), self.server)
            if self.stream is not None:
                self._accept(self.stream)
        return self.stream is not None

    # --- bytes ---------------------------------------------------------------------------------------

    def branch(self) -> bytes:
        """A new branch."""
        self._branches += 1
        return f"z9hG4bK{self.address[0].rpartition('.')[2]}.{self.address[1]}.{self._branches}".encode()

    def transmit(self, data: bytes) -> None:
        """Send to the server, by UDP or on the connection."""
        if not self.is_alive:
            return
        if not self.wants_stream:
            self.wires.datagram(self.address, self.server, data)
        elif self.connect() and self.stream is not None:
            self.stream.send(data)

    def _datagram(self, data: bytes, source: Address) -> None:
        self._receive(data, lambda answer: self.wires.datagram(self.address, source, answer))

    def _accept(self, end: End) -> None:
        """Receive from a connection, and join the pieces of each message."""
        held: list[bytes] = []

        def hear(data: bytes) -> None:
            held.append(data)
            rest = b"".join(held)
            held.clear()
            while rest:
                length = _length(rest)
                if length is None or len(rest) < length:
                    held.append(rest)
                    return
                self._receive(rest[:length], end.send)
                rest = rest[length:]

        end.hear = hear

    def _receive(self, data: bytes, send: Send) -> None:
        message = parse(data)
        if isinstance(message, Response):
            assert message.via is not None
            asked = self.asked.get(message.via.branch + message.cseq_method)
            if asked is not None:
                asked.answered(message)
        elif message.method == b"ACK":
            self._acknowledged(message)
        else:
            self._requested(message, send)

    def _requested(self, request: Request, send: Send) -> None:
        key = request.via.branch + request.method
        served = self.served.get(key)
        if served is not None:
            served.repeated()
            return
        served = self.served[key] = Served(self, request, send)
        self.requested(served)

    def _acknowledged(self, ack: Request) -> None:
        for served in self.served.values():
            request = served.request
            if request.method == b"INVITE" and (request.call_id, request.cseq) == (ack.call_id, ack.cseq):
                served.is_acked = True
                self.acknowledged(served)

    # --- for the phone ---------------------------------------------------------------------------------

    def ask(self, data: bytes, branch: bytes, method: bytes, heard: Heard) -> Asked:
        """Begin a client transaction."""
        asked = Asked(self, data, method, self.transmit, heard)
        self.asked[branch + method] = asked
        return asked

    def requested(self, served: Served) -> None:
        """Called with each new request; a subclass answers."""
        served.respond(501)

    def acknowledged(self, invite: Served) -> None:
        """Called with each ACK."""


def _length(data: bytes) -> int | None:
    """The length of the first message in `data`; None when the header fields are incomplete."""
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        return None
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() in (b"content-length", b"l"):
            return len(head) + 4 + int(value)
    raise AssertionError(f"a message without Content-Length on a stream: {head!r}")

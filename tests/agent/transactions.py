"""Agent: a user agent on the virtual network, with the transactions of RFC 3261 §17 written from the RFC alone.

Requests are repeated by Timer A or E until an answer, for at most 64*T1. Final responses are repeated for each copy of
the request; final responses to an INVITE also by Timer G until the ACK. On a stream nothing is repeated.
"""

from collections.abc import Callable
from itertools import count

from msilod.sip.message import Request, Response, build_response
from msilod.sip.parser import parse
from tests.agent.requests import acknowledged
from tests.agent.user_agent import DOMAIN, Fields, UserAgent
from tests.agent.virtual_wire import Send, VirtualWire
from tests.network.ladder import Address
from tests.network.wires import Timer, Wires

T1 = 0.5
T2 = 4.0
LIFE = 64 * T1

Heard = Callable[[Response | None], None]


class Asked:
    """A client transaction. `heard` is called with each new response, and with None after 64*T1 without one."""

    def __init__(self, agent: "Agent", data: bytes, method: str, heard: Heard) -> None:
        self.agent = agent
        self.data = data
        self.is_invite = method == "INVITE"
        self.send = agent.send
        self.heard = heard
        self.status = 0
        self._interval = T1
        self._again: Timer | None = None
        self._end = agent.wires.after(LIFE, self._timed_out)
        self.send(data)
        self._wait()

    def _wait(self) -> None:
        if not self.agent.wire.is_stream:
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
            self.send(acknowledged(self.data, response))
        if is_new or (self.is_invite and response.status < 300):
            self.heard(response)


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
        if not self.is_acked and self.agent.wire.is_open and self.agent.wires.now < self._until:
            self.send(self.last)
            self._interval = min(2 * self._interval, T2)
            self.agent.wires.after(self._interval, self._repeat)


class Agent(UserAgent):
    """A user agent at `address`, with a wire to `server`. Switched off until `switch_on`."""

    wire: VirtualWire

    def __init__(
        self, wires: Wires, user: str, address: Address, server: Address, is_stream: bool = False,
        domain: str = DOMAIN,
    ) -> None:  # fmt: skip
        super().__init__(VirtualWire(wires, address, server, self.receive, is_stream), user, domain)
        self.wires = wires
        self.tag = b"t%d" % address[1]
        self.asked: dict[bytes, Asked] = {}
        self.served: dict[bytes, Served] = {}
        self._branches = count(1)

    @property
    def address(self) -> Address:
        return self.wire.address

    def branch(self) -> str:
        """A new branch. The count is the agent's own, so that a seed always gives the same bytes."""
        return f"z9hG4bK{self.address[0].rpartition('.')[2]}.{self.address[1]}.{next(self._branches)}"

    # --- life ----------------------------------------------------------------------------------------

    def switch_on(self) -> None:
        """Open the port."""
        self.wire.open()

    def switch_off(self) -> None:
        """Switch off as by an empty battery: close the port and the connection, without a message."""
        self.wire.close()
        for asked in self.asked.values():
            asked.give_up()
        self.asked.clear()
        self.served.clear()

    # --- received messages ---------------------------------------------------------------------------

    def receive(self, data: bytes, send: Send) -> None:
        """Handle a received message. `send`: the way back."""
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

    # --- for subclasses --------------------------------------------------------------------------------

    def ask(self, data: bytes, branch: str, method: str, heard: Heard) -> Asked:
        """Begin a client transaction."""
        key = f"{branch}{method}".encode()
        asked = self.asked[key] = Asked(self, data, method, heard)
        return asked

    def requested(self, served: Served) -> None:
        """Called with each new request; a subclass answers."""
        served.respond(501)

    def acknowledged(self, invite: Served) -> None:
        """Called with each ACK."""

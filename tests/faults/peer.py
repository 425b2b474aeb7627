"""Peer: a peer on the virtual network with requests written by hand, any address and any Contact."""

import re
from collections.abc import Callable
from itertools import count

import trio

from msilod.daemon.configuring import users_changed
from msilod.sip.address import NameAddr
from msilod.sip.digest import ha1
from msilod.sip.message import Request, Response, build_response
from msilod.sip.parser import parse
from tests.credentials import answer_of
from tests.network.ladder import Address
from tests.network.wires import End
from tests.network.world import DOMAIN, SERVER, World

PASSWORD = "secret"
_serial = count(1)


def lock(world: World, *users: str) -> None:
    """Make `users` the users of the daemon, each with PASSWORD."""
    known = world.parts.members.users
    for user in users:
        values = [
            (name, ha1(name, user.encode(), DOMAIN.encode(), PASSWORD.encode()))
            for name in (b"MD5", b"SHA-256")
        ]
        known.put(f"{user}@{DOMAIN}", values)
    known.existed = known.is_readable = True
    users_changed(world.parts)


class Peer:
    """A peer of `user` at `address`. `contact`: the URI in Contact. `domain`: the domain in From. `stream`: use TCP."""

    def __init__(
        self,
        world: World,
        user: str,
        address: Address,
        contact: str = "",
        domain: str = DOMAIN,
        stream: bool = False,
    ) -> None:
        self.world = world
        self.user = user
        self.address = address
        tail = ";transport=tcp" if stream else ""
        self.contact = contact or f"sip:{user}@{address[0]}:{address[1]}{tail}"
        self.aor = f"sip:{user}@{domain}"
        self.is_stream = stream
        self.end: End | None = None
        self.heard: list[Request | Response] = []
        self.taken: list[Request] = []
        # Called with each new request, if not None.
        self.on_request: Callable[[Request], None] | None = None
        self.has_password = True
        self.password = PASSWORD
        self.instance = ""
        self._cseq = count(1)
        self._reg_id = f"reg{next(_serial)}@{user}"
        if stream:
            self.connect()
        else:
            world.wires.bind(address, lambda data, source: self._hear(data))

    # --- bytes ---------------------------------------------------------------------------------------

    def connect(self, port: int = 0) -> None:
        """Open a connection, from `port` if given."""
        self.address = (self.address[0], port or self.address[1])
        self.end = self.world.wires.connect(self.address, SERVER)
        assert self.end is not None
        self.end.hear = self._feed
        self._bytes = b""

    def move(self, port: int) -> None:
        """Move to another port, as after the loss of a NAT binding."""
        self.world.wires.unbind(self.address)
        self.address = (self.address[0], port)
        self.world.wires.bind(self.address, lambda data, source: self._hear(data))

    def _feed(self, data: bytes) -> None:
        self._bytes += data
        while b"\r\n\r\n" in self._bytes:
            head, _, _ = self._bytes.partition(b"\r\n\r\n")
            found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            size = len(head) + 4 + (int(found[1]) if found else 0)
            if len(self._bytes) < size:
                return
            message, self._bytes = self._bytes[:size], self._bytes[size:]
            self._hear(message)

    def _hear(self, data: bytes) -> None:
        message = parse(data)
        if isinstance(message, Request) and any(
            isinstance(known, Request)
            and known.via.branch == message.via.branch
            and known.method == message.method
            for known in self.heard
        ):
            return
        self.heard.append(message)
        if isinstance(message, Request) and self.on_request is not None:
            self.on_request(message)

    def send(self, data: bytes) -> None:
        if self.end is not None:
            self.end.send(data)
        else:
            self.world.wires.datagram(self.address, SERVER, data)

    # --- words ---------------------------------------------------------------------------------------

    def request(
        self, method: str, uri: str, to: str = "", extra: str = "", call_id: str = "", from_: str = "", cseq: int = 0,
        body: str = "",
    ) -> bytes:  # fmt: skip
        """The bytes of a request. `to` and `from_`: whole header values."""
        transport = "TCP" if self.is_stream else "UDP"
        cseq = cseq or next(self._cseq)
        return (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/{transport} {self.via_host}:5060;rport;branch=z9hG4bKp{next(_serial)}\r\n"
            f"Max-Forwards: 70\r\nFrom: {from_ or f'<{self.aor}>;tag=t{self.user}'}\r\nTo: {to or f'<{uri}>'}\r\n"
            f"Call-ID: {call_id or f'c{next(_serial)}@{self.user}'}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <{self.contact}>{self.instance}\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    @property
    def via_host(self) -> str:
        return self.contact.partition("@")[2].partition(":")[0].partition(";")[0]

    async def ask(self, data: bytes) -> Response:
        """Send a request, and again after a challenge if the peer has a password. Returns the final response.

        A failure of an INVITE is acknowledged.
        """
        answer = await self.answer_to(data)
        if answer.status in (401, 407) and self.has_password:
            sent = parse(data)
            assert isinstance(sent, Request)
            line = answer_of(answer, sent.method.decode(), sent.uri.decode(), self.user, self.password)
            proof = f"{line}\r\n".encode()
            branch = b"branch=z9hG4bKp%d" % next(_serial)
            data = re.sub(rb"branch=\S+", branch, data, count=1).replace(
                b"\r\nContact:", b"\r\n" + proof + b"Contact:", 1
            )
            data = re.sub(rb"CSeq: (\d+)", lambda found: b"CSeq: %d" % (int(found[1]) + 1), data, count=1)
            next(self._cseq)
            answer = await self.answer_to(data)
        return answer

    async def answer_to(self, data: bytes) -> Response:
        """Send a request and return the final response."""
        self.send(data)
        sent = parse(data)
        assert isinstance(sent, Request)
        answer = await self.final(sent.method)
        if sent.method == b"INVITE" and answer.status >= 300:
            head = data.partition(b"\r\n\r\n")[0].replace(b"INVITE", b"ACK")
            to = b"To: " + (answer.headers.get(b"to") or b"")
            kept = [to if line.startswith(b"To:") else line for line in head.split(b"\r\n")]
            kept = [line for line in kept if not line.startswith(b"Content-Length")]
            self.send(b"\r\n".join(kept) + b"\r\nContent-Length: 0\r\n\r\n")
        return answer

    def registration(self, expires: int = 7200, extra: str = "") -> bytes:
        lines = f"Expires: {expires}\r\n{extra}"
        return self.request("REGISTER", f"sip:{DOMAIN}", f"<{self.aor}>", lines, self._reg_id)

    async def register(self, extra: str = "") -> Response:
        return await self.ask(self.registration(extra=extra))

    # --- received messages ---------------------------------------------------------------------------

    async def response(self, method: bytes) -> Response:
        """Wait for the next response to a request of `method`."""
        with trio.fail_after(60):
            while True:
                for message in self.heard:
                    if isinstance(message, Response) and message.cseq_method == method:
                        self.heard.remove(message)
                        return message
                await trio.sleep(0.01)

    async def take(self, method: bytes) -> Request:
        """Wait for the next request of `method`."""
        with trio.fail_after(60):
            while True:
                for message in self.heard:
                    if (
                        isinstance(message, Request)
                        and message.method == method
                        and message not in self.taken
                    ):
                        self.taken.append(message)
                        return message
                await trio.sleep(0.01)

    async def final(self, method: bytes) -> Response:
        """Wait for the next final response to a request of `method`."""
        while (answer := await self.response(method)).status < 200:
            pass
        return answer

    def untaken(self) -> list[bytes]:
        """The methods of received requests not yet returned by `take`."""
        return [m.method for m in self.heard if isinstance(m, Request) and m not in self.taken]

    def answer(
        self, request: Request, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        """Answer a request, with Record-Route and Contact as a phone does."""
        recorded = tuple((b"Record-Route", value) for value in request.headers.split(b"record-route"))
        contact = (b"Contact", f"<{self.contact}>".encode())
        tag = b"t" + self.user.encode()
        self.send(
            build_response(
                request, status, to_tag=tag, headers=(*recorded, *(headers or (contact,)))
            ).to_bytes()
        )


class Side:
    """One side of a dialog: the state for further requests (RFC 3261 §12.2.1.1)."""

    def __init__(
        self, peer: Peer, local: str, remote: str, call_id: str, target: str, routes: list[str]
    ) -> None:
        self.peer = peer
        self.local = local
        self.remote = remote
        self.call_id = call_id
        self.target = target
        self.routes = routes

    def data(
        self, method: str, extra: str = "", uri: str = "", from_: str = "", to: str = "", body: str = ""
    ) -> bytes:
        routes = "".join(f"Route: {route}\r\n" for route in self.routes)
        return self.peer.request(
            method,
            uri or self.target,
            to or self.remote,
            routes + extra,
            self.call_id,
            from_ or self.local,
            body=body,
        )

    async def ask(
        self, method: str, extra: str = "", uri: str = "", from_: str = "", to: str = ""
    ) -> Response:
        """Send a request in the dialog and return the final response."""
        return await self.peer.ask(self.data(method, extra, uri, from_, to))

    async def reach(self, method: str, other: Peer) -> Request:
        """Send a request in the dialog. `other` answers with 200. Returns the request as received by `other`."""
        self.peer.send(self.data(method))
        request = await other.take(method.encode())
        if method != "ACK":
            other.answer(request)
            assert (await self.peer.final(method.encode())).status == 200
        return request


async def call(alice: Peer, bob: Peer, uri: str = "", method: str = "INVITE") -> tuple[Side, Side]:
    """Make a dialog from `alice` to `bob`, up to the ACK of the 2xx. Returns (caller's side, callee's side)."""
    uri = uri or bob.aor
    data = alice.request(method, uri, extra="Event: presence\r\n" if method == "SUBSCRIBE" else "")
    made: list[Response] = []

    async def asked() -> None:
        made.append(await alice.ask(data))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(asked)
        request = await bob.take(method.encode())
        bob.answer(request)
    assert made[0].status == 200
    caller, callee = sides(alice, made[0], bob, request)
    if method == "INVITE":
        alice.send(re.sub(rb"CSeq: \d+", b"CSeq: %d" % made[0].cseq, caller.data("ACK")))
        await bob.take(b"ACK")
    return caller, callee


def sides(alice: Peer, accepted: Response, bob: Peer, request: Request) -> tuple[Side, Side]:
    """The two sides of a dialog accepted by `bob`."""

    def value(message: Request | Response, name: bytes) -> str:
        return (message.headers.get(name) or b"").decode()

    to, from_ = value(accepted, b"to"), value(accepted, b"from")
    call_id = value(accepted, b"call-id")
    routes = [route.decode() for route in accepted.headers.split(b"record-route")]
    bobs, alices = (
        NameAddr.parse(m.headers.get(b"contact") or b"").uri.decode() for m in (accepted, request)
    )
    caller = Side(alice, from_, to, call_id, bobs, routes[::-1])
    return caller, Side(bob, to, from_, call_id, alices, routes)

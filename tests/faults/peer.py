"""Peer: a peer on the virtual network with requests written by hand, any address and any Contact."""

from collections.abc import Callable
from itertools import count

import trio

from msilod.daemon.configuring import users_changed
from msilod.sip.digest import ha1
from msilod.sip.message import Request, Response
from msilod.sip.parser import parse
from tests.agent.requests import acknowledged, decoded, recorded, with_credentials
from tests.agent.transactions import Agent
from tests.agent.user_agent import Dialog, serial
from tests.agent.virtual_wire import Send
from tests.network.ladder import Address
from tests.network.world import DOMAIN, SERVER, World

PASSWORD = "secret"


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


class Peer(Agent):
    """A peer of `user` at `address`. `contact`: the URI in Contact. `domain`: the domain in From. `stream`: use TCP.

    The test sends each request and each response: a peer has no transactions.
    """

    def __init__(
        self,
        world: World,
        user: str,
        address: Address,
        contact: str = "",
        domain: str = DOMAIN,
        stream: bool = False,
    ) -> None:
        super().__init__(world.wires, user, address, SERVER, stream, domain)
        self.world = world
        self.wire.accepts = False
        self.contact = contact
        self.tag = b"t" + user.encode()
        self.heard: list[Request | Response] = []
        self.taken: list[Request] = []
        # Called with each new request, if not None.
        self.on_request: Callable[[Request], None] | None = None
        self.has_password = True
        self.password = PASSWORD
        self.instance = ""
        self._cseq = count(1)
        self._reg_id = f"reg{next(serial)}@{user}"
        if stream:
            self.connect()
        else:
            self.switch_on()

    # --- life ----------------------------------------------------------------------------------------

    def connect(self, port: int = 0) -> None:
        """Open a connection from the own port, or from `port`."""
        self.wire.address = (self.address[0], port or self.address[1])
        self.wire.is_open = True
        assert self.wire.connect(self.address[1])

    def move(self, port: int) -> None:
        """Move to another port, as after the loss of a NAT binding."""
        self.wire.close()
        self.wire.address = (self.address[0], port)
        self.wire.open()

    def receive(self, data: bytes, send: Send) -> None:
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

    # --- requests ------------------------------------------------------------------------------------

    @property
    def via(self) -> str:
        host = self.contact.partition("@")[2].partition(":")[0].partition(";")[0]
        return f"SIP/2.0/{self.wire.transport} {host}:5060;rport"

    def branch(self) -> str:
        """A new branch. Two peers may have the same port of two hosts behind the same NAT."""
        return f"z9hG4bKp{next(serial)}"

    def new_from(self, cseq: int) -> str:
        return f"<{self.aor}>;tag={self.tag.decode()}"

    def request(
        self, method: str, uri: str, to: str = "", extra: str = "", call_id: str = "", from_: str = "",
        cseq: int = 0, body: bytes | str = b"", branch: str = "",
    ) -> bytes:  # fmt: skip
        """The bytes of a request, with Contact, and with the next CSeq of the peer."""
        extra = f"Contact: <{self.contact}>{self.instance}\r\n{extra}"
        return super().request(method, uri, to, extra, call_id, from_, cseq or next(self._cseq), body, branch)

    async def ask(self, data: bytes) -> Response:  # type: ignore[override]
        """Send a request, and again after a challenge if the peer has a password. Returns the final response.

        A failure of an INVITE is acknowledged.
        """
        answer = await self.answer_to(data)
        if answer.status in (401, 407) and self.has_password:
            next(self._cseq)
            again = with_credentials(data, answer, self.branch(), self.user, self.password)
            answer = await self.answer_to(again)
        return answer

    async def answer_to(self, data: bytes) -> Response:
        """Send a request and return the final response."""
        self.send(data)
        method = data.partition(b" ")[0]
        answer = await self.final(method)
        if method == b"INVITE" and answer.status >= 300:
            self.send(acknowledged(data, answer))
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
        self.respond(
            request, status, (*recorded(request), *headers) if headers else self.dialog_headers(request)
        )


class Side(Dialog[Peer]):
    """One side of a dialog of peers. The CSeq is the peer's own count."""

    def next_cseq(self) -> int:
        return 0

    async def ask(
        self, method: str, extra: str = "", uri: str = "", from_: str = "", to: str = ""
    ) -> Response:
        """Send a request in the dialog and return the final response."""
        return await self.agent.ask(self.request(method, extra, uri, from_, to))

    async def reach(self, method: str, other: Peer) -> Request:
        """Send a request in the dialog. `other` answers with 200. Returns the request as received by `other`."""
        self.send(method)
        request = await other.take(method.encode())
        if method != "ACK":
            other.answer(request)
            assert (await self.agent.final(method.encode())).status == 200
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
        caller.send("ACK", cseq=made[0].cseq)
        await bob.take(b"ACK")
    return caller, callee


def sides(alice: Peer, accepted: Response, bob: Peer, request: Request) -> tuple[Side, Side]:
    """The two sides of a dialog accepted by `bob`."""
    to, from_, call_id = (decoded(accepted.headers.get(name)) for name in (b"to", b"from", b"call-id"))
    caller, callee = Side(alice, from_, to, call_id), Side(bob, to, from_, call_id)
    caller.learn(accepted)
    callee.learn(request)
    # The two messages may differ: the caller's route set is the list seen by the caller, reversed (§12.1.2).
    callee.routes = caller.routes[::-1]
    return caller, callee

"""Listeners for tests of the transport room: a receiver with a wait, and ways to send to the receiver."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio
import trio.testing

from msilod.errors import MalformedMessage
from msilod.sip.flow import Flow
from msilod.sip.message import Request, build_response
from msilod.transport.listen import parse_spec
from msilod.transport.streams import Limits
from msilod.transport.tls import Certificates
from msilod.transport.transports import Transports

MESSAGE = (
    b"MESSAGE sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\nContent-Length: 2\r\n\r\nhi"
)


@dataclass
class Ear:
    """A receiver that notes the received messages. Tests can wait for a message."""

    received: list[tuple[bytes, Flow]] = field(default_factory=list)
    batches: int = 0
    errors: list[MalformedMessage] = field(default_factory=list)
    lost: list[tuple[bytes, str, int]] = field(default_factory=list)
    gone: list[Flow] = field(default_factory=list)
    needed: list[Flow] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    transports: Transports | None = None
    changed: trio.Event = field(default_factory=trio.Event)

    def _change(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    def receive(self, data: bytes, flow: Flow) -> None:
        self.received.append((data, flow))
        self._change()

    def after_batch(self) -> None:
        self.batches += 1
        if self.transports is not None:
            self.transports.flush()

    def malformed(self, error: MalformedMessage, flow: Flow) -> None:
        self.errors.append(error)
        if isinstance(error.request, Request) and self.transports is not None:
            self.transports.send(build_response(error.request, error.status).to_bytes(), flow)
        self._change()

    def noise(self, flow: Flow) -> None:
        """Nothing to note."""

    def unreachable(self, branch: bytes, host: str, port: int) -> None:
        self.lost.append((branch, host, port))
        self._change()

    def broken(self, error: Exception, flow: Flow) -> None:
        self.faults.append(error)
        self._change()

    def is_needed(self, flow: Flow) -> bool:
        return flow in self.needed

    def closed(self, flow: Flow) -> None:
        self.gone.append(flow)
        self._change()

    async def until(self, count: int, what: str = "received") -> None:
        with trio.fail_after(10):
            while len(getattr(self, what)) < count:
                await self.changed.wait()


@asynccontextmanager
async def serving(
    *specs: str,
    limits: Limits | None = None,
    certificates: Certificates | None = None,
    origins: tuple[str, ...] = (),
) -> AsyncIterator[tuple[Transports, Ear]]:
    """Transports with an Ear as receiver, by default with a watch that looks often."""
    limits = limits or Limits(look=0.02)
    transports = Transports([parse_spec(spec) for spec in specs], certificates, origins, limits)
    ear = Ear()
    ear.transports = transports
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transports.serve, ear)
            await trio.testing.wait_all_tasks_blocked()
            yield transports, ear
            nursery.cancel_scope.cancel()
    finally:
        transports.close()


@asynccontextmanager
async def dialled(transports: Transports) -> AsyncIterator[trio.SocketStream]:
    """A connection to the first listener."""
    endpoint = transports.listening()[0]
    async with await trio.open_tcp_stream(endpoint.host, endpoint.port) as stream:
        yield stream


async def all_of(stream: trio.abc.ReceiveStream) -> bytes:
    """All bytes until the other side closes; ten seconds at most."""
    seen = b""
    with trio.fail_after(10):
        while True:
            try:
                data = await stream.receive_some()
            except trio.BrokenResourceError:
                return seen
            if not data:
                return seen
            seen += data


def phone(host: str = "127.0.0.1") -> socket.socket:
    """A UDP socket with a timeout."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.settimeout(10)
    return sock


async def much_follows_in_order(transports: Transports, ear: Ear, stream: trio.abc.Stream) -> None:
    """Bytes beyond the send buffer of the kernel follow later, in order."""
    await stream.send_all(MESSAGE)
    await ear.until(1)
    flow = ear.received[0][1]
    for letter in b"abcdefgh":
        piece = bytes((letter,)) * 60_000
        for _ in range(8):
            transports.send(piece, flow)
            transports.flush()
        got = b""
        with trio.fail_after(10):
            while len(got) < 8 * 60_000:
                got += await stream.receive_some()
        assert got == bytes((letter,)) * 480_000

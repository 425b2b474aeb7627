"""What the benchmark of the transaction layer is made of: requests, a user above the layer, and a stopwatch.

Rules: every request is another one, as on the wire; messages are parsed outside of what is measured.
"""

import sys
from collections.abc import Callable
from itertools import count
from time import perf_counter

from msilod.sip.flow import Endpoint, Flow
from msilod.sip.message import Request, Response, response_bytes
from msilod.sip.parser import parse
from msilod.sip.stamp import stamp_source
from msilod.transaction.client_transaction import ClientTransaction
from msilod.transaction.layer import TransactionLayer
from msilod.transaction.server_transaction import ServerTransaction

UDP = Endpoint("udp", "192.0.2.1", 5060, b"SIP/2.0/UDP 192.0.2.1:5060")
ALICE = Flow(UDP, "198.51.100.7", 40001)
BOB = Flow(UDP, "198.51.100.8", 5060)
BODY = b"The quick brown fox jumps over the lazy dog. " * 2
RATE = 30_000
BATCH = 30
ROUNDS = 7
MANY = 10_000
TAGS = count(1)


def bits(number: int) -> int:
    """64 bits that look random (splitmix64), the same in every run."""
    mixed = (number * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    return mixed ^ (mixed >> 31)


def request() -> Request:
    """A MESSAGE that was never seen before."""
    number = next(TAGS)
    data = (
        b"MESSAGE sip:bob@example.test SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 192.0.2.17:5071;rport;branch=z9hG4bK%016x\r\n"
        b"Max-Forwards: 70\r\n"
        b'From: "Alice Liddell" <sip:alice@example.test>;tag=3b1f0a7e9d\r\n'
        b"To: <sip:bob@example.test>\r\n"
        b"Call-ID: 5f0b2c1e-7d7b-4a0f-9a77-%012x\r\n"
        b"CSeq: 20 MESSAGE\r\n"
        b"User-Agent: Linphone/4.4.10 (belle-sip/5.1.0)\r\n"
        b"Content-Type: text/plain;charset=utf-8\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (bits(number), number, len(BODY), BODY)
    )
    made = parse(data)
    assert isinstance(made, Request)
    stamp_source(made, ALICE)
    return made


def requests() -> list[object]:
    """For one round."""
    return [request() for _ in range(MANY)]


class Silo:
    """A user that stores everything, and an owner that forwards everything."""

    def __init__(self) -> None:
        self.layer = TransactionLayer(self.send, b"secret")
        self.layer.serve(self)
        self.sent = b""
        self.is_storing = True
        self.server: ServerTransaction | None = None
        self.relays: dict[ClientTransaction, ServerTransaction | None] = {}

    def send(self, data: bytes, flow: Flow) -> None:
        """Nowhere."""
        self.sent = data

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        """Answer at once, or let the bench go on with it."""
        self.server = transaction
        if self.is_storing:
            transaction.respond(202, now)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Back to whoever asked."""
        server = self.relays.pop(transaction)
        if server is not None:
            server.forward(response, now)

    def _not_here(self, *args: object, **kwargs: object) -> None:
        """Never called."""
        raise AssertionError

    on_cancel = on_ack = on_refused = on_unsent = on_limit = on_timeout = on_transport_error = _not_here

    def relay(self, now: float) -> ClientTransaction:
        """The request that came last goes on to the device."""
        assert self.server is not None
        copy = self.server.request.copy()
        client = self.layer.request(copy, BOB, self, now, b"z9hG4bK%016x" % bits(next(TAGS)), 10.0)
        self.relays[client] = self.server
        return client


def answer_to(data: bytes) -> Response:
    """What the device says, as it comes from the parser."""
    asked = parse(data)
    assert isinstance(asked, Request)
    made = parse(response_bytes(asked, 200, b"dev%08x" % next(TAGS), ((b"Server", b"phone"),)))
    assert isinstance(made, Response)
    return made


def say(microseconds: float, what: str) -> None:
    """One line."""
    sys.stdout.write(f"{microseconds:8.2f} us  {what}\n")


def say_bytes(size: float, what: str) -> None:
    """One line."""
    sys.stdout.write(f"{size:8.0f} bytes  {what}\n")


def best(prepare: Callable[[], list[object]], run: Callable[[list[object]], None]) -> float:
    """Microseconds per item, the best of the rounds."""
    least = float("inf")
    for _ in range(ROUNDS):
        items = prepare()
        began = perf_counter()
        run(items)
        least = min(least, (perf_counter() - began) / len(items) * 1e6)
    return least

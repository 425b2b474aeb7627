"""A server in a thread for the tests of the load generator. It stores, delivers and misbehaves as configured."""

import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from tests.bench.load.wire import answer

Plan = Callable[[list[bytes]], list[bytes]]
"""What is delivered of a mailbox."""


class FakeServer:
    """A REGISTER starts the delivery of `plan` of the mailbox of the user, each after the answer to the last.

    `deaf`: the number of first datagrams that are lost.

    """

    def __init__(self, plan: Plan, deaf: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address: tuple[str, int] = self.socket.getsockname()
        self.plan = plan
        self.deaf = deaf
        self.boxes: dict[bytes, list[bytes]] = {}
        self.queues: dict[tuple[str, int], deque[bytes]] = {}
        self.serial = count()

    def serve(self) -> None:
        """Serve until an empty datagram comes."""
        while True:
            data, source = self.socket.recvfrom(65535)
            if not data:
                return
            if self.deaf:
                self.deaf -= 1
            else:
                self.take(data, source)

    def take(self, data: bytes, source: tuple[str, int]) -> None:
        """Handle a request, or the answer of a phone."""
        if data.startswith(b"MESSAGE"):
            self.boxes.setdefault(data[13:21], []).append(data)
            self.reply(data, b"202 Accepted", source)
            return
        if data.startswith(b"REGISTER"):
            self.reply(data, b"200 OK", source)
            user = data.partition(b"Contact: <sip:u")[2][:8]
            self.queues.setdefault(source, deque()).extend(self.plan(self.boxes.pop(user, [])))
        self.deliver(source)

    def reply(self, request: bytes, status: bytes, source: tuple[str, int]) -> None:
        """A final answer."""
        response = answer(request[: request.find(b"\r\n\r\n")])[0]
        self.socket.sendto(response.replace(b"200 OK", status, 1), source)

    def deliver(self, source: tuple[str, int]) -> None:
        """Send the next message, in a new transaction."""
        queue = self.queues.get(source)
        if queue:
            line, _, rest = queue.popleft().partition(b"\r\n")
            via = b"Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKf%d\r\n" % next(self.serial)
            self.socket.sendto(line + b"\r\n" + via + rest, source)


@contextmanager
def serving(plan: Plan, deaf: int = 0) -> Iterator[FakeServer]:
    """A running server."""
    server = FakeServer(plan, deaf)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", server.address)
        thread.join()
        server.socket.close()

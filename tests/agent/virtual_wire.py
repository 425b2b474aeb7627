"""VirtualWire: the port of one host on the virtual network, for datagrams or a connection to the server."""

from collections.abc import Callable
from itertools import count

from tests.agent.requests import Pieces
from tests.network.ladder import Address
from tests.network.wires import End, Wires

Send = Callable[[bytes], None]
# Called with each received message, and the way back.
Hear = Callable[[bytes, Send], None]


class VirtualWire:
    """The port `address` of one host. With `is_stream` messages to the server take a connection, opened when needed."""

    def __init__(
        self, wires: Wires, address: Address, server: Address, hear: Hear, is_stream: bool = False
    ) -> None:
        self.wires = wires
        self.address = address
        self.server = server
        self.hear = hear
        self.is_stream = is_stream
        self.is_open = False
        # False: connections to the port are refused.
        self.accepts = True
        self.end: End | None = None
        self._ports = count(20000)

    @property
    def transport(self) -> str:
        return "TCP" if self.is_stream else "UDP"

    @transport.setter
    def transport(self, name: str) -> None:
        self.is_stream = name == "TCP"

    def open(self) -> None:
        """Open the port, for datagrams and, if `accepts`, for connections."""
        self.is_open = True
        self.wires.bind(self.address, self._datagram)
        if self.accepts:
            self.wires.listen(self.address, self._accept)

    def close(self) -> None:
        """Close the port and the connection."""
        self.is_open = False
        self.wires.unbind(self.address)
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connection to the server; the port stays open."""
        if self.end is not None:
            self.end.close()
            self.end = None

    def connect(self, port: int = 0) -> bool:
        """Open a connection to the server, if none is open. `port`: the source port. False when this fails."""
        if self.end is None or not self.end.is_open:
            self.end = self.wires.connect((self.address[0], port or next(self._ports)), self.server)
            if self.end is not None:
                self._accept(self.end)
        return self.end is not None

    def send(self, data: bytes) -> None:
        """Send to the server. A closed port sends nothing."""
        if not self.is_open:
            return
        if not self.is_stream:
            self.wires.datagram(self.address, self.server, data)
        elif self.connect() and self.end is not None:
            self.end.send(data)

    def _datagram(self, data: bytes, source: Address) -> None:
        self.hear(data, lambda answer: self.wires.datagram(self.address, source, answer))

    def _accept(self, end: End) -> None:
        pieces = Pieces()

        def hear(data: bytes) -> None:
            for message in pieces.feed(data):
                self.hear(message, end.send)

        end.hear = hear

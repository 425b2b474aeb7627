"""Flow: the name of the path of a message, by which answers go back (the term of RFC 5626).

Rule: pure rooms name flows; only transport/ has the sockets.
"""

from typing import Final

UDP: Final = "udp"
TCP: Final = "tcp"
TLS: Final = "tls"
WS: Final = "ws"
WSS: Final = "wss"

# How the end of a message is found: by the datagram, by Content-Length (RFC 3261 §18.3), or by the WebSocket (RFC 7118
# §4.2).
BY_DATAGRAM: Final = 0
BY_LENGTH: Final = 1
BY_WEBSOCKET: Final = 2
_FRAMING: Final = {UDP: BY_DATAGRAM, WS: BY_WEBSOCKET, WSS: BY_WEBSOCKET}


class Endpoint:
    """One listening address of this server.

    `via` is the head of our Via there, for example b"SIP/2.0/UDP 192.0.2.1:5060" (RFC 3261 §18.1.1). `via_line` is the
    whole line up to the branch, with an rport on UDP (RFC 3581 §3). `framing` is BY_DATAGRAM, BY_LENGTH or
    BY_WEBSOCKET.
    """

    __slots__ = ("framing", "host", "port", "transport", "via", "via_line")

    def __init__(self, transport: str, host: str, port: int, via: bytes) -> None:
        self.transport = transport
        self.framing = _FRAMING.get(transport, BY_LENGTH)
        self.host = host
        self.port = port
        self.via = via
        self.via_line = b"Via: %b%b;branch=" % (via, b";rport" if transport == UDP else b"")

    def __repr__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


class Flow:
    """A listening address of this server, the address of the peer, and the serial number of a stream's connection.

    `connection` is 0 on UDP. Two flows are equal when both lead over the same listener or connection to the same peer.
    """

    __slots__ = ("connection", "endpoint", "host", "port")

    def __init__(self, endpoint: Endpoint, host: str, port: int, connection: int = 0) -> None:
        self.endpoint = endpoint
        self.host = host
        self.port = port
        self.connection = connection

    @property
    def transport(self) -> str:
        """`udp`, `tcp`, `tls`, `ws` or `wss`."""
        return self.endpoint.transport

    @property
    def is_reliable(self) -> bool:
        """True on streams: no retransmission timers there (RFC 3261 §17)."""
        return self.connection != 0

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Flow)
            and self.port == other.port
            and self.host == other.host
            and self.connection == other.connection
            and self.endpoint is other.endpoint
        )

    def __hash__(self) -> int:
        return hash((self.host, self.port, self.connection))

    def __repr__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        tail = f"#{self.connection}" if self.connection else ""
        return f"{self.endpoint!r}>{host}:{self.port}{tail}"

"""Flow: the path a message came by and an answer goes back on, without a socket in sight (RFC 5626's word).

Rule: pure rooms name flows, only `transport/` owns the sockets behind them.
"""

from typing import Final

UDP: Final = "udp"
TCP: Final = "tcp"


class Endpoint:
    """One address that we listen on.

    `via` is the head of our Via there, e.g. b"SIP/2.0/UDP 192.0.2.1:5060" (RFC 3261 §18.1.1).
    """

    __slots__ = ("host", "port", "transport", "via")

    def __init__(self, transport: str, host: str, port: int, via: bytes) -> None:
        self.transport = transport
        self.host = host
        self.port = port
        self.via = via

    def __repr__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


class Flow:
    """An endpoint of ours, the peer's address, and for streams the serial number of the connection.

    `connection` is 0 on UDP. Two flows are equal when bytes sent on either leave on the same path.
    """

    __slots__ = ("connection", "endpoint", "host", "port")

    def __init__(self, endpoint: Endpoint, host: str, port: int, connection: int = 0) -> None:
        self.endpoint = endpoint
        self.host = host
        self.port = port
        self.connection = connection

    @property
    def transport(self) -> str:
        """`udp` or `tcp`."""
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

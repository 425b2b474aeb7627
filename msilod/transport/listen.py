"""Listen: parses addresses to listen on: `udp:ADDR:PORT`, IPv6 in brackets, port 0 for any free port (msilod(8)).

Rule: pure; the texts of ValueError are for the operator. The configuration prints the text in one line.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final

TRANSPORTS: Final = ("udp", "tcp", "tls", "ws", "wss")
# Transports with a certificate.
SECURE: Final = ("tls", "wss")


@dataclass(frozen=True, slots=True)
class ListenSpec:
    """The address of a listener: transport, host, port."""

    transport: str
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """True when only programs on this machine can reach the listener."""
        return ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


def parse_spec(text: str) -> ListenSpec:
    """`udp:127.0.0.1:5060`. Raises ValueError."""
    transport, colon, address = text.partition(":")
    if not colon or transport not in TRANSPORTS:
        raise ValueError(f"{text!r} is no listener; write udp:ADDR:PORT, or tcp:, tls:, ws:, wss:")
    return parse_address(transport, address)


def parse_address(transport: str, text: str) -> ListenSpec:
    """`127.0.0.1:5060` or `[::1]:5060`. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address must be in brackets, [::1]:5060")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{text!r}: must be ADDR:PORT, with the port from 0 to 65535")
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise ValueError(f"{text!r}: {host!r} is no IP address") from error
    return ListenSpec(transport, host, int(port))

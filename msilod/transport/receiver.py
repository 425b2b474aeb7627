"""What transports tell the daemon. Plain methods, called on the trio thread, never awaited."""

from typing import Protocol

from msilod.errors import MalformedMessage
from msilod.sip.flow import Flow


class Receiver(Protocol):
    """The daemon's side."""

    def receive(self, data: bytes, flow: Flow) -> None:
        """One datagram, or one whole message of a stream."""

    def noise(self, flow: Flow) -> None:
        """A datagram that is no message: a keep-alive, STUN, or bytes that are nothing."""

    def after_batch(self) -> None:
        """What had arrived has been received."""

    def malformed(self, error: MalformedMessage, flow: Flow) -> None:
        """A stream that cannot go on; it is closed after this."""

    def unreachable(self, branch: bytes, host: str, port: int) -> None:
        """ICMP came back for a request of this branch (RFC 3261 §18.4)."""

    def broken(self, error: Exception, flow: Flow) -> None:
        """Something went wrong that nobody foresaw; the connection is closed after this."""

    def closed(self, flow: Flow) -> None:
        """A connection has ended; told once."""

    def is_needed(self, flow: Flow) -> bool:
        """True while a binding came by this connection: it is kept although it is idle."""
        ...

"""Receiver: the calls from the transports to the daemon. Plain methods, called on the trio thread, never awaited."""

from typing import Protocol

from msilod.errors import MalformedMessage
from msilod.sip.flow import Flow


class Receiver(Protocol):
    """Implemented by the daemon."""

    def receive(self, data: bytes, flow: Flow) -> None:
        """One datagram, or one whole message of a stream."""

    def noise(self, flow: Flow) -> None:
        """A datagram that is no message: a keep-alive, a STUN message, or unknown bytes."""

    def after_batch(self) -> None:
        """All bytes that had arrived have been received."""

    def malformed(self, error: MalformedMessage, flow: Flow) -> None:
        """A stream has sent bytes that cannot be framed. The stream is closed after this call."""

    def unreachable(self, branch: bytes, host: str, port: int) -> None:
        """ICMP came back for a request of this branch (RFC 3261 §18.4)."""

    def broken(self, error: Exception, flow: Flow) -> None:
        """An unexpected error occurred. The connection is closed after this call."""

    def closed(self, flow: Flow) -> None:
        """A connection has ended. Called once."""

    def is_needed(self, flow: Flow) -> bool:
        """True while a binding was registered over this connection: the connection is kept although idle."""
        ...

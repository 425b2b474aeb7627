"""ServerTransaction: one request that came in, and the answers to it (RFC 3261 §17.2)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msilod.sip.flow import Flow
from msilod.sip.message import Request, Response
from msilod.transaction.tables import State

if TYPE_CHECKING:
    from msilod.transaction.servers import ServerTransactions


class ServerTransaction:
    """`last` is the last response as sent. The user answers with `respond` or `forward`, once finally."""

    __slots__ = ("flow", "interval", "key", "last", "layer", "request", "state")

    def __init__(
        self, layer: "ServerTransactions", request: Request, flow: Flow, key: bytes, state: State
    ) -> None:
        self.layer = layer
        self.request = request
        self.flow = flow
        self.key = key
        self.state = state
        self.last = b""
        self.interval = 0.0

    @property
    def is_answered(self) -> bool:
        """True from the final response on."""
        return self.state is not State.TRYING and self.state is not State.PROCEEDING

    def respond(
        self, status: int, now: float, to_tag: bytes = b"", headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """An answer of our own; without `to_tag` it gets the stateless tag (RFC 3261 §8.2.6.2, §8.2.7)."""
        self.layer.respond(self, status, now, to_tag, headers)

    def forward(self, response: Response, now: float) -> None:
        """A response from downstream, its top Via the request's own (§16.7 step 9)."""
        self.layer.forward(self, response, now)

    def __repr__(self) -> str:
        return f"<ServerTransaction {self.request.method!r} {self.state.name}>"

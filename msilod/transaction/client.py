"""ClientTransaction: one request that went out on one branch (RFC 3261 §17.1)."""

from typing import Final, Protocol

from msilod.sip.flow import Flow
from msilod.sip.message import Request, Response
from msilod.transaction.tables import State


class ClientOwner(Protocol):
    """Who hears of the end."""

    def on_response(self, transaction: "ClientTransaction", response: Response, now: float) -> None:
        """A provisional or final response, our Via taken off."""

    def on_limit(self, transaction: "ClientTransaction", now: float) -> None:
        """The branch limit passed without a final answer (INVITE: without any); it lives on."""

    def on_timeout(self, transaction: "ClientTransaction", now: float) -> None:
        """Timer B or F."""

    def on_transport_error(self, transaction: "ClientTransaction", now: float) -> None:
        """It could not be sent, or ICMP came back, or the connection closed."""


class _Nobody:
    """Owner of the CANCELs that the layer sends itself, and of what has ended."""

    def on_response(self, transaction: "ClientTransaction", response: Response, now: float) -> None:
        """The INVITE's own response says what became of it."""

    def on_limit(self, transaction: "ClientTransaction", now: float) -> None:
        """None was set."""

    def on_timeout(self, transaction: "ClientTransaction", now: float) -> None:
        """The INVITE's timers go on."""

    def on_transport_error(self, transaction: "ClientTransaction", now: float) -> None:
        """Likewise."""


NOBODY: Final = _Nobody()


class ClientTransaction:
    """`data` is the request as sent; `limit_at` 0.0 when there is no branch limit, or it has fired."""

    __slots__ = (
        "branch", "cancel_wanted", "data", "due", "flow", "interval", "limit_at", "owner", "request", "started",
        "state",
    )  # fmt: skip

    def __init__(
        self, request: Request, flow: Flow, owner: ClientOwner, branch: bytes, started: float, state: State
    ) -> None:
        self.request = request
        self.flow = flow
        self.owner = owner
        self.branch = branch
        self.started = started
        self.state = state
        self.data = b""
        self.interval = 0.0
        self.due = 0.0
        self.limit_at = 0.0
        self.cancel_wanted = False

    def leave_owner(self) -> ClientOwner:
        """The owner, one last time. Owners know their transactions: what has ended must not make a ring of them,
        or the collector would have to find each (it cost half the relays).
        """
        owner, self.owner = self.owner, NOBODY
        return owner

    def __repr__(self) -> str:
        return f"<ClientTransaction {self.branch!r} {self.state.name}>"

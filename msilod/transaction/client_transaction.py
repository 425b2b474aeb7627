"""ClientTransaction: one request sent on one branch (RFC 3261 §17.1)."""

from typing import Protocol

from msilod.sip.flow import Flow
from msilod.sip.message import Request, Response
from msilod.transaction.tables import ICT, NICT, Machine, State
from msilod.transaction.timers import T1


class ClientOwner(Protocol):
    """The receiver of the events of a client transaction.

    A final response, `on_timeout` or `on_transport_error` is the end of a transaction.
    """

    def on_response(self, transaction: "ClientTransaction", response: Response, now: float) -> None:
        """A provisional or final response came; our Via is removed, so the response can be forwarded.

        For an INVITE each 2xx is passed, also a retransmitted one (RFC 6026 §7.2).
        """

    def on_limit(self, transaction: "ClientTransaction", now: float) -> None:
        """The branch limit passed without a final answer (INVITE: without any answer). The transaction goes on.

        This method may set `limit_at` once more.
        """

    def on_timeout(self, transaction: "ClientTransaction", now: float) -> None:
        """Timer B or F fired. The owner treats the timeout as a 408 (RFC 3261 §8.1.3.1)."""

    def on_transport_error(self, transaction: "ClientTransaction", now: float) -> None:
        """Sending failed, an ICMP error came, or the connection closed. The owner treats the error as a 503."""


class ClientTransaction:
    """The state of one client transaction. `started` is in monotonic seconds; `request` has our Via on top.

    `branch` is the key of the transaction. A CANCEL has the branch of its INVITE, so its key has a prefix (key.py).
    `data` are the bytes for Timer A or E, b"" on streams. `alarm` is the next deadline; all other deadlines in the
    queues for this branch are void. `resend_at` and `interval` belong to Timer A or E. `limit_at` is 0.0 without a
    branch limit and after the limit.
    """

    __slots__ = (
        "alarm", "branch", "data", "flow", "interval", "limit_at", "machine", "owner", "request", "resend_at",
        "started", "state", "wants_cancel",
    )  # fmt: skip

    def __init__(
        self, request: Request, flow: Flow, owner: ClientOwner, branch: bytes, started: float
    ) -> None:
        self.request = request
        self.flow = flow
        self.owner = owner
        self.branch = branch
        self.started = started
        self.machine: Machine = ICT if request.method == b"INVITE" else NICT
        self.state = self.machine.initial
        self.data = b""
        self.interval = T1
        self.alarm = self.resend_at = started + T1
        self.limit_at = 0.0
        self.wants_cancel = False

    @property
    def is_silent(self) -> bool:
        """True when no response has come so far, not even a 100."""
        return self.state < State.PROCEEDING

    def __repr__(self) -> str:
        return f"<{self.machine!r} {self.request.method!r} {self.branch!r} {self.state.name} {self.flow!r}>"

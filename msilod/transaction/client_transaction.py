"""ClientTransaction: one request that went out on one branch (RFC 3261 §17.1)."""

from typing import Protocol

from msilod.sip.flow import Flow
from msilod.sip.message import Request, Response
from msilod.transaction.tables import ICT, NICT, Machine, State
from msilod.transaction.timers import T1


class ClientOwner(Protocol):
    """Who hears what became of a request. One of the last two calls, or a final response, is the end."""

    def on_response(self, transaction: "ClientTransaction", response: Response, now: float) -> None:
        """A provisional or final response, ready to be forwarded: our Via is taken off.

        Of an INVITE each 2xx, its copies included (RFC 6026 §7.2).
        """

    def on_limit(self, transaction: "ClientTransaction", now: float) -> None:
        """The branch limit has passed without a final answer (INVITE: without any). It goes on living.

        `limit_at` may be set once more in here.
        """

    def on_timeout(self, transaction: "ClientTransaction", now: float) -> None:
        """Timer B or F: to be treated as a 408 (RFC 3261 §8.1.3.1)."""

    def on_transport_error(self, transaction: "ClientTransaction", now: float) -> None:
        """It could not be sent, ICMP came back, or the connection closed: to be treated as a 503."""


class ClientTransaction:
    """`started` in monotonic seconds; `request` has our Via on top.

    `branch` names it among the living; a CANCEL of ours, which shares that of its INVITE, has a word before.
    `data` is what Timer A or E sends again, on streams nothing. `alarm` is the one deadline that counts, of
    all that wait for this branch; `resend_at` and `interval` belong to Timer A or E. `limit_at` is 0.0
    without a branch limit and when it has passed.
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
        """True when nothing has come back so far, not even a 100."""
        return self.state < State.PROCEEDING

    def __repr__(self) -> str:
        return f"<{self.machine!r} {self.request.method!r} {self.branch!r} {self.state.name} {self.flow!r}>"

"""The notice "user is offline" (msilo's `registrar` parameter), sent once to a sender we can reach.

Rules: off unless [silo] registrar is set; told at most once an hour per pair, only for text that a person
wrote; a notice is sent once and what becomes of it is nobody's business; it never enters the silo.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from msilod.errors import MsilodError
from msilod.proxy.forwarding import branch_for
from msilod.proxy.target_set import Target, target_set
from msilod.silo.notice import NoticeMemory, build_notice, may_notify
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.sip.message import Request, Response
from msilod.transaction.client import ClientTransaction
from msilod.transaction.server import ServerTransaction

if TYPE_CHECKING:
    from msilod.daemon.server import Server


class Notices:
    """Tells senders. Also the owner of the notices' client transactions, which it does not listen to."""

    def __init__(self, server: "Server", policy: SiloPolicy, random: Callable[[], bytes]) -> None:
        self.server = server
        self.policy = policy
        self.random = random
        self.memory = NoticeMemory()

    def stored(self, transaction: ServerTransaction, row: StoredMessage, now: float) -> None:
        """A MESSAGE was stored: tell its sender, if he is to be told."""
        if not self.policy.registrar:
            return
        wall = self.server.clock.wall()
        request = transaction.request
        if may_notify(request, row.sender, row.aor, self.policy, self.memory, wall):
            self._tell(request, row, wall, now)

    def _tell(self, request: Request, row: StoredMessage, wall: float, now: float) -> None:
        try:
            for target in self._targets(row.sender, wall):
                call_id, tag = self.random() + b"@msilod", self.random()
                notice = build_notice(request.from_.uri, row.aor, self.policy, wall, call_id, tag)
                self._send(notice, target, now)
        except MsilodError:
            self.server.counters.dropped += 1

    def _targets(self, sender: str, wall: float) -> list[Target]:
        """The sender's contacts; or the next hop, which is asked to find them."""
        if self.policy.next_hop:
            return [Target(f"sip:{sender}", path=(self.policy.next_hop,))]
        sender = self.server.myself.canonical(sender)
        usable = [b for b in self.server.location.bindings(sender, wall) if b.takes_messages]
        return target_set(usable)

    def _send(self, notice: Request, target: Target, now: float) -> None:
        flow = self.server.paths.flow_to(target)
        if flow is None:
            return
        if not self.policy.next_hop:
            notice.uri = target.uri.encode("ascii", "replace")
        self.server.counters.notices += 1
        self.server.layer.request(notice, flow, self, now, branch_for(self.random(), b""))

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Whatever it says."""

    def on_limit(self, transaction: ClientTransaction, now: float) -> None:
        """None was set."""

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        """The sender has gone."""

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        """Likewise."""

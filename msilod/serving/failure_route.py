"""The failure route: what becomes of a request that no registered contact took (SER's failure_route[]).

For a MESSAGE the policy says Store, and the decision table (checklist §3.4) whether the answers allow it: a
6xx and the verdicts that do not change with time go to the sender, everything else into the silo. A branch
that is still alive then is the row's attempt: its late 2xx ends the row, its late 6xx rejects it (law 2).
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from msilod.clock import Clock
from msilod.delivering.deliverer import Deliverer
from msilod.delivering.online_attempts import OnlineAttempts
from msilod.errors import SipError
from msilod.keeping.storing import Storing, answer_by
from msilod.proxy.target_set import Target
from msilod.registrar.binding import contact_key
from msilod.relaying.fork import Fork
from msilod.routing.actions import Action, Break, Relay, Store
from msilod.routing.policy import PolicyInForce
from msilod.serving.actions import Actions
from msilod.serving.incoming import Incoming
from msilod.silo.runs.decision_table import Outcome, combine
from msilod.silo.runs.online_outcome import OnlineEnd
from msilod.silo.stored_message import StoredMessage
from msilod.transaction.server_transaction import ServerTransaction

# How often a policy may send one request on before that is a loop.
MAX_RELAYS: Final = 8


class FailureRoutes:
    """Makes the failure route of each fork."""

    __slots__ = ("_policy", "actions", "clock", "deliverer", "online", "overdue", "storing")

    def __init__(
        self,
        policy: PolicyInForce,
        actions: Actions,
        storing: Storing,
        online: OnlineAttempts,
        deliverer: Deliverer,
        clock: Clock,
    ) -> None:
        self._policy = policy
        self.actions = actions
        self.storing = storing
        self.online = online
        self.deliverer = deliverer
        self.overdue = deliverer.overdue
        self.clock = clock

    def of_message(self, incoming: Incoming, aor: str) -> "FailureRoute":
        """The failure route of a fork of anything but an INVITE, by the policy of now. `aor`: as FailureRoute's."""
        return FailureRoute(self, self._policy, incoming, aor)

    def call_failed(
        self, incoming: Incoming, status: int, give_best: Callable[[float], None], now: float
    ) -> None:
        """The failure route of an INVITE: it may be sent on, or be answered in other words."""
        try:
            action = self._policy.policy.failure_route(incoming, status)
            if isinstance(action, Break) or (isinstance(action, Relay) and incoming.relays >= MAX_RELAYS):
                give_best(now)
            else:
                self.actions.act(incoming, action, now)
        except SipError as error:
            incoming.transaction.respond(error.status, now, headers=error.headers)


def _refuse(transaction: ServerTransaction, error: SipError, now: float) -> None:
    if not transaction.is_answered:
        transaction.respond(error.status, now, headers=error.headers)


class FailureRoute:
    """The failure route of one fork; `aor` is whose contacts were tried, "" for somebody elsewhere."""

    __slots__ = (
        "aor",
        "arrived",
        "delivered",
        "fork",
        "incoming",
        "policy",
        "refusal",
        "refused",
        "routes",
        "row",
        "silent_branches",
    )

    def __init__(self, routes: FailureRoutes, policy: PolicyInForce, incoming: Incoming, aor: str) -> None:
        self.routes = routes
        self.policy = policy.policy
        self.incoming = incoming
        self.aor = aor
        self.arrived = incoming.arrived
        self.fork: Fork | None = None
        self.row: StoredMessage | None = None
        self.delivered = self.refused = 0
        self.silent_branches: list[bytes] = []
        self.refusal: Callable[[float], None] | None = None

    def failed(self, fork: Fork, status: int, now: float) -> None:
        """No branch took it: ask the policy."""
        self.fork = fork
        try:
            self._act(fork, self.policy.failure_route(self.incoming, status), now)
        except SipError as error:
            refuse = partial(_refuse, fork.server, error)
            silo = self.routes.storing
            if silo.may_wait and self.not_stored(refuse):
                size = self.incoming.message.size
                silo.refuse_later(refuse, answer_by(self.routes.clock.wall() - self.arrived, now), size)
            else:
                refuse(now)

    def _act(self, fork: Fork, action: Action, now: float) -> None:
        incoming = self.incoming
        if isinstance(action, Store):
            if self._is_kept(fork):
                if action.uri:
                    incoming.new_uri = action.uri.encode()
                self.routes.storing.store(incoming, action.mode, action.next_hop, now, self)
            else:
                fork.give_best(now)
        elif isinstance(action, Break) or (isinstance(action, Relay) and incoming.relays >= MAX_RELAYS):
            fork.give_best(now)
        else:
            self.routes.actions.act(incoming, action, now)

    def _is_kept(self, fork: Fork) -> bool:
        ends = [(end.status, end.retry_after) for end in fork.ends]
        return combine(ends, bool(fork.server.request.to.tag))[0] is Outcome.KEEP

    def storing(self, row: StoredMessage) -> None:
        """The row is about to be stored: it is told what became of its first attempt."""
        if self.fork is not None and row.aor == self.aor:
            self.routes.online.mark_failed(row, self.fork.ends)

    def stored(self, row: StoredMessage, now: float) -> None:
        """The row is durable and the sender has his 202."""
        self.row = row
        for branch in self.silent_branches:
            self.routes.overdue.add(branch, row)
        online = self.routes.online
        if self.delivered:
            online.delivered_late(row, self.delivered, now)
            return
        if self.refused:
            online.rejected_late(row, self.refused, now)
            return
        if row.aor != self.aor:
            # Those of somebody else were tried, where the policy sent it; they say nothing of this recipient's.
            self.routes.deliverer.stored(row, now)
            return
        assert self.fork is not None
        live = {contact_key(target.binding) for target in self.fork.live.values() if target.binding}
        online.stored_after_failure(row, self.fork.ends, live, now)

    def not_stored(self, refuse: Callable[[float], None]) -> bool:
        """The silo does not keep it. While a branch lives the sender is better off with its 2xx than with a refusal."""
        if self.fork is None or not self.fork.live:
            return False
        self.refusal = refuse
        return True

    def silent(self, branch: bytes) -> None:
        """A 2xx that still comes for that branch ends the row (overdue.py)."""
        if self.row is not None:
            self.routes.overdue.add(branch, self.row)
        else:
            self.silent_branches.append(branch)

    def taken(self, fork: Fork) -> None:
        """A contact took it; what the others said before holds for the messages to come."""
        self.routes.online.heard(self.aor, fork.ends)

    def late(self, fork: Fork, target: Target, status: int, now: float) -> None:
        """A branch ended after the sender was answered; status 0: without an answer."""
        online = self.routes.online
        if 200 <= status < 300:
            self.delivered = status
            if self.row is not None:
                online.delivered_late(self.row, status, now)
        elif status >= 600:
            self.refused = status
            if self.refusal is not None:
                fork.server.respond(status, now)
            if self.row is not None:
                online.rejected_late(self.row, status, now)
        elif status:
            online.heard(self.aor, [OnlineEnd(status, None, target.binding)])
        if self.refusal is not None and not self.delivered and not fork.live:
            # The last one that could have taken it; after a 2xx the fork has answered.
            self.refusal(now)
        if self.row is not None and target.binding is not None:
            online.free(self.row, contact_key(target.binding), status == 0, now)

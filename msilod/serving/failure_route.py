"""Failure route: decides about a request that no registered contact took (SER's failure_route[]).

For a MESSAGE the policy returns Store, and the decision table (silo/runs/decision_table.py) tells whether the answers
allow storing: a 6xx and answers that do not change with time go to the sender, and all others lead to the silo. A
branch still alive at that time is the first attempt of the stored row: a late 2xx ends the row, a late 6xx rejects the
row (law 2).
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
from msilod.silo.runs.overdue import Overdue
from msilod.silo.stored_message import StoredMessage
from msilod.transaction.server_transaction import ServerTransaction

# Limit for a policy that relays one request again and again.
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
        overdue: Overdue,
        clock: Clock,
    ) -> None:
        self._policy = policy
        self.actions = actions
        self.storing = storing
        self.online = online
        self.deliverer = deliverer
        self.overdue = overdue
        self.clock = clock

    def of_message(self, incoming: Incoming, aor: str) -> "FailureRoute":
        """The failure route of a non-INVITE fork, by the current policy. `aor`: see FailureRoute."""
        return FailureRoute(self, self._policy, incoming, aor)

    def call_failed(
        self, incoming: Incoming, status: int, give_best: Callable[[float], None], now: float
    ) -> None:
        """Run the failure route of an INVITE: relay the INVITE again, or choose the answer."""
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
    """The failure route of one fork. `aor`: the AOR whose contacts were tried, "" for a foreign target."""

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
        """All branches failed: ask the policy."""
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
        """Called before a row is stored: note the result of the first attempt in the row."""
        if self.fork is not None and row.aor == self.aor:
            self.routes.online.mark_failed(row, self.fork.ends)

    def stored(self, row: StoredMessage, now: float) -> None:
        """The row is durable and the sender has the 202."""
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
            # The policy sent the request to contacts of another AOR. Their answers say nothing about this recipient.
            self.routes.deliverer.stored(row, now)
            return
        assert self.fork is not None
        live = {contact_key(target.binding) for target in self.fork.live.values() if target.binding}
        online.stored_after_failure(row, self.fork.ends, live, now)

    def not_stored(self, refuse: Callable[[float], None]) -> bool:
        """The silo refused the message. While a branch is alive, a 2xx may still come, so the refusal waits."""
        if self.fork is None or not self.fork.live:
            return False
        self.refusal = refuse
        return True

    def silent(self, branch: bytes) -> None:
        """A later 2xx for the branch ends the row (overdue.py)."""
        if self.row is not None:
            self.routes.overdue.add(branch, self.row)
        else:
            self.silent_branches.append(branch)

    def taken(self, fork: Fork) -> None:
        """A contact took the message. The failures of other contacts are noted for later messages."""
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
            # The last live branch has failed. After a 2xx the fork has answered already.
            self.refusal(now)
        if self.row is not None and target.binding is not None:
            online.free(self.row, contact_key(target.binding), status == 0, now)

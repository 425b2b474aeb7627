"""Forwarder: forwards a request to its target set, with a fork for the branches (RFC 3261 §16.5 to §16.8).

fork.py decides about the ends of the branches; for an INVITE invite_fork.py does.
"""

from collections.abc import Sequence

from msilod.counters import Counters
from msilod.proxy.forwarding import share_of_breadth
from msilod.proxy.target_set import Target, q_groups
from msilod.relaying.fork import Fork
from msilod.relaying.invite_fork import InviteFork
from msilod.relaying.sender import Sender
from msilod.transaction.server_transaction import ServerTransaction


class Forwarder:
    """Forks requests. `invites` are the forks of INVITEs that have not ended."""

    def __init__(self, sender: Sender, counters: Counters) -> None:
        self.sender = sender
        self.counters = counters
        self.invites: dict[ServerTransaction, InviteFork] = {}

    def relay(
        self, server: ServerTransaction, targets: Sequence[Target], aor: str, user: str | None
    ) -> Fork | InviteFork:
        """t_relay(): make a fork to all of `targets`. The caller sets the failure route and calls `begin`.

        `user` has shown a password. Raises RequestRefused 440, MalformedMessage.
        """
        self.counters.relayed_requests += 1
        if server.request.method != b"INVITE":
            return Fork(
                self.sender, server, targets, aor, share_of_breadth(server.request, len(targets)), user
            )
        groups = q_groups(targets)
        breadth = share_of_breadth(server.request, max(map(len, groups)))
        fork = self.invites[server] = InviteFork(
            self.sender, self.invites, server, groups, aor, breadth, user
        )
        return fork

    def cancel(self, invite: ServerTransaction, now: float) -> None:
        """§16.10: cancel the branches of an INVITE, and answer the INVITE when no branch rings."""
        fork = self.invites.get(invite)
        if fork is not None:
            fork.cancel(now)

    def check_timer_c(self, now: float) -> None:
        """Check Timer C of all INVITEs. Called once a second, which is enough for three minutes."""
        for fork in list(self.invites.values()):
            fork.check_timer_c(now)

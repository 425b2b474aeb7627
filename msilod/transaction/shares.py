"""What live transactions may hold of memory: in all, and those of one sender.

A request is kept until its transaction ends, with a copy for each branch that leaves by UDP: 32 s when nobody answers,
185 s when a phone rings. One user with a password, and a phone that is silent, could so hold gigabytes.

Nothing is counted while a request passes. A request that is large, or that comes while many are live, is asked about
here. Then the live transactions are counted: once a second, or sooner when much has come. What deliveries of the silo
hold is bounded by the runs, and is not counted.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msilod.sip.flow import Flow
from msilod.sip.message import Request
from msilod.transaction.client_transaction import ClientTransaction
from msilod.transaction.server_transaction import ServerTransaction

# Octets of a request beyond which it is asked about, and the number of live requests beyond which all are.
LARGE: Final = 4_096
MANY: Final = 5_000
# Bytes: of one sender, and of all. Beyond the latter only senders of little get more.
MOST_OF_SENDER: Final = 24_000_000
MOST_IN_ALL: Final = 160_000_000
LITTLE: Final = 1_000_000
# Bytes of a transaction beside the message that it keeps.
SERVER: Final = 2_000
CLIENT: Final = 1_500
# When to count again: after so many seconds or octets. A transaction takes 0.5 us to count, so the more there are the
# later.
EVERY: Final = 1.0
PER_SECOND: Final = 20_000
AFTER: Final = 8_000_000

# The sender of a request as one name, "" for one without a share of its own. Without a flow: by its From alone.
SenderOf = Callable[[Request, Flow | None], str]


def _host(request: Request, flow: Flow | None) -> str:
    return flow.host if flow is not None else ""


class Shares:
    """`servers` and `clients` are the live transactions of both kinds, by key; `max_servers` bounds the former."""

    def __init__(self, servers: Mapping[bytes, ServerTransaction], max_servers: int) -> None:
        self._servers = servers
        self._max = max_servers
        self.clients: Mapping[bytes, ClientTransaction] = {}
        self.sender_of: SenderOf = _host
        self._full: frozenset[str] = frozenset()
        self._next_count = 0.0
        self._since = 0
        self._after = AFTER

    def has_room(self, request: Request, flow: Flow, now: float) -> bool:
        """False when the sender of `request`, or all senders together, hold too much. `now` never decreases."""
        if len(self._servers) >= self._max:
            return False
        self._since += request.size
        if now >= self._next_count or self._since >= self._after:
            self._count(now)
        if not self._full:
            return True
        if self.sender_of(request, flow) in self._full:
            return False
        # What a sender without a name has on its branches is counted under no name.
        return "" not in self._full or bool(self.sender_of(request, None))

    def _count(self, now: float) -> None:
        sums: dict[str, int] = {}
        for server in self._servers.values():
            name = self.sender_of(server.request, server.flow)
            sums[name] = sums.get(name, 0) + server.request.size + SERVER
        for client in self.clients.values():
            if client.request.received:
                name = self.sender_of(client.request, None)
                sums[name] = sums.get(name, 0) + len(client.data) + CLIENT
        is_crowded = sum(sums.values()) > MOST_IN_ALL
        most = LITTLE if is_crowded else MOST_OF_SENDER
        self._full = frozenset([name for name, held in sums.items() if held > most and (name or is_crowded)])
        live = len(self._servers) + len(self.clients)
        self._next_count = now + max(EVERY, live / PER_SECOND)
        self._since, self._after = 0, max(AFTER, 200 * live)

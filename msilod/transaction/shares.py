"""MemoryShares: bounds the memory of live transactions, in all and for each sender.

A request is kept until its transaction ends, with a copy for each branch on UDP: 32 s without an answer, 185 s while a
phone rings. Without a bound, one user with a password and a silent phone could fill gigabytes.

A passing request costs no counting. `has_room` is called only for large requests, and for all requests while many
transactions are live. The live transactions are then counted once a second, or sooner after many octets. Deliveries of
the silo are not counted, since the runs bound these.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msilod.sip.flow import Flow
from msilod.sip.message import Request
from msilod.transaction.client_transaction import ClientTransaction
from msilod.transaction.server_transaction import ServerTransaction

# `has_room` is called for requests with more octets than LARGE, and for all requests above MANY live transactions.
LARGE: Final = 4_096
MANY: Final = 5_000
# Bytes for one sender, and for all. Above MOST_IN_ALL only senders with less than LITTLE have room.
MOST_OF_SENDER: Final = 24_000_000
MOST_IN_ALL: Final = 160_000_000
LITTLE: Final = 1_000_000
# Bytes of a transaction without the kept message.
SERVER: Final = 2_000
CLIENT: Final = 1_500
# Seconds and octets between two counts. Counting a transaction takes 0.5 us, so the interval grows with the number.
EVERY: Final = 1.0
PER_SECOND: Final = 20_000
AFTER: Final = 8_000_000

# Returns the name of the sender of a request, "" for a sender without a share. Without a flow, only From is used.
SenderOf = Callable[[Request, Flow | None], str]


def _host(request: Request, flow: Flow | None) -> str:
    return flow.host if flow is not None else ""


class MemoryShares:
    """Sums up the memory of each sender. `servers` are the live server transactions by key, at most `max_servers`.

    `clients` are the live client transactions by key.
    """

    def __init__(self, servers: Mapping[bytes, ServerTransaction], max_servers: int) -> None:
        self._servers = servers
        self._max = max_servers
        self.clients: Mapping[bytes, ClientTransaction] = {}
        self.sender_of: SenderOf = _host
        self._full: frozenset[str] = frozenset()
        self._next_count = 0.0
        self._since = 0
        self._after = AFTER

    @property
    def live_servers(self) -> int:
        """Live server transactions."""
        return len(self._servers)

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
        # Branches of a sender without a name are counted under "".
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

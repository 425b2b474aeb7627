"""Fruitless: finds the sources with too much useless traffic, whose datagrams are then dropped unread for a while.

Useless are a request that is refused before authentication, bytes that are not a message, and a response without a
transaction. To parse and refuse one costs 30 to 100 us, so 20,000 of them a second would leave no time for users. A
source with more than MAX_PER_SECOND of them is shed for SHED_FOR seconds.

Datagrams of authenticated users are not counted. A port of the source with a right password lately still passes
(`Proven`), so neither a neighbour nor a forger of an address can shut out a working phone.
"""

from collections.abc import Set
from typing import Final

# Fruitless datagrams of one source in a second. A house full of phones after a power cut sends fewer.
MAX_PER_SECOND: Final = 200.0
# Seconds.
SHED_FOR: Final = 1.0
# Sources that are counted in one second, 150 bytes each. Larger numbers are forged, one datagram from each.
MAX_SOURCES: Final = 20_000
# Sources that are shed at one time. Each source is some instructions of a filter in the kernel.
MAX_SHED: Final = 64
# Ports of a shed source that still pass, each two instructions of the filter. A source with more ports is not shed.
MAX_PORTS: Final = 128
# Ports of one source that are remembered: the ports of a company or of a village behind one address.
MAX_REMEMBERED: Final = 8_192
# Sources with proven ports, 400 bytes each. The oldest are forgotten first.
MAX_PROVEN: Final = 50_000
# Ports of all sources, 100 bytes each. A user with an IPv6 network could prove one port from each address.
MAX_PORTS_IN_SUM: Final = 200_000
# Fruitless datagrams or requests in a second that are allowed to a port or a connection with a right password.
MAX_OF_USER: Final = 1_000.0
# Fruitless requests in a second of one connection without a password, and of all these connections of one source.
MAX_OF_CONNECTION: Final = 50.0
MAX_OF_CONNECTIONS: Final = 400.0
# Fruitless datagrams of all sources in a second. Beyond this number most datagrams of unknown sources are dropped.
MAX_IN_SUM: Final = 1_000.0
# Seconds after which a port may be forgotten: a phone registers at least once an hour.
PROVEN_FOR: Final = 3_600.0

# The weight of a response or a keep-alive: cheaper to refuse, and sometimes late without a fault of the sender.
LITTLE: Final = 0.2


class Fruitless:
    """Counts of this second by source. `now` is monotonic seconds. `shed` has the shed sources and the end of the
    shedding.
    """

    __slots__ = ("_counts", "_second", "shed")

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}
        self._second = 0
        self.shed: dict[str, float] = {}

    def count(self, source: str, now: float, weight: float) -> bool:
        """Count a datagram of `source`. True when the source is now over the limit and not shed yet."""
        if int(now) != self._second:
            self._second = int(now)
            self._counts = {}
        counts = self._counts
        count = counts.get(source, 0.0) + weight
        if count == weight and len(counts) >= MAX_SOURCES:
            return False
        counts[source] = count
        return count > MAX_PER_SECOND and len(self.shed) < MAX_SHED and source not in self.shed

    def tally(self, name: str, now: float, weight: float) -> float:
        """Count for a `name` that is not a source. Returns the count of this second, 0.0 when the table is full."""
        if int(now) != self._second:
            self._second = int(now)
            self._counts = {}
        count = self._counts.get(name, 0.0) + weight
        if count == weight and len(self._counts) >= MAX_SOURCES:
            return 0.0
        self._counts[name] = count
        return count

    def shed_now(self, source: str, now: float) -> None:
        """Shed the source from now on."""
        self.shed[source] = now + SHED_FOR

    def lift(self, now: float) -> bool:
        """End the shedding of sources after their time. True when there were any."""
        over = [source for source, until in self.shed.items() if until <= now]
        for source in over:
            del self.shed[source]
            self._counts.pop(source, None)
        return bool(over)


class Proven:
    """Ports with a right password, by source, with the time. `now` is monotonic seconds."""

    __slots__ = ("_number", "_ports")

    def __init__(self) -> None:
        self._ports: dict[str, dict[int, float]] = {}
        self._number = 0

    def add(self, source: str, port: int, now: float) -> None:
        """Record a request with a right password from this port."""
        ports = self._ports.get(source)
        if ports is None:
            self._ports[source] = {port: now}
            self._number += 1
            while len(self._ports) > MAX_PROVEN or self._number > MAX_PORTS_IN_SUM:
                self._number -= len(self._ports.pop(next(iter(self._ports))))
        elif port in ports:
            ports[port] = now
        else:
            if len(ports) >= MAX_REMEMBERED:
                old = [other for other, when in ports.items() if when < now - PROVEN_FOR]
                for other in old:
                    del ports[other]
                self._number -= len(old)
            if len(ports) < MAX_REMEMBERED:
                ports[port] = now
                self._number += 1
                while self._number > MAX_PORTS_IN_SUM:
                    self._number -= len(self._ports.pop(next(iter(self._ports))))

    def remove(self, source: str, port: int) -> None:
        """Forget the port, which must show a password again."""
        if self._ports.get(source, {}).pop(port, None) is not None:
            self._number -= 1

    def sources(self) -> Set[str]:
        """The sources with a proven port."""
        return self._ports.keys()

    def knows(self, source: str) -> bool:
        """True for a source with a proven port."""
        return source in self._ports

    def ports(self, source: str) -> Set[int]:
        """The proven ports of `source`."""
        return self._ports.get(source, {}).keys()

    def has_many(self, source: str) -> bool:
        """True when the source has too many ports for a filter."""
        return len(self._ports.get(source, {})) >= MAX_PORTS

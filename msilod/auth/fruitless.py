"""Which sources send so much that leads to nothing that their datagrams are dropped unread for a while.

Fruitless are a request that is refused before authentication, bytes that are no message, and a response without a
transaction. To parse and to refuse one costs 30 to 100 us, so 20,000 of them a second would leave nothing
for users. A source that sends more than MAX_PER_SECOND of them is shed for SHED_FOR seconds.

Datagrams of authenticated users are not counted. A port of the source that has lately shown a right password is let
through meanwhile (`Proven`), so that neither a neighbour nor a forger of an address can shut out a phone that is at
work.
"""

from collections.abc import Set
from typing import Final

# Fruitless datagrams of one source in a second: a house full of phones after a power cut sends fewer.
MAX_PER_SECOND: Final = 200.0
# Seconds.
SHED_FOR: Final = 1.0
# Sources that are counted in one second, 150 bytes each. More than that are forged, one datagram from each.
MAX_SOURCES: Final = 20_000
# Sources that are shed at one time; each is some instructions of a filter in the kernel.
MAX_SHED: Final = 64
# Ports of one source that pass while it is shed, each two instructions of the filter; a source with more is not shed.
MAX_PORTS: Final = 128
# Ports of one source that are remembered: those of a company or of a village behind one address.
MAX_REMEMBERED: Final = 8_192
# Sources that have any, 400 bytes each; the oldest are forgotten first.
MAX_PROVEN: Final = 50_000
# Ports of all sources, 100 bytes each: a user with an IPv6 network could show one password from each of its addresses.
MAX_PORTS_IN_SUM: Final = 200_000
# Fruitless datagrams or requests in a second that a port or a connection may send although it has shown a password.
MAX_OF_USER: Final = 1_000.0
# Fruitless requests in a second of one connection without a password, and of all such connections of one source.
MAX_OF_CONNECTION: Final = 50.0
MAX_OF_CONNECTIONS: Final = 400.0
# Fruitless datagrams of all sources in a second, beyond which most of what strangers send is not looked at.
MAX_IN_SUM: Final = 1_000.0
# Seconds after which a port may be forgotten: a phone registers once an hour or more often.
PROVEN_FOR: Final = 3_600.0

# The weight of a response or a keep-alive: it costs less, and may be late without a fault of its sender.
LITTLE: Final = 0.2


class Fruitless:
    """Counts of this second by source. `now` is monotonic seconds. `shed` has the sources that are shed, until when."""

    __slots__ = ("_counts", "_second", "shed")

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}
        self._second = 0
        self.shed: dict[str, float] = {}

    def count(self, source: str, now: float, weight: float) -> bool:
        """Count one of `source`; True when the source has had enough and is not shed yet."""
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
        """Count one for `name`, which is no source; returns the count of this second, 0.0 when there is no room."""
        if int(now) != self._second:
            self._second = int(now)
            self._counts = {}
        count = self._counts.get(name, 0.0) + weight
        if count == weight and len(self._counts) >= MAX_SOURCES:
            return 0.0
        self._counts[name] = count
        return count

    def shed_now(self, source: str, now: float) -> None:
        """Shed it from now on."""
        self.shed[source] = now + SHED_FOR

    def lift(self, now: float) -> bool:
        """End the shedding of sources after their time; True when there were any."""
        over = [source for source, until in self.shed.items() if until <= now]
        for source in over:
            del self.shed[source]
            self._counts.pop(source, None)
        return bool(over)


class Proven:
    """Ports that have shown a right password, by source, and when. `now` is monotonic seconds."""

    __slots__ = ("_number", "_ports")

    def __init__(self) -> None:
        self._ports: dict[str, dict[int, float]] = {}
        self._number = 0

    def add(self, source: str, port: int, now: float) -> None:
        """A request with a right password came from there."""
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
        """It must show a password again."""
        if self._ports.get(source, {}).pop(port, None) is not None:
            self._number -= 1

    def sources(self) -> Set[str]:
        """Those that have a port."""
        return self._ports.keys()

    def knows(self, source: str) -> bool:
        """True for a source that has a port."""
        return source in self._ports

    def ports(self, source: str) -> Set[int]:
        """The ports of `source`."""
        return self._ports.get(source, {}).keys()

    def has_many(self, source: str) -> bool:
        """True when there are too many ports for a filter."""
        return len(self._ports.get(source, {})) >= MAX_PORTS

"""Wires: an in-memory network on trio's virtual clock, for datagrams and streams.

All chance comes from the given `random`, and all events are entries of one queue, ordered by virtual time, so a seed
always gives the same run. Datagrams are lost, doubled, delayed and thereby reordered. Streams are delayed, cut into
pieces, reset and stalled, never reordered. A host in `cut` sends and receives nothing; packets of a host in `far` take
the given seconds longer. A datagram to a closed port is reported to the sender as by ICMP.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from itertools import count
from random import Random

import trio

from tests.network.ladder import Address, Ladder

Hear = Callable[[bytes, Address], None]
Unreachable = Callable[[bytes, Address], None]
# Seconds until a stalled segment is sent again, as by TCP.
STALLED = 0.7


@dataclass(slots=True)
class Weather:
    """`loss` and `copies`: shares of all datagrams. `stray`: the share delayed by up to a second more."""

    loss: float = 0.0
    copies: float = 0.0
    stray: float = 0.0
    delay: tuple[float, float] = (0.001, 0.02)


class Timer:
    """A scheduled call of `act`, until `cancel`."""

    __slots__ = ("act",)

    def __init__(self, act: Callable[[], None]) -> None:
        self.act: Callable[[], None] | None = act

    def cancel(self) -> None:
        self.act = None


class Wires:
    """The network. `run` is the only task."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.weather = Weather()
        self.ladder = Ladder()
        self.cut: set[str] = set()
        self.far: dict[str, float] = {}
        self._ports: dict[Address, Hear] = {}
        self._listening: dict[Address, Callable[[End], object]] = {}
        self._queue: list[tuple[float, int, Timer]] = []
        self._serial = count()
        self._scope = trio.CancelScope()

    # --- time ----------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return trio.current_time()

    def after(self, seconds: float, act: Callable[[], None]) -> Timer:
        """Call `act()` after `seconds`."""
        at, timer = self.now + seconds, Timer(act)
        heappush(self._queue, (at, next(self._serial), timer))
        if at < self._scope.deadline:
            self._scope.deadline = at
        return timer

    async def run(self) -> None:
        """Call the due timers in order, until cancelled."""
        while True:
            at = self._queue[0][0] if self._queue else float("inf")
            with trio.CancelScope(deadline=at) as self._scope:
                await trio.sleep_forever()
            while self._queue and self._queue[0][0] <= self.now:
                act = heappop(self._queue)[2].act
                if act is not None:
                    act()

    # --- datagrams -----------------------------------------------------------------------------------

    def bind(self, address: Address, hear: Hear) -> None:
        """Open the UDP port: `hear` gets the datagrams to `address`."""
        self._ports[address] = hear

    def unbind(self, address: Address) -> None:
        """Close the port. Open connections stay open."""
        self._ports.pop(address, None)
        self._listening.pop(address, None)

    def datagram(
        self, source: Address, destination: Address, data: bytes, told: Unreachable | None = None
    ) -> None:
        """Send a datagram. `told` is called when the port is closed."""
        weather, random = self.weather, self.random
        if self.is_parted(source, destination) or random.random() < weather.loss:
            self.ladder.arrow(self.now, source, destination, data, "lost")
            return
        self.ladder.arrow(self.now, source, destination, data)
        for _ in range(2 if random.random() < weather.copies else 1):
            seconds = self.delay(source[0], destination[0])
            self.after(seconds, partial(self._arrive, source, destination, data, told))

    def delay(self, *hosts: str) -> float:
        """A random delay for one packet between `hosts`, in seconds, with the extra delay of hosts in `far`."""
        longer = self.random.random() if self.random.random() < self.weather.stray else 0.0
        return (
            self.random.uniform(*self.weather.delay) + longer + sum(self.far.get(host, 0) for host in hosts)
        )

    def is_parted(self, one: Address, other: Address) -> bool:
        """True when one of the hosts is cut off."""
        return not self.cut.isdisjoint((one[0], other[0]))

    def _arrive(self, source: Address, destination: Address, data: bytes, told: Unreachable | None) -> None:
        hear = self._ports.get(destination)
        if hear is not None:
            hear(data, source)
        elif told is not None:
            self.ladder.arrow(self.now, destination, source, data, "ICMP: port unreachable")
            self.after(self.delay(), partial(told, data, destination))

    # --- streams -------------------------------------------------------------------------------------

    def listen(self, address: Address, accept: Callable[["End"], object]) -> None:
        """Accept connections to `address`: `accept` gets the server's end."""
        self._listening[address] = accept

    def connect(self, source: Address, destination: Address) -> "End | None":
        """Open a connection at once. None when the port is closed or a host is cut off."""
        accept = self._listening.get(destination)
        if accept is None or self.is_parted(source, destination):
            return None
        near, far = End(self, source, destination), End(self, destination, source)
        near.other, far.other = far, near
        accept(far)
        return near


class End:
    """One end of a connection. `hear` gets received bytes; `ended` is called once when the peer has closed."""

    def __init__(self, wires: Wires, own: Address, peer: Address) -> None:
        self.wires = wires
        self.own = own
        self.peer = peer
        self.other: End | None = None
        self.is_open = True
        self.hear: Callable[[bytes], None] = _deaf
        self.ended: Callable[[], None] = _nothing
        self._next_at = 0.0
        self._under_way: deque[Callable[[], None]] = deque()

    def send(self, data: bytes) -> None:
        """Send bytes, in order and in two pieces. Bytes on a closed connection are lost."""
        if self.is_open:
            self.wires.ladder.arrow(self.wires.now, self.own, self.peer, data, "tcp")
            at = self.wires.random.randrange(len(data) + 1)
            for piece in (data[:at], data[at:]):
                if piece:
                    self._in_order(partial(self._give, piece))

    def close(self) -> None:
        """Close the connection. The peer is told after a delay."""
        if self.is_open:
            self.is_open = False
            self._in_order(self._tell_ended)

    def _in_order(self, act: Callable[[], None]) -> None:
        wires = self.wires
        self._next_at = max(self._next_at + 1e-6, wires.now + wires.delay(self.own[0], self.peer[0]))
        self._under_way.append(act)
        wires.after(self._next_at - wires.now, self._pass)

    def _pass(self) -> None:
        """Deliver the oldest segment, or try again later when a host is cut off."""
        if self.wires.is_parted(self.own, self.peer):
            self.wires.after(STALLED, self._pass)
        else:
            self._under_way.popleft()()

    def _give(self, data: bytes) -> None:
        if self.other is not None and self.other.is_open:
            self.other.hear(data)

    def _tell_ended(self) -> None:
        if self.other is not None and self.other.is_open:
            self.other.is_open = False
            self.other.ended()


def _deaf(data: bytes) -> None:
    """The default of `hear`: ignore the bytes."""


def _nothing() -> None:
    """The default of `ended`: do nothing."""

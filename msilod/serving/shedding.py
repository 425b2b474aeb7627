"""Shedding: drops requests of sources that send many requests in vain (auth/fruitless.py, auth/sparing.py).

    too many requests in vain                          effect
    datagrams of one source                            the kernel drops the source's datagrams for a second, except from
                                                       ports with a right password
    datagrams of a port with a right password          the port is dropped as well
    datagrams of all sources together                  few datagrams of sources without a right password are read
    requests on a connection, or on all of a source    the connection is closed, and new connections of the source are
    without a right password                           refused for a second
    requests on a connection with a right password     the connection is closed

Sources are shed only while the gate asks for passwords: without users there are no users to protect. `trusted`
sources, edge proxies, and loopback without [auth] limit_loopback are never shed. Where the kernel takes no filter,
the daemon reads and drops the datagrams, which costs 5 us each.
"""

from collections.abc import Callable, Iterable
from typing import Final

from msilod.auth.fruitless import (
    MAX_IN_SUM,
    MAX_OF_CONNECTION,
    MAX_OF_CONNECTIONS,
    MAX_OF_USER,
    Fruitless,
    Proven,
)
from msilod.auth.source import Sources
from msilod.auth.sparing import LONG, MANY_LONG, MANY_RESPONSES, Sparing
from msilod.auth.trust import Trust
from msilod.clock import Clock
from msilod.counters import Counters
from msilod.log import get_log
from msilod.sip.flow import Flow
from msilod.tasks import Tasks
from msilod.transport.transports import Transports
from msilod.transport.udp_filter import Strangers

# Seconds between two checks for sources to read again, and between two lines in the log.
LOOK_EVERY: Final = 0.25
WORD_EVERY: Final = 60.0
SHUN_FOR: Final = 1.0
# The weight of a response or a keep-alive without a transaction, in the sum: half the cost of a request.
HALF: Final = 0.5
_BRANCH: Final = b";branch="
# A response to our request has our branch in the first lines.
_HEAD: Final = 1_024


class Shedding:
    """The gate sets `is_active` when passwords become required or not. `now`: monotonic seconds.

    `is_awaited` tells whether a transaction waits for a response with the branch.
    """

    def __init__(
        self,
        sources: Sources,
        trust: Trust,
        transports: Transports,
        tasks: Tasks,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self.sources = sources
        self._counters = counters
        self._trust = trust
        self._transports = transports
        self._tasks = tasks
        self._now = clock.now
        self._fruitless = Fruitless()
        self._proven = Proven()
        self.is_awaited: Callable[[bytes], bool] = lambda branch: False
        self._is_active = False
        self._next_word: dict[str, float] = {}
        self._sparing: Sparing | None = None
        # Whether the kernel drops long datagrams, and whether it drops responses.
        self._drops = (False, False)
        self._known = 0
        self._has_filter = True
        self._is_looking = False
        transports.count_by(sources.of_address)

    @property
    def is_active(self) -> bool:
        """True while passwords are required."""
        return self._is_active

    @is_active.setter
    def is_active(self, is_active: bool) -> None:
        self._is_active = is_active
        self._transports.limit_strangers(is_active)

    def fruitless(self, flow: Flow, now: float, weight: float = 1.0) -> None:
        """Count a request, response or keep-alive on `flow` that led to no result."""
        if not self._is_active:
            return
        source = self.sources.of_address(flow.host)
        if not source or self._trust.trusts(flow):
            return
        if flow.connection:
            self._on_stream(flow, source, now, weight)
            return
        if self._fruitless.tally("", now, max(weight, HALF)) > MAX_IN_SUM and self._sparing is None:
            self._be_sparing(now)
        if source in self._fruitless.shed:
            self._user_sends_much(source, flow.port, now, weight)
            return
        if not self._fruitless.count(source, now, weight) or self._proven.has_many(source):
            # Dropping a source with many ports, e.g. a large NAT, would shut out users.
            return
        self._fruitless.shed_now(source, now)
        self._counters.shed_sources += 1
        self._tell("a source sends many refused requests, and is not read for a second", now, source=source)
        self._apply()

    def proven(self, flow: Flow, now: float) -> None:
        """Note that a right password came on `flow`."""
        if flow.connection:
            self._transports.prove(flow)
            return
        source = self.sources.of_address(flow.host)
        if source:
            self._proven.add(source, flow.port, now)

    def remember(self, flows: Iterable[Flow | None], now: float) -> None:
        """Note flows from which users registered before the start of this process."""
        for flow in flows:
            if flow is not None and not flow.connection:
                self.proven(flow, now)

    # --- streams -------------------------------------------------------------------------------------

    def _on_stream(self, flow: Flow, source: str, now: float, weight: float) -> None:
        count = self._fruitless.tally(f"#{flow.connection}", now, weight)
        if self._transports.is_proven(flow):
            if count > MAX_OF_USER:
                self._transports.end(flow)
            return
        in_sum = self._fruitless.tally(f"{source} streams", now, weight)
        of_all = self._fruitless.tally("streams", now, weight)
        if in_sum > MAX_OF_CONNECTIONS or of_all > MAX_IN_SUM:
            self._transports.end(flow, now + SHUN_FOR)
            self._counters.shed_sources += 1
            self._tell(
                "connections of a source send many refused requests, and are closed", now, source=source
            )
        elif count > MAX_OF_CONNECTION:
            self._transports.end(flow)

    # --- datagrams -----------------------------------------------------------------------------------

    def _user_sends_much(self, source: str, port: int, now: float, weight: float) -> None:
        """Count for a port with a right password of a shed source. Other ports are dropped already."""
        if port not in self._proven.ports(source):
            return
        if self._fruitless.tally(f"{source} {port}", now, weight) > MAX_OF_USER:
            self._proven.remove(source, port)
            self._apply()

    def _be_sparing(self, now: float) -> None:
        self._sparing = Sparing(now)
        self._tell("unknown sources send many datagrams: only some of the datagrams are read", now)
        self._apply()

    def _passes(self, host: str, port: int, data: memoryview) -> bool:
        """The guard of UDP listeners; see udp.py."""
        source = host if self._proven.knows(host) else self.sources.of_address(host)
        if not source:
            return True
        shed = self._fruitless.shed
        if shed and source in shed:
            # A datagram read before the filter was set, or without a filter in the kernel.
            return port in self._proven.ports(source)
        sparing = self._sparing
        if sparing is None or self._is_known(source, port) or self._trust.includes(host):
            return True
        if sparing.passes(len(data), self._now()) or self._is_answer(data, sparing):
            return True
        drops = (sparing.long > MANY_LONG, sparing.responses > MANY_RESPONSES)
        if drops != self._drops:
            self._drops = drops
            self._apply()
        return False

    def _is_known(self, source: str, port: int) -> bool:
        """True for a source with a right password; for a source with many ports, for a port with a right password."""
        if self._proven.has_many(source):
            return port in self._proven.ports(source)
        return self._proven.knows(source)

    def _is_answer(self, data: memoryview, sparing: Sparing) -> bool:
        """True for a response to a waiting transaction."""
        head = bytes(data[:_HEAD])
        if not head.startswith(b"SIP/2.0 "):
            return False
        sparing.responses += 1
        place = head.find(_BRANCH)
        if place < 0:
            return False
        rest = head[place + len(_BRANCH) :].partition(b"\r\n")[0]
        return self.is_awaited(rest.partition(b";")[0].partition(b",")[0].strip())

    # --- both ----------------------------------------------------------------------------------------

    def _look(self, now: float) -> bool:
        """Stop shedding sources after their time. False when no source is shed any longer."""
        is_changed = self._fruitless.lift(now)
        sparing = self._sparing
        if sparing is not None and (not self._is_active or sparing.is_over(now)):
            self._counters.shed_datagrams += sparing.left_out
            self._sparing = None
            self._drops = (False, False)
            is_changed = True
        if is_changed or (self._sparing is not None and len(self._proven.sources()) != self._known):
            self._apply()
        self._is_looking = bool(self._fruitless.shed) or self._sparing is not None
        return self._is_looking

    def _apply(self) -> None:
        shed = {source: self._proven.ports(source) for source in self._fruitless.shed}
        has_filter = self._transports.shed(shed, self._strangers() if self._sparing is not None else None)
        if self._has_filter and not has_filter:
            self._has_filter = False
            get_log().warning(
                "the kernel takes no socket filter (SO_ATTACH_FILTER): datagrams of shed sources are read"
                " and dropped, which costs more"
            )
        needs_guard = self._sparing is not None or (shed and not has_filter)
        self._transports.guard(self._passes if needs_guard else None)
        if not self._is_looking and (shed or self._sparing is not None):
            self._is_looking = True
            self._tasks.repeat(LOOK_EVERY, self._look)

    def _strangers(self) -> Strangers:
        self._known = len(self._proven.sources())
        drops_long, samples_responses = self._drops
        networks = [*self._trust.networks, *self.sources.exempt_networks()]
        return Strangers(self._proven.sources(), networks, LONG if drops_long else 0, samples_responses)

    def _tell(self, word: str, now: float, **more: str) -> None:
        """Log one line a minute for each text."""
        if now >= self._next_word.get(word, 0.0):
            self._next_word[word] = now + WORD_EVERY
            get_log().warning(word, **more)

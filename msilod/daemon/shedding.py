"""Shedding: sources that send much and nothing of use are not heard for a second (auth/fruitless.py).

Only while the gate asks for passwords: without users there are none to be crowded out. Sources in `trusted`, edge
proxies, and loopback without [auth] limit_loopback are never shed.
"""

from typing import Final

import trio

from msilod.auth.fruitless import Fruitless, Proven
from msilod.auth.source import Sources
from msilod.daemon.counters import Counters
from msilod.daemon.log import get_log
from msilod.daemon.trust import Trust
from msilod.sip.flow import Flow
from msilod.transport.transports import Transports

# Seconds between two looks for sources to hear again, and between two lines in the log.
LOOK_EVERY: Final = 0.25
WORD_EVERY: Final = 60.0


class Shedding:
    """`is_active` is set by the gate when it closes or opens. `now` is monotonic seconds."""

    def __init__(
        self,
        sources: Sources,
        trust: Trust,
        transports: Transports,
        nursery: trio.Nursery,
        counters: Counters,
    ) -> None:
        self.sources = sources
        self._counters = counters
        self._trust = trust
        self._transports = transports
        self._nursery = nursery
        self._fruitless = Fruitless()
        self._proven = Proven()
        self.is_active = False
        self._next_word = 0.0

    def fruitless(self, flow: Flow, now: float, weight: float = 1.0) -> None:
        """A message on `flow` was fruitless. A stream is not counted: it holds back its own sender only."""
        if not self.is_active or flow.connection:
            return
        source = self.sources.of_address(flow.host)
        if not source or self._trust.trusts(flow) or not self._fruitless.count(source, now, weight):
            return
        if self._proven.has_many(source):
            # The source is a large NAT: some of the phones behind it would be shut out.
            return
        self._fruitless.shed_now(source, now)
        self._counters.shed_sources += 1
        if now >= self._next_word:
            self._next_word = now + WORD_EVERY
            get_log().warning(
                "a source sends much that is refused, and is not heard for a second", source=source
            )
        self._apply()
        if len(self._fruitless.shed) == 1:
            self._nursery.start_soon(self._lift)

    def proven(self, flow: Flow, now: float) -> None:
        """A right password came on `flow`."""
        if not flow.connection:
            source = self.sources.of_address(flow.host)
            if source:
                self._proven.add(source, flow.port, now)

    async def _lift(self) -> None:
        while self._fruitless.shed:
            await trio.sleep(LOOK_EVERY)
            if self._fruitless.lift(trio.current_time()):
                self._apply()

    def _apply(self) -> None:
        self._transports.shed({source: self._proven.ports(source) for source in self._fruitless.shed})

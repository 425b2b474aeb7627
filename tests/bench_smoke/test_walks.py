"""The hot path keeps its length: bytecodes that the daemon's thread runs for a store, a relay and a refresh.

They are the same on a busy machine and on an idle one, where microseconds are not. A budget that is too small
is a decision: measure with tests/bench/walks.py, and write down here what the path has become longer for.
"""

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import trio

from tests.bench import walks
from tests.bench.walks import WALKS, Bench

# What is compiled runs no bytecodes.
pytestmark = pytest.mark.interpreted
MANY = 64
# As it was on 3.11, and a twentieth more.
BUDGET = {"store": 2_900, "relay": 4_490, "refresh": 2_750}


class Counted(Bench):
    """Counts while it receives what begins with `word`, once it is told to."""

    word = b""
    bytecodes = 0
    requests = 0

    def receive(self, datagrams: list[bytes]) -> float:
        if not self.word or (self.word == b"REGISTER") is not datagrams[0].startswith(b"REGISTER"):
            return super().receive(datagrams)
        self.requests += datagrams[0].startswith(self.word) and len(datagrams)
        former = sys.gettrace()
        sys.settrace(self._trace)
        try:
            return super().receive(datagrams)
        finally:
            sys.settrace(former)

    def _trace(self, frame: FrameType, event: str, argument: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.bytecodes += event == "opcode"
        return self._trace


async def bytecodes(name: str, folder: Path) -> float:
    async with trio.open_nursery() as nursery:
        bench = Counted(folder, nursery)
        # The first time caches are cold.
        WALKS[name](bench)
        bench.word = b"REGISTER" if name == "refresh" else b"MESSAGE"
        WALKS[name](bench)
        bench.server.transports.close()
        bench.silo.close()
        nursery.cancel_scope.cancel()
    assert bench.requests >= MANY
    return bench.bytecodes / bench.requests


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="other versions of Python have other bytecodes")
@pytest.mark.parametrize("name", BUDGET)
def test_a_walk_is_no_longer_than_its_budget(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "MANY", MANY)
    monkeypatch.setattr(walks, "USERS", walks.USERS[:MANY])
    assert BUDGET[name] / 2 < trio.run(bytecodes, name, tmp_path) <= BUDGET[name]

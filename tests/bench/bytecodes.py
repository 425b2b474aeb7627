"""The length of the hot path: bytecodes that the daemon's thread runs for a store, a relay and a refresh.

Bytecodes are the same on a busy machine and on an idle machine; microseconds are not. `python -m tests.bench walks`
prints both, and fails where a walk is longer than its budget, as tests/bench_smoke/test_walks.py does. Whoever raises
a budget writes down here what the path has become longer for.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, Final

import trio

from msilod import is_compiled
from tests.bench import walks
from tests.bench.walks import WALKS, Bench

MANY: Final = 64
# As counted on Python 3.11, and a twentieth more. Other versions of Python have other bytecodes.
BUDGET: Final = {"store": 2_900, "relay": 4_490, "refresh": 2_750}
HAS_BUDGET: Final = sys.version_info[:2] == (3, 11)


class Counted(Bench):
    """Counts the bytecodes of each request that begins with `word`, once `word` is set."""

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


@contextmanager
def _few() -> Iterator[None]:
    """A count needs no thousand requests."""
    former = walks.MANY, walks.USERS
    walks.MANY, walks.USERS = MANY, walks.USERS[:MANY]
    try:
        yield
    finally:
        walks.MANY, walks.USERS = former


async def _count(name: str, folder: Path) -> float:
    async with trio.open_nursery() as nursery:
        bench = Counted(folder, nursery)
        # The first time caches are cold.
        WALKS[name](bench)
        bench.word = b"REGISTER" if name == "refresh" else b"MESSAGE"
        WALKS[name](bench)
        bench.parts.transports.close()
        bench.silo.close()
        nursery.cancel_scope.cancel()
    assert bench.requests >= MANY
    return bench.bytecodes / bench.requests


def bytecodes(name: str) -> float:
    """Bytecodes of one request of the walk `name`, which has a budget."""
    with _few(), TemporaryDirectory() as folder:
        return trio.run(_count, name, Path(folder))


def main(words: list[str]) -> int:
    """Print what the walks `words` take, all of them by default; 1 where one is longer than its budget."""
    walks.main(words)
    if is_compiled():
        sys.stdout.write("bytecodes are not counted: msilod is compiled\n")
        return 0
    is_longer = False
    for name in [name for name in BUDGET if name in words or not set(words) & set(WALKS)]:
        count, budget = bytecodes(name), BUDGET[name]
        is_longer |= HAS_BUDGET and count > budget
        limit = f"of {budget}" if HAS_BUDGET else "(the budget is for Python 3.11)"
        sys.stdout.write(f"{count:8.0f} bytecodes {limit}  {name}\n")
    return int(is_longer)

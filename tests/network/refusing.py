"""Refusing: a writer that refuses some kinds of jobs and commits all others, as on a nearly full disk."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

from msilod.errors import StoreError
from msilod.store.commit.transaction import Transactions
from msilod.store.jobs import Batch, Outcome
from msilod.store.writer.contract import InlineWriter
from tests.network.world import World

# Jobs by which rows leave a delivery run without the run waiting for the commit. "end" stands for all ends.
GIVEN_BACK: Final = frozenset(("release", "postpone", "reject", "serve"))
ALL_ENDS: Final = GIVEN_BACK | {"end", "hand"}


class Refusing:
    """Replaces the transactions `good`. `refused`: names of refused calls. `refusals`: number of failed jobs."""

    def __init__(self, good: Transactions, refused: Collection[str]) -> None:
        self.good = good
        self.refused = refused
        self.refusals = 0

    def execute(self, batch: Batch) -> Outcome:
        """Commit all jobs except for the refused ones, as the writer does when a job cannot be committed."""
        error = StoreError("database or disk is full")
        ends = [] if "end" in self.refused else batch.ends
        calls = [call for call in batch.calls if call.name not in self.refused]
        outcome = self.good.execute(Batch(batch.adds, ends, calls, batch.keeping))
        told = iter(outcome.calls)
        outcome.calls = [error if call.name in self.refused else next(told) for call in batch.calls]
        if ends is not batch.ends:
            outcome.ends = [error] * len(batch.ends)
        self.refusals += len(batch.calls) - len(calls) + len(batch.ends) - len(ends)
        return outcome


def writer_of(world: World) -> InlineWriter:
    """The writer of the running daemon."""
    writer = world.silo.writer
    assert isinstance(writer, InlineWriter)
    return writer


@contextmanager
def refusing(world: World, refused: Collection[str] = GIVEN_BACK) -> Iterator[Refusing]:
    """The writer refuses these jobs until the end of the block."""
    writer = writer_of(world)
    good = writer.transactions
    stand_in = Refusing(good, refused)
    writer.transactions = stand_in  # type: ignore[assignment]
    try:
        yield stand_in
    finally:
        writer.transactions = good

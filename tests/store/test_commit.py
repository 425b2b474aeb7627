"""What commit/ decides, on an engine without a database: rows in a dictionary, and errors on demand.

So the seam holds: a batch is judged, told and repeated piece by piece with nothing but the methods of `Engine`.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from msilod.errors import MsilodError, SiloLost, StoreError, UnknownOutcome
from msilod.silo.stored_message import StoredMessage
from msilod.store.commit.transaction import Transactions
from msilod.store.engine.base import HOUR, Engine, Hours, Judge, Trouble
from msilod.store.jobs import Added, Batch, Call, Duplicate, End, Failed, Keeping, Limit, OverQuota
from msilod.store.limits import Limits
from tests.store.rows import WALL, row

# Compiled classes have no interpreted subclasses.
pytestmark = pytest.mark.interpreted


class CountedHours(Hours):
    def __init__(self) -> None:
        self.is_known = True
        self.counts: Counter[tuple[int, str]] = Counter()

    def take(self, messages: Sequence[StoredMessage], most: int) -> bool:
        for message in messages:
            self.add(int(message.received_at // HOUR), message.sender)
        if all(self.count(int(each.received_at // HOUR), each.sender) <= most for each in messages):
            return True
        self.take_back(messages)
        return False

    def take_back(self, messages: Sequence[StoredMessage]) -> None:
        for message in messages:
            self.counts[int(message.received_at // HOUR), message.sender] -= 1

    def learn(self, messages: Sequence[StoredMessage]) -> None:
        return

    def count(self, hour: int, sender: str) -> int:
        return self.counts[hour, sender]

    def add(self, hour: int, sender: str) -> None:
        self.counts[hour, sender] += 1


class Ink(Exception):
    """An error of this database."""


class Memory(Engine):
    """`fails` are hashes of rows that cannot be stored; `trouble` fails the next transaction."""

    def __init__(self) -> None:
        self.sums = CountedHours()
        self.hours = self.sums
        self.operations = {}
        self.rows: dict[bytes, StoredMessage] = {}
        self.kept: dict[bytes, StoredMessage] = {}
        self.ended: dict[bytes, int] = {}
        self.fails: set[bytes] = set()
        self.trouble: Exception | None = None
        self.can_mend = False
        self.full = False
        self.last = 0
        self.said: list[str] = []

    def configure(self, limits: Limits, history: float, device_memory: float) -> None:
        self.said.append(f"configure {history} {device_memory}")

    def commit_new(self, messages: list[StoredMessage]) -> int:
        if any(message.hash in self.rows.keys() | self.ended.keys() for message in messages):
            return 0
        self._fail(messages)
        self._insert(messages)
        self.said.append("commit_new")
        return self.last - len(messages) + 1

    def commit(self, batch: Batch, judge: Judge) -> list[Any]:
        self._fail(batch.adds)
        for end in batch.ends:
            del self.rows[end.hash]
            self.ended[end.hash] = end.id
        self._insert(judge.judge(batch.adds, self.ended) if batch.adds else [])
        results = [len(call.arguments) // (call.name != "divides by zero") for call in batch.calls]
        self.said.append("commit")
        return results

    def _fail(self, messages: Sequence[StoredMessage]) -> None:
        trouble, self.trouble = self.trouble, None
        if trouble is not None:
            raise trouble
        if any(message.hash in self.fails for message in messages):
            raise Ink("no such colour")

    def _insert(self, messages: Sequence[StoredMessage]) -> None:
        for message in messages:
            self.last += 1
            message.id = self.last
            self.rows[message.hash] = message

    def committed(self) -> None:
        self.kept = self.rows.copy()
        self.said.append("committed")

    def take_imports(self, again: bool) -> None:
        return

    def roll_back(self) -> None:
        self.rows = self.kept.copy()
        self.said.append("roll_back")

    def copy_of(self, message: StoredMessage) -> Duplicate | None:
        found = self.rows.get(message.hash)
        return None if found is None else Duplicate(found.id, False)

    def admit(self, message: StoredMessage) -> OverQuota | None:
        return None

    def total_bytes(self) -> int:
        return sum(message.size for message in self.rows.values())

    def is_full(self) -> bool:
        return self.full

    def trouble_of(self, error: BaseException) -> Trouble:
        return Trouble.ROW

    def translated(self, error: Exception) -> MsilodError:
        return SiloLost("burnt") if str(error) == "fire" else StoreError(f"ours: {error}")

    def can_try_again(self, error: Exception) -> bool:
        return self.can_mend


@pytest.fixture
def engine() -> Memory:
    return Memory()


@pytest.fixture
def transactions(engine: Memory) -> Transactions:
    return Transactions(engine, Limits())


def end(message: StoredMessage) -> End:
    return End(message.id, message.hash, message.aor, "delivered", 200, WALL)


def test_new_rows_take_the_short_way(engine: Memory, transactions: Transactions) -> None:
    outcome = transactions.execute(Batch([row(1), row(2)]))
    assert (outcome.first, outcome.count, outcome.adds) == (1, 2, [])
    assert outcome.results() == [Added(1), Added(2)]
    assert engine.said == ["commit_new", "committed"]


def test_copies_are_told_of_the_first_in_the_batch_in_the_silo_or_ended(
    engine: Memory, transactions: Transactions
) -> None:
    first, second, third = row(1), row(2), row(3)
    transactions.execute(Batch([first, second]))
    outcome = transactions.execute(Batch([row(1), row(2), third, row(3)], [end(second)]))
    assert outcome.results() == [Duplicate(1, False), Duplicate(2, True), Added(3), Duplicate(3, False)]
    assert outcome.ends == [None]


def test_each_kind_of_job_has_its_results_in_order(engine: Memory, transactions: Transactions) -> None:
    first = row(1)
    transactions.execute(Batch([first]))
    calls = [Call("a", (1, 2), False), Call("b", (), True)]
    outcome = transactions.execute(Batch([row(2)], [end(first)], calls))
    assert (outcome.results(), outcome.ends, outcome.calls) == ([Added(2)], [None], [2, 0])
    assert engine.said == ["commit_new", "committed", "commit", "committed"]


def test_one_bad_job_does_not_fail_the_others(engine: Memory, transactions: Transactions) -> None:
    engine.fails.add(row(2).hash)
    calls = [Call("divides by zero", (), False), Call("a", (1,), False)]
    outcome = transactions.execute(Batch([row(1), row(2), row(3)], [], calls))
    assert outcome.results() == [Added(1), Failed("ours: no such colour"), Added(2)]
    assert isinstance(outcome.calls[0], StoreError)
    assert outcome.calls[1] == 1
    assert engine.said.count("roll_back") == 3, "the batch, the row and the call"


def test_a_call_that_fails_after_the_rows_were_judged(engine: Memory, transactions: Transactions) -> None:
    outcome = transactions.execute(
        Batch([row(1)], [], [Call("divides by zero", (), False), Call("a", (), True)])
    )
    assert outcome.results() == [Added(2)], "the first id went to the transaction that was not kept"
    assert isinstance(outcome.calls[0], StoreError)
    assert outcome.calls[1] == 0


def test_what_the_engine_can_mend_is_tried_again(engine: Memory, transactions: Transactions) -> None:
    engine.trouble, engine.can_mend = Ink("dry"), True
    assert transactions.execute(Batch([row(1)])).results() == [Added(1)]
    assert engine.said == ["roll_back", "commit_new", "committed"]


def test_a_lost_database_and_an_unknown_outcome_end_the_writer(
    engine: Memory, transactions: Transactions
) -> None:
    engine.trouble = Ink("fire")
    with pytest.raises(SiloLost, match="burnt"):
        transactions.execute(Batch([row(1)]))
    engine.trouble = UnknownOutcome("perhaps")
    with pytest.raises(UnknownOutcome):
        transactions.execute(Batch([row(1), row(2)]))
    assert engine.said == [], "neither is rolled back, nor tried piece by piece"


class Locked(Memory):
    """Another process has the lock. Each transaction waits for the lock, 5 s with SQLite."""

    waits = 0

    def _fail(self, messages: Sequence[StoredMessage]) -> None:
        self.waits += 1
        raise Ink("locked")

    def trouble_of(self, error: BaseException) -> Trouble:
        return Trouble.BUSY


def test_a_locked_database_is_not_waited_for_once_for_each_job() -> None:
    engine = Locked()
    outcome = Transactions(engine, Limits()).execute(Batch([row(1), row(2), row(3)]))
    assert outcome.results() == [Failed("ours: locked")] * 3
    assert engine.waits == 1


def test_the_command_line_hears_the_error_of_the_engine(engine: Memory, transactions: Transactions) -> None:
    engine.fails.add(row(2).hash)
    with pytest.raises(Ink):
        transactions.commit_together(Batch([row(1), row(2)]))
    assert engine.rows == {}
    assert engine.said == ["roll_back"]


def test_quotas_ask_the_engine(engine: Memory, transactions: Transactions) -> None:
    def configure(**limits: int) -> None:
        transactions.configure(Keeping(Limits(**limits).values(), 7.0, 8.0))

    configure(max_total_bytes=13)
    assert transactions.execute(Batch([row(1), row(2), row(3)])).results() == [
        Added(1), Added(2), OverQuota(0, 12, Limit.TOTAL, 60),
    ]  # fmt: skip
    configure(min_free_bytes=1)
    engine.full = True
    assert transactions.execute(Batch([row(1), row(4)])).results() == [
        Duplicate(1, False), OverQuota(0, 0, Limit.DISK, 60),
    ]  # fmt: skip
    engine.full = False
    configure(max_per_hour=2)
    results = transactions.execute(Batch([row(5), row(6), row(7)])).results()
    assert results == [Added(3), Added(4), OverQuota(2, 0, Limit.SENDER, int(HOUR - WALL % HOUR) + 1)]
    assert engine.said[0] == "configure 7.0 8.0"


def test_rows_that_are_not_stored_at_once_are_not_counted_twice(
    engine: Memory, transactions: Transactions
) -> None:
    transactions.configure(Keeping(Limits(max_per_hour=9).values(), 0.0, 0.0))
    transactions.execute(Batch([row(1)]))
    transactions.execute(Batch([row(1), row(2)]))
    assert sum(engine.sums.counts.values()) == 2


def test_a_loss_that_the_engine_reports_ends_the_writer(engine: Memory, transactions: Transactions) -> None:
    """As Engine says: UnknownOutcome, SiloLost and MemoryError are raised as they are."""
    engine.trouble = SiloLost("gone")
    with pytest.raises(SiloLost, match="gone"):
        transactions.execute(Batch([row(1), row(2)]))
    assert engine.said == []

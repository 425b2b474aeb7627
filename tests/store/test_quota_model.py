"""A model of the remembered quotas: limits of a recipient, of a share and of an hour.

Rows are stored, ended, rejected, handed over, purged, injected, imported and expire; the writer is restarted. After
each step the answers are those of a plain count, and so are the hours in the database.
"""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from msilod.silo.stored_message import StoredMessage
from msilod.store.engine.base import HOUR
from msilod.store.jobs import Added, AddResult, Limit, OverQuota
from msilod.store.limits import Limits
from msilod.store.silo import HISTORY
from msilod.store.tables.selection import Selection
from tests.store.databases import ENGINES, SqliteDatabase
from tests.store.rows import WALL, add, row

pytestmark = pytest.mark.interpreted

MEMORY = Path("/dev/shm")
NOON = WALL // HOUR * HOUR
AORS = ("bob@example.test", "carol@example.test")
SENDERS = ("alice@example.test", "dave@example.test", "erin@example.test")
LIMITS = Limits(
    max_messages=9, max_bytes=120, max_per_hour=4, share_messages=4, share_bytes=50,
)  # fmt: skip
# Recipient, sender, hours after noon, bytes, the address that a receipt counts for, whether the row expires soon.
One = tuple[str, str, int, int, str, bool]
ONE = st.tuples(
    st.sampled_from(AORS), st.sampled_from(SENDERS), st.sampled_from((0, 0, 0, 1, 2, 3)), st.integers(1, 25),
    st.sampled_from(("", "", "", "", SENDERS[0])), st.booleans(),
)  # fmt: skip
BATCH = st.lists(ONE, min_size=1, max_size=6)
PICK = st.integers(0, 1 << 16)


class Quotas(RuleBasedStateMachine):
    engine: ClassVar[type[SqliteDatabase]]

    def __init__(self) -> None:
        super().__init__()
        # In memory if possible: each example makes a silo.
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.database = self.engine(Path(self.folder.name))
        self.limits = LIMITS
        self.number = 0
        self.rows: dict[int, StoredMessage] = {}
        self.hours: Counter[tuple[int, str]] = Counter()
        self.open()

    def open(self) -> None:
        self.silo = self.database.silo(self.limits)
        self.silo.start("test", None)

    def teardown(self) -> None:
        self.silo.close()
        self.folder.cleanup()

    # --- the plain count -----------------------------------------------------------------------------

    def make(self, one: One) -> StoredMessage:
        aor, sender, hour, size, booked_on, is_short = one
        self.number += 1
        return row(
            self.number, aor, sender=sender, body=b"x" * size, booked_on=booked_on,
            received_at=NOON + hour * HOUR + 60, expires_at=WALL + (10 if is_short else 100_000),
        )  # fmt: skip

    def expected(self, message: StoredMessage, limits: Limits) -> OverQuota | None:
        hour = int(message.received_at // HOUR), message.booked_on or message.sender
        if limits.max_per_hour and self.hours[hour] >= limits.max_per_hour:
            return OverQuota(self.hours[hour], 0, Limit.SENDER, HOUR - 60 + 1)
        there = [
            kept
            for kept in self.rows.values()
            if kept.aor == message.aor and kept.state not in ("rejected", "handed")
        ]
        his = [kept for kept in there if kept.sender == message.sender]
        size, his_size = sum(kept.size for kept in there), sum(kept.size for kept in his)
        if len(there) + 1 > limits.max_messages or size + message.size > limits.max_bytes:
            return OverQuota(len(there), size)
        if len(his) + 1 > limits.share_messages or his_size + message.size > limits.share_bytes:
            return OverQuota(len(his), his_size, Limit.SHARE)
        return None

    def compare(
        self, messages: Sequence[StoredMessage], results: Sequence[AddResult], limits: Limits
    ) -> None:
        for message, result in zip(messages, results, strict=True):
            refused = self.expected(message, limits)
            if refused is None:
                assert isinstance(result, Added), (message, result)
                self.rows[result.id] = message
                if limits.max_per_hour:
                    self.hours[int(message.received_at // HOUR), message.booked_on or message.sender] += 1
            else:
                assert result == refused

    def picked(self, pick: int) -> int:
        return sorted(self.rows)[pick % len(self.rows)] if self.rows else 0

    @invariant()
    def the_silo_says_the_same_of_the_hours(self) -> None:
        assert +self.database.sender_hours() == +self.hours

    # --- what the daemon does ------------------------------------------------------------------------

    @rule(batch=BATCH)
    def store(self, batch: list[One]) -> None:
        messages = [self.make(one) for one in batch]
        self.compare(messages, add(self.silo, *messages), self.limits)

    @rule(first=ONE, times=st.integers(1, 9))
    def store_one_by_one(self, first: One, times: int) -> None:
        for _ in range(times):
            self.store([first])

    @rule(batch=BATCH, pick=PICK)
    def store_while_a_delivery_ends(self, batch: list[One], pick: int) -> None:
        self.end_one(pick)
        self.store(batch)

    @rule(pick=PICK)
    def end(self, pick: int) -> None:
        self.end_one(pick)
        self.silo.writer.flush()

    def end_one(self, pick: int) -> None:
        id = self.picked(pick)
        if id:
            gone = self.rows.pop(id)
            self.silo.writer.end(id, gone.hash, gone.aor, "delivered", 200, WALL, None)

    @rule(pick=PICK, is_handed=st.booleans())
    def exempt(self, pick: int, is_handed: bool) -> None:
        id = self.picked(pick)
        if id and is_handed:
            self.silo.writer.hand(id, 200, "OK", None)
            self.rows[id].state = "handed"
        elif id:
            self.silo.writer.reject(id, 486, "Busy Here", 1)
            self.rows[id].state = "rejected"
        self.silo.writer.flush()

    @rule()
    def expire(self) -> None:
        self.silo.writer.clean(WALL + 20, 100, lambda cleaned: None)
        self.silo.writer.flush()
        self.rows = {id: kept for id, kept in self.rows.items() if kept.expires_at > WALL + 20}

    @rule(batch=BATCH)
    def a_batch_is_rolled_back(self, batch: list[One]) -> None:
        messages = [self.make(one) for one in batch]
        bad = self.make(batch[0])
        # Not a text for any database.
        bad.next_hop = "\ud800"
        results = add(self.silo, *messages, bad)
        self.compare(messages, results[:-1], self.limits)
        assert isinstance(results[-1], OverQuota) is (self.expected(bad, self.limits) is not None)

    @rule()
    def start_again(self) -> None:
        self.silo.close()
        self.open()

    @rule(per_hour=st.integers(3, 6), share=st.integers(2, 6))
    def configure(self, per_hour: int, share: int) -> None:
        self.limits = Limits(9, 120, max_per_hour=per_hour, share_messages=share, share_bytes=50)
        self.silo.configure(self.limits, HISTORY)
        self.silo.writer.flush()

    # --- what the command line does ------------------------------------------------------------------

    @rule(batch=BATCH)
    def inject(self, batch: list[One]) -> None:
        messages = [self.make(one) for one in batch]
        queue = self.database.queue()
        self.compare(messages, queue.insert(messages, self.limits), self.limits)
        queue.close()

    @rule(batch=BATCH)
    def take_in(self, batch: list[One]) -> None:
        messages = [self.make(one) for one in batch]
        limits = self.limits.without_hours()
        queue = self.database.queue()
        rehearsed = queue.rehearse(messages, limits, again=False)
        results = queue.take_in(messages, limits, again=False)
        assert [type(result) for result in rehearsed] == [type(result) for result in results]
        self.compare(messages, results, limits)
        queue.close()

    @rule(pick=PICK)
    def purge(self, pick: int) -> None:
        id = self.picked(pick)
        if id:
            del self.rows[id]
            queue = self.database.queue()
            list(queue.operator("root").purge(Selection(ids=(id,)), WALL))
            queue.close()

    @rule()
    def requeue(self) -> None:
        queue = self.database.queue()
        list(queue.operator("root").requeue(Selection(), WALL))
        queue.close()
        for kept in self.rows.values():
            kept.state = "waiting"


SETTINGS = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_what_is_remembered_is_what_is_there(engine_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps above, any of them in any order."""

    class OfEngine(Quotas):
        engine = ENGINES[engine_name]

    OfEngine.engine.with_small_memories(monkeypatch)
    run_state_machine_as_test(OfEngine, settings=SETTINGS)

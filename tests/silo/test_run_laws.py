"""The laws of delivery, against random registrations, answers, timeouts, late answers and failed commits.

The FakeDaemon checks each step: never two messages in flight to one contact, oldest first, no second copy after a
2xx, nothing to a contact before the end of its last row is durable, never more than 64 claimed rows, nothing after
expiry, nothing again to a contact after a refusal. This machine makes the events. At the end of an example the
machine checks that every run ends and that no row stays under lease.

"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from msilod.registrar.binding import Binding
from msilod.silo.policy import SiloPolicy
from msilod.silo.runs.delivery_run import Why, contact_key
from msilod.silo.stored_message import Ending, State, StoredMessage
from tests.silo.fake_daemon import FakeDaemon, binding, describe, row

STATUSES = (200, 202, 300, 400, 403, 404, 405, 413, 415, 430, 480, 481, 482, 486, 500, 503, 600, 603)
NAMES = ("a", "b", "c")
# Contacts that register as sips:.
SECURE = ("c",)
# Statuses after which a message waits before the next attempt.
SPACED = (429, 440, 482, 483)


class Deliveries(RuleBasedStateMachine):
    """One recipient with up to three phones, one of them with two flows."""

    def __init__(self) -> None:
        super().__init__()
        self.daemon = FakeDaemon(SiloPolicy(retry=(60, 300), attempts=4))
        self.registered: dict[str, Binding] = {}
        self.rows = 0
        self.cseq = 0
        self.stored: set[int] = set()

    # --- recipients ------------------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES), port=st.sampled_from([5061, 5062]), is_new=st.booleans())
    def register(self, name: str, port: int, is_new: bool) -> None:
        self.cseq += 1
        call_id = f"reg{self.cseq}" if is_new else "reg"
        scheme = "sips" if name in SECURE else "sip"
        self.registered[name] = found = binding(name, port, self.cseq, call_id, scheme=scheme)
        others = [b for b in self.registered.values() if b is not found]
        self.daemon.offer(found, others=others)

    @rule(port=st.sampled_from([5061, 5062]))
    def register_flow(self, port: int) -> None:
        self.cseq += 1
        found = binding("d", port, self.cseq, instance="<urn:uuid:d>", reg_id=port)
        self.registered[f"d{port}"] = found
        self.daemon.offer(found)

    @precondition(lambda self: self.registered)
    @rule(data=st.data())
    def unregister(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.registered)))
        self.daemon.withdraw(self.registered.pop(name))

    @rule()
    def wake(self) -> None:
        if self.registered:
            self.daemon.offer(*self.registered.values())

    # --- rows ------------------------------------------------------------------------------------

    @rule(
        count=st.integers(1, 40),
        expires_in=st.sampled_from([50.0, 1e5, 1e5, 1e5]),
        uri=st.sampled_from([b"sip:bob@example.test", b"sip:bob@example.test", b"sips:bob@example.test"]),
    )
    def store(self, count: int, expires_in: float, uri: bytes) -> None:
        for _ in range(count):
            self.rows += 1
            new = row(self.rows, uri=uri)
            new.expires_at = self.daemon.wall + expires_in
            self.daemon.store(new)
            self.stored.add(new.id)
        self.wake()

    @precondition(lambda self: self.daemon.rows)
    @rule(data=st.data())
    def end_by_a_live_branch(self, data: st.DataObject) -> None:
        row_id = data.draw(st.sampled_from(sorted(self.daemon.rows)[:5]))
        self.daemon.end_elsewhere(row_id)

    @precondition(lambda self: self.daemon.run is not None and self.daemon.run.in_hand)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        run = self.daemon.run
        assert run is not None
        row_id = data.draw(st.sampled_from([held.id for held in run.in_hand]))
        self.daemon.give_up(row_id)

    @precondition(lambda self: self.daemon.claims)
    @rule()
    def claim(self) -> None:
        self.daemon.claim()

    @precondition(lambda self: self.daemon.settles)
    @rule(ok=st.sampled_from([True, True, True, False]))
    def commit(self, ok: bool) -> None:
        self.daemon.commit(ok)

    # --- devices ---------------------------------------------------------------------------------

    @precondition(lambda self: self.daemon.wire)
    @rule(data=st.data(), status=st.sampled_from(STATUSES), retry_after=st.sampled_from([None, 0, 7, 10**9]))
    def answer(self, data: st.DataObject, status: int, retry_after: int | None) -> None:
        self.daemon.answer(data.draw(st.sampled_from(self.daemon.wire)), status, retry_after)

    @precondition(lambda self: self.daemon.wire)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        self.daemon.answer(data.draw(st.sampled_from(self.daemon.wire)), 200)
        if self.daemon.settles:
            self.daemon.commit()

    @precondition(lambda self: self.daemon.wire)
    @rule(data=st.data(), why=st.sampled_from(["timeout", "transport"]))
    def fail(self, data: st.DataObject, why: Why) -> None:
        self.daemon.fail(data.draw(st.sampled_from(self.daemon.wire)), why)

    @precondition(lambda self: self.daemon.silent)
    @rule(data=st.data(), status=st.sampled_from([200, 486, 603]))
    def answer_late(self, data: st.DataObject, status: int) -> None:
        attempt = data.draw(st.sampled_from(self.daemon.silent))
        sent_again = any(a.key == attempt.key and a.row is attempt.row for a in self.daemon.wire)
        if not sent_again:
            self.daemon.answer_late(attempt, status)

    @precondition(lambda self: self.daemon.run is not None)
    @rule(name=st.sampled_from(NAMES), row_id=st.integers(0, 3))
    def occupy(self, name: str, row_id: int) -> None:
        if name in self.registered and self.daemon.run is not None:
            self.daemon.run.busy(contact_key(self.registered[name]), row_id)

    @precondition(lambda self: self.daemon.run is not None)
    @rule(name=st.sampled_from(NAMES), row_id=st.integers(0, 3))
    def free(self, name: str, row_id: int) -> None:
        run = self.daemon.run
        if name in self.registered and run is not None:
            self.daemon.perform(run, run.free(contact_key(self.registered[name]), row_id, self.daemon.wall))

    @rule(seconds=st.sampled_from([1.0, 30.0, 64.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.daemon.wall += seconds

    # --- laws ------------------------------------------------------------------------------------

    @invariant()
    def in_hand_is_what_is_leased(self) -> None:
        daemon = self.daemon
        in_hand = {held.id for held in daemon.run.in_hand} if daemon.run is not None else set()
        over = {step.row.id for _, step in daemon.settles} | daemon.taken | daemon.ended.keys()
        assert daemon.leased - over == in_hand - over

    @invariant()
    def a_run_without_work_is_over(self) -> None:
        run = self.daemon.run
        if run is not None and not self.daemon.claims and not self.daemon.settles:
            assert self.daemon.wire or run._under_way.holds_up()

    @invariant()
    def no_row_is_lost(self) -> None:
        assert self.stored == self.daemon.rows.keys() | self.daemon.ended.keys()
        for id, how in self.daemon.ended.items():
            assert how is Ending.EXPIRED or id in self.daemon.taken

    def teardown(self) -> None:
        """All contacts answer: every run ends, and a contact that accepts all messages gets all rows."""
        self._answer_all(486)
        if self.registered:
            plain = self._waiting_after("sip")
            assert all(r.last_status in SPACED or r.request_uri.startswith(b"sips:") for r in plain), plain
            secure = self._waiting_after("sips")
            assert all(r.last_status in SPACED for r in secure), secure
        assert not self.daemon.leased

    def _waiting_after(self, scheme: str) -> list[StoredMessage]:
        """The rows that are left after a phone has accepted all messages."""
        self.daemon.wall += 64.0
        self.cseq += 1
        self.daemon.offer(binding("z", 5070, self.cseq, f"reg{self.cseq}", scheme=scheme))
        self._answer_all(200)
        return [r for r in self.daemon.rows.values() if r.state == State.WAITING]

    def _answer_all(self, status: int) -> None:
        daemon = self.daemon
        if daemon.run is not None:
            for held in self.registered.values():
                for row_id in range(4):
                    if daemon.run is not None:
                        daemon.perform(daemon.run, daemon.run.free(contact_key(held), row_id, daemon.wall))
        for _ in range(10_000):
            if daemon.claims:
                daemon.claim()
            elif daemon.settles:
                daemon.commit()
            elif daemon.wire:
                daemon.answer(daemon.wire[0], status)
            else:
                break
        assert daemon.run is None
        assert not daemon.wire


Deliveries.TestCase.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, report_multiple_bugs=False
)
TestDeliveries = Deliveries.TestCase


def test_a_row_accepted_by_a_next_hop_ends_as_handed() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1), row(2))
    daemon.offer(binding())
    daemon.claim()
    assert daemon.run is not None
    first = daemon.wire.pop()
    steps = daemon.run.answered(1, first.key, 202, None, daemon.wall, Ending.HANDED)
    assert [describe(step) for step in steps] == ["settle 1 handed"]
    assert [describe(step) for step in daemon.run.settled(1, True, daemon.wall)] == ["send 2 a"]

"""A fake daemon and database for one recipient, in memory. The fake carries out the steps of a DeliveryRun and checks
the laws of delivery at each step.

Tests answer claims, attempts and commits one by one; nothing happens without a test. Tests also move `wall`.
Claims ignore `next_attempt_at`: no store can be harsher to a run.

"""

from collections.abc import Sequence

from msilod.registrar.binding import Binding, ContactKey
from msilod.silo.policy import SiloPolicy
from msilod.silo.runs.decision_table import Outcome, judge_queued
from msilod.silo.runs.delivery_run import (
    Claim,
    DeliveryRun,
    Finished,
    Postpone,
    Reject,
    Release,
    Send,
    Settle,
    Step,
    Why,
    contact_key,
)
from msilod.silo.runs.leased_rows import STEPS_BEHIND
from msilod.silo.runs.recipient_memory import RecipientMemory
from msilod.silo.runs.run_contacts import RunContact
from msilod.silo.stored_message import Ending, State, StoredMessage
from msilod.sip.flow import UDP, Endpoint, Flow

AOR = "bob@example.test"
START = 1_700_000_000.0
ENDPOINT = Endpoint(UDP, "192.0.2.1", 5060, b"SIP/2.0/UDP 192.0.2.1:5060")


def binding(
    name: str = "a",
    port: int = 5060,
    cseq: int = 1,
    call_id: str = "reg",
    instance: str = "",
    reg_id: int = 0,
    user_agent: str = "",
    scheme: str = "sip",
) -> Binding:
    """A contact of AOR. `name` is the host, `port` the port of the flow."""
    return Binding(
        aor=AOR,
        contact=f"{scheme}:bob@{name}.test",
        call_id=call_id,
        cseq=cseq,
        expires_at=START + 1e6,
        registered_at=START,
        flow=Flow(ENDPOINT, "198.51.100.7", port),
        instance=instance,
        reg_id=reg_id,
        user_agent=user_agent,
    )


def row(
    id: int, attempts: int = 0, expires_in: float = 259200.0, uri: bytes = b"sip:bob@example.test"
) -> StoredMessage:
    """A stored message of AOR."""
    return StoredMessage(
        aor=AOR,
        sender="alice@example.test",
        hash=b"%016d" % id,
        request_uri=uri,
        from_header=b"<sip:alice@example.test>;tag=1",
        to_header=b"<sip:bob@example.test>",
        call_id=b"c%d" % id,
        cseq=1,
        content_type=b"text/plain",
        headers=b"",
        body=b"text",
        received_at=START,
        expires_at=START + expires_in,
        size=4,
        id=id,
        attempts=attempts,
    )


class Attempt:
    """A MESSAGE on the wire."""

    def __init__(self, run: DeliveryRun, row: StoredMessage, contact: RunContact) -> None:
        self.run = run
        self.row = row
        self.contact = contact

    @property
    def key(self) -> ContactKey:
        return self.contact.key

    def __repr__(self) -> str:
        return f"{self.row.id}@{name_of(self.contact)}"


class FakeDaemon:
    """One recipient's runs, rows and contacts."""

    def __init__(self, policy: SiloPolicy | None = None, honours_after: bool = True) -> None:
        self.policy = policy or SiloPolicy()
        self.honours_after = honours_after
        self.memory = RecipientMemory()
        self.wall = START
        self.run: DeliveryRun | None = None
        self.rows: dict[int, StoredMessage] = {}
        self.leased: set[int] = set()
        self.wire: list[Attempt] = []
        self.silent: list[Attempt] = []
        self.claims: list[tuple[DeliveryRun, Claim]] = []
        self.settles: list[tuple[DeliveryRun, Settle]] = []
        self.log: list[str] = []
        self.retry_at: float | None = None
        self.keeps_time = False
        self.finished = 0
        self.ended: dict[int, Ending] = {}
        self.taken: set[int] = set()
        self.owed: dict[ContactKey, set[int]] = {}
        self.refused: set[tuple[int, object]] = set()
        self.types: set[tuple[int, object]] = set()
        self.refused_by_all: set[int] = set()
        # Sent in this run after a request by the operator.
        self.given_up: set[int] = set()
        self.order: list[int] = []

    # --- events from a test --------------------------------------------------------------------------

    def store(self, *rows: StoredMessage) -> None:
        """Rows become durable."""
        for row in rows:
            self.rows[row.id] = row

    def offer(self, *bindings: Binding, others: Sequence[Binding] = ()) -> None:
        """A REGISTER or a wake-up."""
        if self.run is None:
            self.run = DeliveryRun(AOR, self.policy, self.memory)
            self.order = []
        for binding in bindings:
            self._forget_types(binding)
        self.perform(self.run, self.run.offer(bindings, self.wall, others))

    def _forget_types(self, binding: Binding) -> None:
        """Forget refused types: a new registration may accept other types."""
        former = self.memory.contacts.known.get(contact_key(binding))
        if former is None or former.is_another(binding):
            device = binding.instance or contact_key(binding)
            self.refused -= {refusal for refusal in self.types if refusal[1] == device}

    def withdraw(self, binding: Binding) -> None:
        """An un-REGISTER."""
        if self.run is not None:
            self.perform(self.run, self.run.withdraw(contact_key(binding), self.wall))
        else:
            self.memory.contacts.withdraw(contact_key(binding))

    def give_up(self, row_id: int) -> None:
        """The operator takes rows of the run. Rows on the wire stay with the run; all others are given up."""
        run = self.run
        assert run is not None
        self.perform(run, run.give_up(row_id, self.wall))
        if any(row.id == row_id for row in run.in_hand):
            self.given_up.add(row_id)

    def claim(self) -> None:
        """The database answers the oldest Claim."""
        run, step = self.claims.pop(0)
        after = step.after if self.honours_after else 0
        waiting = sorted(
            (row for row in self.rows.values() if row.state == State.WAITING), key=lambda row: row.id
        )
        fitting = [row for row in waiting if step.with_sips or not is_for_sips(row)]
        rows = [row for row in fitting if row.id > after and row.id not in self.leased][: step.limit]
        in_hand = [id for id in self.order if id in self.leased]
        self.leased.update(row.id for row in rows)
        if rows and in_hand and rows[0].id < in_hand[-1]:
            # Rows that an earlier claim left out get their place in the order.
            self.order = self._in_order(sorted({*in_hand, *(row.id for row in rows)}))
        else:
            self.order += self._in_order([row.id for row in rows])
        self.perform(run, run.claimed(rows, self.wall))

    def _in_order(self, ids: list[int]) -> list[int]:
        """Oldest first, but a head with too many failures steps behind the next row."""
        behind = bool(ids) and self.rows[ids[0]].attempts >= STEPS_BEHIND
        first = [id for id in ids if behind and self.rows[id].attempts < STEPS_BEHIND][:1]
        return first + [id for id in ids if id not in first]

    def commit(self, ok: bool = True) -> None:
        """The database ends the oldest row in the queue of ends."""
        run, step = self.settles.pop(0)
        self.wall = max(self.wall, step.at)
        if ok:
            self.ended[step.row.id] = step.how
            self.rows.pop(step.row.id, None)
            self.leased.discard(step.row.id)
            for owed in self.owed.values():
                owed.discard(step.row.id)
        self.perform(run, run.settled(step.row.id, ok, self.wall))

    def answer(self, attempt: Attempt, status: int, retry_after: int | None = None) -> None:
        """The device answers the attempt on the wire."""
        self.wire.remove(attempt)
        self._heard(attempt, status, retry_after)

    def fail(self, attempt: Attempt, why: Why = "timeout") -> None:
        """The attempt ends in silence or with a dead transport."""
        self.wire.remove(attempt)
        self.silent.append(attempt)
        self.perform(attempt.run, attempt.run.failed(attempt.row.id, attempt.key, why, self.wall))

    def answer_late(self, attempt: Attempt, status: int) -> None:
        """The device answers an attempt after the run has given up the attempt."""
        self.silent.remove(attempt)
        self._heard(attempt, status, None)

    def end_elsewhere(self, row_id: int) -> None:
        """A live branch of an online MESSAGE delivered the row, and its end was committed."""
        self.taken.add(row_id)
        self.ended[row_id] = Ending.DELIVERED
        if self.run is not None:
            self.perform(self.run, self.run.ended(row_id, self.wall))
        self.rows.pop(row_id)
        self.leased.discard(row_id)

    def _heard(self, attempt: Attempt, status: int, retry_after: int | None) -> None:
        outcome = judge_queued(status, retry_after)
        if outcome is Outcome.DELIVERED:
            self.taken.add(attempt.row.id)
            is_known = attempt.key in self.memory.contacts.known and not attempt.run.is_finished
            if attempt.row.id not in self.ended and is_known:
                self.owed.setdefault(attempt.key, set()).add(attempt.row.id)
        elif outcome in (Outcome.REFUSED, Outcome.CONTACT_TYPE):
            refusal = (attempt.row.id, attempt.contact.device)
            self.refused.add(refusal)
            (self.types.add if outcome is Outcome.CONTACT_TYPE else self.types.discard)(refusal)
            if status >= 600:
                self.refused_by_all.add(attempt.row.id)
        steps = attempt.run.answered(attempt.row.id, attempt.key, status, retry_after, self.wall)
        self.perform(attempt.run, steps)

    def on_wire(self, name: str) -> Attempt:
        """What is on the wire to the contact at `name`.test."""
        return next(a for a in self.wire if name_of(a.contact) == name)

    def take_log(self) -> list[str]:
        """The steps of the runs since the last call."""
        log, self.log = self.log, []
        return log

    # --- steps of a run ------------------------------------------------------------------------------

    def perform(self, run: DeliveryRun, steps: Sequence[Step]) -> None:
        """Carry out steps."""
        for step in steps:
            self.log.append(describe(step))
            match step:
                case Claim():
                    assert 0 < step.limit <= 64 - len(run.in_hand)
                    self.claims.append((run, step))
                case Send():
                    self._send(run, step)
                case Settle():
                    self.settles.append((run, step))
                case Postpone():
                    assert step.until >= self.wall
                    self._give_back(step.rows)
                    for row in step.rows:
                        row.next_attempt_at = step.until
                        row.last_status = row.last_status if step.status is None else step.status
                case Release():
                    self._give_back(step.rows)
                case Reject():
                    step.row.state = State.REJECTED
                    self.leased.discard(step.row.id)
                case Finished():
                    self._finish(run, step)

    def _give_back(self, rows: Sequence[StoredMessage]) -> None:
        for row in rows:
            assert row.id in self.leased or row.id in self.taken
            self.leased.discard(row.id)

    def _send(self, run: DeliveryRun, step: Send) -> None:
        row, contact = step.row, step.contact
        assert all(a.key != contact.key for a in self.wire), "two in flight to one contact"
        assert row.id in self.leased, "sent without a lease"
        assert row.id not in self.taken, "sent again after a 2xx"
        assert row.expires_at > self.wall, "sent after its end"
        assert not self.owed.get(contact.key), "sent before the last one's end was durable"
        assert (row.id, contact.device) not in self.refused, "sent again to who refused it"
        assert row.id not in self.given_up, "sent although the operator wants it"
        assert contact.is_sips or not is_for_sips(row), "sent to sip: what is for sips:"
        self._check_order(run, row, contact)
        self.wire.append(Attempt(run, row, contact))

    def _check_order(self, run: DeliveryRun, row: StoredMessage, contact: RunContact) -> None:
        in_hand = {held.id: held for held in run.in_hand}
        for id in self.order[: self.order.index(row.id)]:
            older = in_hand.get(id)
            if older is None or id in self.taken | self.refused_by_all | self.given_up:
                continue
            if (id, contact.device) in self.refused or (is_for_sips(older) and not contact.is_sips):
                continue
            is_expiring = older.expires_at <= self.wall
            held = run._hand.rows[id]
            is_spaced = held.not_before > self.wall
            is_large = bool(contact.loses) and row.size < contact.loses <= held.bulk
            assert is_expiring or is_spaced or is_large, f"{row.id} overtook {id}"

    def _finish(self, run: DeliveryRun, step: Finished) -> None:
        assert run is self.run
        assert not any(a.run is run for a in self.wire)
        assert not run.in_hand
        self.run = None
        self.given_up.clear()
        self.retry_at = step.retry_at
        self.keeps_time = step.keeps_time
        self.finished += 1


A, B = binding("a", 5061), binding("b", 5062)


def started(*bindings: Binding, rows: int = 2, policy: SiloPolicy | None = None) -> FakeDaemon:
    """A run with claimed rows and an empty log."""
    daemon = FakeDaemon(policy)
    daemon.store(*[row(id) for id in range(1, rows + 1)])
    daemon.offer(*bindings)
    daemon.claim()
    daemon.take_log()
    return daemon


def name_of(contact: RunContact) -> str:
    """The name that was given to `binding`."""
    return contact.binding.contact.partition("@")[2].partition(".")[0]


def is_for_sips(row: StoredMessage) -> bool:
    """True when only a sips: contact may receive the row."""
    return row.request_uri.startswith(b"sips:")


def describe(step: Step) -> str:
    """A step in a few letters, for comparison."""
    match step:
        case Claim():
            return f"claim {step.limit}" + (" with sips" if step.with_sips else "")
        case Send():
            return f"send {step.row.id} {name_of(step.contact)}"
        case Settle():
            return f"settle {step.row.id} {step.how}" + (f" +{step.at - START:g}" if step.at else "")
        case Postpone():
            ids = ",".join(str(row.id) for row in step.rows)
            return f"postpone {ids} +{step.until - START:g} {step.status}"
        case Reject():
            return f"reject {step.row.id} {step.status}"
        case Release():
            return "release " + ",".join(str(row.id) for row in step.rows)
        case Finished():
            return "finished" if step.retry_at is None else f"finished +{step.retry_at - START:g}"

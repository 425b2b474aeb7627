"""The layer against its tables on random walks: the same bytes and calls at the same instants.

`Walker` reads a table, without queues, memories and shortcuts. The shortcuts of the layer must not be visible
(a completed NIST is an entry of the memory, a NICT is dropped at its final response).

"""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msilod.sip.flow import Flow
from msilod.transaction.tables import ICT, IST, NICT, NIST, Action, Input, Machine, State
from msilod.transaction.timers import INTERVALS, T1, T2
from tests.transaction.station import (
    ALICE,
    ALICE_TCP,
    BOB,
    BOB_TCP,
    OURS,
    START,
    Station,
    message,
    status_of,
)  # fmt: skip

I, A = Input, Action  # noqa: E741
Event = tuple[float, str]
RESENDING: Final = (I.TIMER_A, I.TIMER_E, I.TIMER_G)


class Walker:
    """One machine, run by its table and the intervals. `log` has the visible actions."""

    def __init__(self, machine: Machine, is_reliable: bool) -> None:
        self.machine = machine
        self.is_reliable = is_reliable
        self.state = machine.initial
        self.timers: dict[Input, float] = {}
        self.resends = 0
        self.now = START
        self.last = ""
        self.log: list[Event] = []
        self.is_broken = False
        self.start_timers()

    def start_timers(self) -> None:
        for timer in self.machine.timers.get(self.state, ()):
            seconds = INTERVALS[timer][self.is_reliable]
            if seconds is not None:
                self.timers[timer] = self.now + seconds
        self.resends = 0

    def feed(self, happened: Input, word: str = "") -> None:
        step = self.machine.table.get((self.state, happened))
        if step is None:
            return
        former, self.state = self.state, step[0]
        if former is not self.state:
            if self.state is not State.PROCEEDING:
                self.timers.clear()
            self.start_timers()
        self.act(step[1], word)
        # Timers of zero fire at once (§17.1.1.2, §17.1.2.2, §17.2.1, §17.2.2).
        self.advance(self.now)

    def act(self, action: Action, word: str) -> None:
        if action is A.SEND:
            self.last = word
        elif action is A.SEND_TRYING:
            self.last = "100"
        if action in (A.SEND, A.SEND_AGAIN, A.SEND_TRYING):
            self.put(self.last)
        elif action in (A.ACK_AND_TELL, A.ACK_AGAIN):
            self.put("ACK")
        told = {
            A.TELL_RESPONSE: f"told {word}",
            A.ACK_AND_TELL: f"told {word}",
            A.TELL_TIMEOUT: "timeout",
            A.TELL_TRANSPORT_ERROR: "transport error",
            A.PASS_ACK: "ack",
        }
        if action in told:
            self.log.append((self.now, told[action]))

    def put(self, word: str) -> None:
        if self.is_broken:
            self.feed(I.TRANSPORT_ERROR)
        else:
            self.log.append((self.now, word))

    def advance(self, to: float) -> None:
        while self.timers:
            timer, deadline = min(self.timers.items(), key=lambda entry: entry[1])
            if deadline > to:
                break
            self.now = deadline
            del self.timers[timer]
            if timer in RESENDING:
                self.timers[timer] = self.now + self.next_interval(timer)
            self.feed(timer)
        self.now = to

    def next_interval(self, timer: Input) -> float:
        """§17.1.1.2: doubled; §17.1.2.2 and §17.2.1: up to T2. Timer E is T2 in proceeding."""
        self.resends += 1
        if timer is I.TIMER_E and self.state is State.PROCEEDING:
            return T2
        doubled = T1 * 2.0**self.resends
        return doubled if timer is I.TIMER_A else min(doubled, T2)


def seen(station: Station, request: str) -> list[Event]:
    """The visible actions of the layer, in the words of the walker."""
    events: list[tuple[float, int, str]] = []
    for time, data, _ in station.sent:
        status = status_of(data)
        method = data.partition(b" ")[0].decode()
        events.append((time, 0, str(status) if status else method.replace(request, "again")))
    for time, word, what in station.told:
        if word != "request":
            events.append((time, 1, f"told {getattr(what, 'status', '')}" if word == "response" else word))
    return sorted((time, word) for time, _, word in events)


Step = tuple[str, int]
waits = st.tuples(st.just("wait"), st.integers(1, 40))
breaks = st.tuples(st.sampled_from(["break", "mend"]), st.just(0))
STREAM = st.booleans()


def walk(*more: st.SearchStrategy[Step]) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.one_of(waits, waits, breaks, *more), max_size=25)


def both_wait(station: Station, walker: Walker, quarters: int) -> None:
    to = station.now + quarters / 4
    station.advance(to)
    walker.advance(to)


def both_break(station: Station, walker: Walker, what: str) -> None:
    station.is_broken = walker.is_broken = what == "break"


answers = st.tuples(st.just("answer"), st.sampled_from([100, 183, 200, 202, 302, 404, 486, 503, 603]))
copies = st.tuples(st.just("copy"), st.just(0))
acks = st.tuples(st.just("ack"), st.just(0))
icmp = st.tuples(st.just("icmp"), st.just(0))


def input_for(machine: Machine, status: int) -> Input:
    if status < 200:
        return I.PROVISIONAL
    if machine in (NICT, NIST):
        return I.FINAL
    return I.SUCCESS if status < 300 else I.FAILURE


@pytest.mark.parametrize("machine", [ICT, NICT], ids=repr)
@given(walk(answers, answers, icmp), STREAM)
def test_a_client_transaction_follows_its_table(machine: Machine, steps: list[Step], is_stream: bool) -> None:
    station, walker = Station(), Walker(machine, is_stream)
    flow: Flow = BOB_TCP if is_stream else BOB
    method = b"INVITE" if machine is ICT else b"MESSAGE"
    station.asks(method, flow)
    walker.last = "again"
    walker.log.append((START, "again"))
    first = station.requests()[0]
    for what, number in steps:
        if what == "wait":
            both_wait(station, walker, number)
        elif what == "answer":
            station.hears_answer(number, first)
            walker.feed(input_for(machine, number), str(number))
        elif what == "icmp":
            station.layer.transport_failed(OURS, station.now)
            walker.feed(I.TRANSPORT_ERROR)
        else:
            both_break(station, walker, what)
    both_wait(station, walker, 4 * 70)
    assert seen(station, method.decode()) == sorted(walker.log)
    assert station.layer.open_transactions == int(walker.state is State.PROCEEDING and machine is ICT)


def server_step(station: Station, walker: Walker, what: str, number: int, flow: Flow) -> None:
    machine = walker.machine
    method = b"INVITE" if machine is IST else b"MESSAGE"
    if what == "copy":
        station.hears(message(method), flow)
        walker.feed(I.REQUEST)
    elif what == "ack":
        station.hears(message(b"ACK", to=b"<sip:bob@example.test>;tag=any"), flow)
        walker.feed(I.ACK)
    else:
        is_early = number == 100 and walker.state is State.TRYING and not walker.is_reliable
        station.servers[0].respond(number, station.now)
        if machine is IST or not (is_early or 100 < number < 200):
            walker.feed(input_for(machine, number), str(number))


@pytest.mark.parametrize("machine", [IST, NIST], ids=repr)
@given(st.data(), STREAM)
def test_a_server_transaction_follows_its_table(
    machine: Machine, data: st.DataObject, is_stream: bool
) -> None:
    steps = data.draw(
        walk(answers, copies, copies, acks) if machine is IST else walk(answers, copies, copies)
    )
    station, walker = Station(), Walker(machine, is_stream)
    flow = ALICE_TCP if is_stream else ALICE
    station.hears(message(b"INVITE" if machine is IST else b"MESSAGE"), flow)
    if machine is IST:
        walker.feed(I.PROVISIONAL, "100")
    for what, number in steps:
        if what == "wait":
            both_wait(station, walker, number)
        elif what in ("break", "mend"):
            both_break(station, walker, what)
        elif walker.state is State.TERMINATED and what != "answer":
            # The next request starts a new transaction.
            break
        else:
            server_step(station, walker, what, number, flow)
    assert seen(station, "") == sorted(walker.log)
    assert station.words().count("request") == 1


def test_the_memory_may_keep_a_completed_transaction_one_generation_longer() -> None:
    station, walker = Station(), Walker(NIST, False)
    station.hears(message())
    station.servers[0].respond(202, station.now)
    walker.feed(I.FINAL, "202")
    both_wait(station, walker, 4 * 32)
    assert walker.state is State.TERMINATED
    both_wait(station, walker, 4 * 2)
    assert station.layer.remembered == 0

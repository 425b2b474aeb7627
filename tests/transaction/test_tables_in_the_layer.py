"""Every line of the four tables, and every message without a line, through the real layer.

The test brings a transaction into the state and makes the input. The sent messages and the calls must be the action.

"""

import pytest

from msilod.sip.flow import Flow
from msilod.transaction.tables import ICT, IST, NICT, NIST, Action, Input, Machine, State
from msilod.transaction.timers import INTERVALS
from tests.transaction.station import ALICE, ALICE_TCP, OURS, START, Station, message, status_of

S, I, A = State, Input, Action  # noqa: E741
ACK = message(b"ACK", to=b"<sip:bob@example.test>;tag=x")


class Subject:
    """One transaction in a state, and the number of earlier actions."""

    def __init__(self, machine: Machine, state: State, flow: Flow = ALICE) -> None:
        self.machine = machine
        self.station = Station()
        self.is_client = machine in (ICT, NICT)
        self.method = b"INVITE" if machine in (ICT, IST) else b"MESSAGE"
        if self.is_client:
            self.transaction: object = self.station.asks(self.method)
        else:
            self.station.hears(message(self.method), flow)
            self.transaction = self.station.servers[0]
        self.bring(state)
        assert self.state is state
        self.sent = len(self.station.sent)
        self.told = len(self.station.told)
        self.unsent = self.station.layer.unsent

    def bring(self, state: State) -> None:
        if self.is_client:
            status = {S.PROCEEDING: 180, S.ACCEPTED: 200, S.COMPLETED: 486}.get(state)
            if status:
                self.station.hears_answer(status)
            return
        if state is S.PROCEEDING and self.machine is NIST:
            self.station.after(3.5)
        elif state is S.ACCEPTED:
            self.station.servers[0].respond(200, self.station.now)
        elif state in (S.COMPLETED, S.CONFIRMED):
            self.station.servers[0].respond(486, self.station.now)
        if state is S.CONFIRMED:
            self.station.hears(ACK)

    @property
    def state(self) -> State:
        """The state. A completed NIST is an entry of the memory."""
        state = self.transaction.state  # type: ignore[attr-defined]
        assert isinstance(state, State)
        if self.machine is NIST and state is S.COMPLETED and not self.station.layer.remembered:
            return S.TERMINATED
        return state

    def happen(self, happened: Input) -> None:
        if happened in INTERVALS:
            self.wait_for(happened)
        elif self.is_client:
            self.happen_to_client(happened)
        else:
            self.happen_to_server(happened)

    def happen_to_client(self, happened: Input) -> None:
        if happened is I.TRANSPORT_ERROR:
            self.station.layer.transport_failed(OURS, self.station.now)
        else:
            statuses = {I.PROVISIONAL: 183, I.SUCCESS: 202, I.FAILURE: 404, I.FINAL: 404}
            self.station.hears_answer(statuses[happened])

    def happen_to_server(self, happened: Input) -> None:
        server = self.station.servers[0]
        if happened is I.REQUEST:
            self.station.hears(message(self.method))
        elif happened is I.ACK:
            self.station.hears(ACK)
        elif happened is I.TRANSPORT_ERROR:
            self.station.is_broken = True
            if self.state is S.ACCEPTED:
                server.respond(200, self.station.now)
            else:
                self.station.hears(message(self.method))
        else:
            statuses = {I.PROVISIONAL: 100, I.SUCCESS: 202, I.FAILURE: 404, I.FINAL: 404}
            server.respond(statuses[happened], self.station.now)

    def wait_for(self, timer: Input) -> None:
        """Wait until the timer fires; actions of other timers before do not count."""
        if timer is I.CANCEL_EXPIRED:
            self.station.layer.cancel(self.transaction, self.station.now)  # type: ignore[arg-type]
            self.station.hears_answer(200, self.station.requests(b"CANCEL")[0])
        since = START if timer in (I.TIMER_F, I.PEER_GAVE_UP) else self.station.now
        deadline = since + (INTERVALS[timer][0] or 0.0)
        if timer is I.TIMER_E and self.state is S.PROCEEDING:
            deadline = START + 0.5
        self.station.advance(deadline - 0.01)
        self.sent, self.told = len(self.station.sent), len(self.station.told)
        # The memory forgets whole generations of 2 s.
        self.station.advance(deadline + (2.0 if timer is I.TIMER_J else 0.0))

    def action(self, happened: Input) -> Action:
        sent = [data for _, data, _ in self.station.sent[self.sent :]]
        told = [word for _, word, _ in self.station.told[self.told :]]
        if self.station.layer.unsent > self.unsent:
            return A.COUNT_ERROR
        words = {
            "response": A.TELL_RESPONSE,
            "timeout": A.TELL_TIMEOUT,
            "transport error": A.TELL_TRANSPORT_ERROR,
            "ack": A.PASS_ACK,
        }
        if sent and sent[0].startswith(b"ACK "):
            return A.ACK_AND_TELL if told == ["response"] else A.ACK_AGAIN
        if told:
            assert (len(told), sent) == (1, [])
            return words[told[0]]
        if not sent:
            return A.NOTHING
        assert len(sent) == 1
        if happened in (I.PROVISIONAL, I.SUCCESS, I.FAILURE, I.FINAL):
            return A.SEND
        before = [data for _, data, _ in self.station.sent[: self.sent]]
        if sent[0] in before:
            return A.SEND_AGAIN
        assert status_of(sent[0]) == 100
        return A.SEND_TRYING


def name_of(part: Machine | State | Input) -> str:
    return part.name


def lines() -> list[tuple[Machine, State, Input]]:
    return [
        (machine, state, happened) for machine in (ICT, NICT, IST, NIST) for state, happened in machine.table
    ]


@pytest.mark.parametrize(("machine", "state", "happened"), lines(), ids=name_of)
def test_each_line_of_a_table_holds_in_the_layer(machine: Machine, state: State, happened: Input) -> None:
    if (machine, happened) == (NICT, I.TIMER_K):
        pytest.skip("the short cut has no Timer K: test_walks.py shows that nobody can tell")
    # RFC 4320 §4.1 permits a 100 to a non-INVITE on streams only.
    flow = ALICE_TCP if (machine, state, happened) == (NIST, S.TRYING, I.PROVISIONAL) else ALICE
    then, does = machine.table[state, happened]
    subject = Subject(machine, state, flow)
    subject.happen(happened)
    assert (subject.action(happened), subject.state) == (does, then)


MESSAGES = {
    ICT: (I.PROVISIONAL, I.SUCCESS, I.FAILURE, I.TRANSPORT_ERROR),
    NICT: (I.PROVISIONAL, I.FINAL, I.TRANSPORT_ERROR),
    IST: (I.REQUEST, I.ACK, I.PROVISIONAL, I.SUCCESS, I.FAILURE),
    NIST: (I.REQUEST, I.FINAL),
}


def gaps() -> list[tuple[Machine, State, Input]]:
    return [
        (machine, state, happened)
        for machine, inputs in MESSAGES.items()
        for state in dict.fromkeys(state for state, _ in machine.table)
        for happened in inputs
        if (state, happened) not in machine.table
    ]


@pytest.mark.parametrize(("machine", "state", "happened"), gaps(), ids=name_of)
def test_input_without_a_line_is_ignored(machine: Machine, state: State, happened: Input) -> None:
    subject = Subject(machine, state)
    subject.happen(happened)
    assert (subject.action(happened), subject.state) == (A.NOTHING, state)

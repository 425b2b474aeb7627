"""The loads a worker can make of a server: store, deliver, relay, register.

Rules: `prepare` brings the server into the state the scenario starts from and warms it up, `measure` is
the only part on the clock, `finish` looks for what came too late or twice. The feeds run on from one to
the next, so no key is used twice.
"""

from collections.abc import Iterable
from itertools import chain, count
from math import inf
from time import monotonic

from tests.bench.load.agent import Agent, run
from tests.bench.load.job import DELIVER, NEW, REFRESH, RELAY, STORE, Job, Outcome
from tests.bench.load.ledger import Ledger
from tests.bench.load.stream_agent import StreamAgent
from tests.bench.load.tally import Tally
from tests.bench.load.wire import (
    Feed,
    message_template,
    messages,
    register_template,
    registers,
    user_name,
)

PHONES = 16
SILENCE = 12.0
"""A phone that hears nothing for so long hears nothing more: longer than fr_timer's 10 s."""
LINGER = 1.0


class Load:
    """A load of one job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.users = [] if job.scenario.kind == NEW else [user_name(number) for number in job.users]
        self.outcome = Outcome(Tally())
        self.agents: list[Agent] = []
        self.aside: list[Tally] = []

    def agent(self, ledger: Ledger | None = None) -> Agent:
        """Another socket of this worker."""
        kind = StreamAgent if self.job.scenario.is_tcp else Agent
        agent = kind(self.job.server, self.job.run, ledger)
        self.agents.append(agent)
        return agent

    def message_feeds(self, agent: Agent, slots: int, numbers: Iterable[int] | None = None) -> list[Feed]:
        """Each user belongs to one feed, so that his messages are accepted in their order."""
        template = message_template(self.job.domain, agent.port, self.job.run, self.job.body)
        return [
            messages(template, part, count() if numbers is None else numbers)
            for part in slices(self.users, slots)
        ]

    def run_all(self, agent: Agent, feeds: list[Feed], tally: Tally) -> None:
        """Runs finite feeds to their end, off the clock."""
        self.aside.append(tally)
        agent.start(feeds, tally, inf)
        run(self.agents, lambda now: agent.is_idle)

    def run_for(self, agents: dict[Agent, list[Feed]], tally: Tally, seconds: float) -> None:
        """Runs feeds for some time; the open transactions are waited for, outside the window."""
        tally.begin = monotonic()
        tally.end = tally.begin + seconds
        for agent, feeds in agents.items():
            agent.start(feeds, tally, tally.end)
        run(self.agents, lambda now: now >= tally.end and all(agent.is_idle for agent in agents))

    def prepare(self) -> None:
        """Off the clock."""

    def measure(self) -> None:
        """On the clock."""

    def finish(self) -> Outcome:
        """Off the clock again: the outcome, with the books closed. What got no answer counts in any phase."""
        for agent in self.agents:
            agent.close()
        self.outcome.tally.lost += sum(tally.lost for tally in self.aside)
        return self.outcome


class TimedLoad(Load):
    """The same feeds for `warm_up` and then for `seconds`."""

    wanted = b"200"
    feeds: dict[Agent, list[Feed]]

    def warm_up(self) -> None:
        """Full load, not counted."""
        if self.job.warm_up > 0:
            self.aside.append(self.tally())
            self.run_for(self.feeds, self.aside[-1], self.job.warm_up)

    def tally(self) -> Tally:
        """An empty one for the next phase."""
        return Tally(wanted=self.wanted)

    def measure(self) -> None:
        """Full load, counted."""
        self.outcome.tally = self.tally()
        self.outcome.began = monotonic()
        self.run_for(self.feeds, self.outcome.tally, self.job.seconds)
        self.outcome.ended = min(monotonic(), self.outcome.tally.end)
        self.outcome.transactions = self.outcome.tally.finals


class StoreLoad(TimedLoad):
    """MESSAGEs to users nobody has registered."""

    wanted = b"202"

    def prepare(self) -> None:
        """A message to each user is not needed first: the silo starts empty."""
        agent = self.agent()
        self.feeds = {agent: self.message_feeds(agent, self.job.outstanding)}
        self.warm_up()


class RefreshLoad(TimedLoad):
    """REGISTERs of users who are registered already."""

    def prepare(self) -> None:
        """Registers everybody once."""
        agent = self.agent()
        template = register_template(self.job.domain, agent.port, self.job.run)
        parts = slices(self.users, self.job.outstanding)
        self.run_all(agent, [registers(template, part, 1) for part in parts], self.tally())
        self.feeds = {agent: [rounds(template, part) for part in parts]}
        self.warm_up()


class NewLoad(TimedLoad):
    """REGISTERs of users never seen before."""

    def prepare(self) -> None:
        """The numbers of the users run on without an end."""
        agent = self.agent()
        template = register_template(self.job.domain, agent.port, self.job.run)
        slots = self.job.outstanding
        names = [map(user_name, self.job.users[slot::slots]) for slot in range(slots)]
        self.feeds = {agent: [registers(template, part, 1) for part in names]}
        self.warm_up()


class RelayLoad(TimedLoad):
    """MESSAGEs to registered contacts, which answer 200."""

    def tally(self) -> Tally:
        """Keys answered with 200, all phases in one list: each must have arrived."""
        return Tally(wanted=self.wanted, accepted=self.accepted)

    def prepare(self) -> None:
        """Registers everybody from a phone."""
        self.accepted: list[bytes] = []
        self.ledger = Ledger(self.job.run, self.job.body)
        phones = [self.agent(self.ledger) for _ in range(min(PHONES, len(self.users)))]
        for phone, part in zip(phones, slices(self.users, len(phones)), strict=True):
            template = register_template(self.job.domain, phone.port, self.job.run)
            self.run_all(phone, [registers(template, part, 1)], Tally())
        sender = self.agent()
        self.feeds = {sender: self.message_feeds(sender, self.job.outstanding)}
        self.warm_up()

    def finish(self) -> Outcome:
        """What was answered with 200 has been in the hands of a phone."""
        self.outcome.books = self.ledger.close(self.accepted)
        return super().finish()


class DeliverLoad(Load):
    """Users with messages in the silo register; their phones answer 200."""

    def prepare(self) -> None:
        """Fills the silo."""
        self.accepted: list[bytes] = []
        self.ledger = Ledger(self.job.run, self.job.body)
        self.began: dict[bytes, float] = {}
        self.filling = Tally(wanted=b"202", accepted=self.accepted)
        sender = self.agent()
        slots = min(self.job.fillers, len(self.users))
        self.run_all(sender, self.message_feeds(sender, slots, range(self.job.scenario.each)), self.filling)
        phones = [self.agent(self.ledger) for _ in range(min(PHONES, self.job.outstanding, len(self.users)))]
        self.parts = list(zip(phones, slices(self.users, len(phones)), strict=True))

    def measure(self) -> None:
        """Registers everybody, waits for the last message that was accepted."""
        tally = self.outcome.tally
        tally.begin = self.outcome.began = monotonic()
        self.register(1, tally)
        expected = len(self.accepted)
        run(self.agents, lambda now: self.ledger.books.arrived >= expected or self.is_silent(now))
        self.outcome.ended = self.ledger.latest or monotonic()
        self.outcome.transactions = self.ledger.books.arrived
        last_at = self.ledger.last_at
        self.outcome.served = [last_at[user] - at for user, at in self.began.items() if user in last_at]

    def register(self, number: int, tally: Tally) -> None:
        """One REGISTER for each user, `outstanding` at a time over all phones."""
        for index, (phone, part) in enumerate(self.parts):
            slots = max(1, (self.job.outstanding + index) // len(self.parts))
            template = register_template(self.job.domain, phone.port, self.job.run)
            feeds = [registers(template, self.stamped(own), number) for own in slices(part, slots)]
            phone.start(feeds, tally, inf)

    def stamped(self, users: list[bytes]) -> Iterable[bytes]:
        """The users, each with the time at which his first REGISTER left."""
        for user in users:
            self.began.setdefault(user, monotonic())
            yield user

    def is_silent(self, now: float) -> bool:
        """No message for SILENCE, and no REGISTER waits for its answer."""
        latest = max(self.ledger.latest, self.outcome.began)
        return now - latest > SILENCE and all(phone.is_idle for phone, _ in self.parts)

    def finish(self) -> Outcome:
        """Registers everybody again: what was delivered must not come twice."""
        self.aside.append(Tally())
        self.register(2, self.aside[-1])
        end = monotonic() + LINGER
        run(self.agents, lambda now: now >= end and all(phone.is_idle for phone, _ in self.parts))
        self.outcome.refill = dict(self.filling.refused)
        self.outcome.books = self.ledger.close(self.accepted, self.filling.unanswered)
        return super().finish()


def slices(users: list[bytes], parts: int) -> list[list[bytes]]:
    """The users dealt out to at most `parts` hands, none of them empty."""
    return [users[index::parts] for index in range(min(parts, len(users)))]


def rounds(template: bytes, users: list[bytes]) -> Feed:
    """Refreshes without an end: CSeq 2, 3 ..."""
    return chain.from_iterable(registers(template, users, number) for number in count(2))


LOADS: dict[str, type[Load]] = {
    STORE: StoreLoad,
    DELIVER: DeliverLoad,
    RELAY: RelayLoad,
    REFRESH: RefreshLoad,
    NEW: NewLoad,
}

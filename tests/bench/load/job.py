"""What one run is: the scenarios by name, the job of a worker, and what a worker brings home."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests.bench.load.ledger import Books
from tests.bench.load.tally import Tally

STORE, DELIVER, RELAY, REFRESH, NEW, CALLS = "store", "deliver", "relay", "refresh", "new", "calls"
DIGEST = "digest"


@dataclass(frozen=True)
class Scenario:
    """`each`: messages per user (deliver). `outstanding`: open transactions in all workers together.

    `has_users`: msilod has users, and so its limits of senders; the load comes from a trusted network and is not
    challenged, but for the digest scenario. Each message of a round has another sender, as many as there are
    recipients.
    """

    name: str
    kind: str
    users: int
    outstanding: int
    each: int = 0
    is_long: bool = False
    is_tcp: bool = False
    has_users: bool = False


SCENARIOS = (
    Scenario("store-1", STORE, 10_000, 1),
    Scenario("store-32", STORE, 10_000, 32),
    Scenario("store-256", STORE, 10_000, 256),
    Scenario("store-32-users", STORE, 10_000, 32, has_users=True),
    Scenario("store-256-users", STORE, 10_000, 256, has_users=True),
    Scenario("store-tcp", STORE, 10_000, 32, is_tcp=True),
    Scenario("deliver-200x100", DELIVER, 200, 32, each=100),
    Scenario("deliver-20000x1", DELIVER, 20_000, 32, each=1),
    Scenario("deliver-1x1000", DELIVER, 1, 32, each=1000),
    Scenario("relay-32", RELAY, 200, 32),
    Scenario("relay-tcp", RELAY, 200, 32, is_tcp=True),
    Scenario("calls-32", CALLS, 200, 32),
    Scenario("register-refresh", REFRESH, 1000, 32),
    Scenario("register-new", NEW, 1, 32),
    Scenario("register-digest", DIGEST, 1000, 32, has_users=True),
    Scenario("steady", STORE, 20_000, 256, is_long=True),
)


@dataclass(frozen=True)
class Job:
    """One worker's part of a scenario. Times in seconds, `body` in bytes.

    `fillers`: open transactions while a silo is filled off the clock.
    """

    scenario: Scenario
    server: tuple[str, int]
    domain: bytes
    run: bytes
    users: range
    outstanding: int
    seconds: float
    warm_up: float
    body: int
    fillers: int = 1


@dataclass
class Outcome:
    """What a worker counted. `began` and `ended` are monotonic seconds; `cpu` seconds of the worker."""

    tally: Tally
    books: Books = field(default_factory=Books)
    began: float = 0.0
    ended: float = 0.0
    cpu: float = 0.0
    transactions: int = 0
    served: list[float] = field(default_factory=list)
    """Deliver: seconds from a user's REGISTER to his last message."""
    refill: dict[str, int] = field(default_factory=dict)
    """Deliver: refusals while the silo was filled."""


def select(names: Sequence[str]) -> list[Scenario]:
    """The scenario of each name. A name without a scenario stands for all that begin with the name and a dash.

    Raises ValueError for a name that stands for none.

    Nothing given: all but the long one; `all`: that one too.
    """
    if not names:
        return [scenario for scenario in SCENARIOS if not scenario.is_long]
    known = {scenario.name for scenario in SCENARIOS}
    chosen: set[str] = set()
    for name in names:
        found = known if name == "all" else {name} & known or {n for n in known if n.startswith(name + "-")}
        if not found:
            raise ValueError(f"no scenario {name}; there are: {', '.join(s.name for s in SCENARIOS)}")
        chosen |= found
    return [scenario for scenario in SCENARIOS if scenario.name in chosen]


def split(job: Job, workers: int) -> list[Job]:
    """The job's parts for at most `workers` processes; none without a user and an open transaction."""
    parts = max(1, min(workers, job.outstanding, len(job.users)))
    if job.scenario.kind == NEW:
        parts = max(1, min(workers, job.outstanding))
    return [_part(job, index, parts) for index in range(parts)]


def _part(job: Job, index: int, parts: int) -> Job:
    open_here = job.outstanding * (index + 1) // parts - job.outstanding * index // parts
    first = len(job.users) * index // parts
    last = len(job.users) * (index + 1) // parts
    users = range(job.users.start + first, job.users.start + last)
    if job.scenario.kind == NEW:
        users = range(index, 100_000_000, parts)
    run = b"%02d%02d" % (int(job.run) % 100, index % 100)
    return replace(job, run=run, users=users, outstanding=open_here)

"""A clock, a writer, tasks and transports without I/O, for tests that build a class from its collaborators.

The test moves the clock, answers the jobs of the writer, runs the later actions, and reads the sent messages. These
four classes are the only ones replaced: all other collaborators are the daemon's own.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from msilod.clock import Clock
from msilod.errors import TransportError
from msilod.sip.flow import TCP, UDP, Endpoint, Flow
from msilod.sip.message import Request
from msilod.sip.parser import parse
from msilod.store.jobs import AddJob, CallJob, EndJob
from msilod.store.writer.contract import Job, StoreWriter
from msilod.tasks import Tasks
from msilod.transport.transports import Transports

# Monotonic seconds, and wall seconds (UTC), at the begin of a test.
NOW = 1_000.0
WALL = 1_700_000_000.0
UDP_HERE = Endpoint(UDP, "192.0.2.1", 5060, b"SIP/2.0/UDP 192.0.2.1:5060")
TCP_HERE = Endpoint(TCP, "192.0.2.1", 5060, b"SIP/2.0/TCP 192.0.2.1:5060")


class ManualClock(Clock):
    """A clock that stands still until the test calls `pass_`."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.ahead = 0.0
        self.base = WALL
        self.now = lambda: NOW + self.passed

    def wall(self) -> float:
        return WALL + self.passed

    def system(self) -> float:
        return WALL + self.passed + self.ahead

    def pass_(self, seconds: float) -> float:
        """Let time pass. Returns monotonic seconds."""
        self.passed += seconds
        return self.now()


class AnsweredWriter(StoreWriter):
    """A writer whose jobs wait until the test answers them."""

    def names(self) -> list[str]:
        """The names of the waiting jobs, in order."""
        return [_call(job)[0] for job in self._collected]

    def asked(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of the waiting jobs of this name."""
        return [_call(job)[1] for job in self._collected if _call(job)[0] == name]

    def answer(self, name: str, result: Any = None) -> tuple[Any, ...]:
        """Answer the oldest job of this name. Returns the arguments of the job."""
        job = next(job for job in self._collected if _call(job)[0] == name)
        self._collected.remove(job)
        if job.done is not None:
            job.done(result)
        return _call(job)[1]

    def forget(self) -> None:
        """Forget all waiting jobs."""
        self._collected.clear()

    def withdraw(self, job: Job) -> bool:
        if job not in self._collected:
            return False
        self._collected.remove(job)
        return True


def _call(job: Job) -> tuple[str, tuple[Any, ...]]:
    if isinstance(job, AddJob):
        return "add", (job.message,)
    if isinstance(job, EndJob):
        return "end", (job.end.id, job.end.how, job.end.status)
    assert isinstance(job, CallJob)
    return job.call.name, tuple(job.call.arguments)


class LaterTasks(Tasks):
    """Notes the actions and their delays in seconds. Tasks that were started do not run."""

    def __init__(self) -> None:
        self.actions: list[tuple[float, Callable[[float], None]]] = []
        self.started: list[tuple[Any, ...]] = []
        self.after = lambda: None

    def start(self, run: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        self.started.append(arguments)

    def later(self, seconds: float, action: Callable[[float], None]) -> None:
        self.actions.append((seconds, action))


class NotedTransports(Transports):
    """Transports without sockets. `open` has the serial numbers of the open connections."""

    def __init__(self) -> None:
        super().__init__([])
        self.sent: list[tuple[bytes, Flow]] = []
        self.open: set[int] = set()

    def listening(self) -> list[Endpoint]:
        return [UDP_HERE, TCP_HERE]

    def local_addresses(self) -> list[str]:
        return [UDP_HERE.host]

    def send(self, data: bytes, flow: Flow) -> None:
        if not self.is_open(flow):
            raise TransportError(f"{flow} is closed")
        self.sent.append((data, flow))

    def is_open(self, flow: Flow) -> bool:
        return not flow.connection or flow.connection in self.open

    def udp_flow(self, host: str, port: int) -> Flow:
        return Flow(UDP_HERE, host, port)

    def find_connection(self, transport: str, host: str, port: int, domain: str = "") -> Flow | None:
        return None

    def find_flow(self, text: str) -> Flow | None:
        host, _, port = text.partition(">")[2].partition("#")[0].rpartition(":")
        return Flow(UDP_HERE, host, int(port)) if "#" not in text else None

    def requests(self) -> list[Request]:
        """The requests sent so far, without retransmissions."""
        found: dict[bytes, Request] = {}
        for data, _ in self.sent:
            message = parse(data)
            if isinstance(message, Request):
                found.setdefault(b"%b %b" % (message.method, message.via.branch), message)
        return list(found.values())


def phone_flow(port: int = 5060, connection: int = 0, host: str = "198.51.100.7") -> Flow:
    """The flow to a phone: UDP, or the connection of this serial number."""
    return Flow(TCP_HERE if connection else UDP_HERE, host, port, connection)

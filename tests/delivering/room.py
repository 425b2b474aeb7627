"""Room: the classes of delivering/, tied as in the daemon, without I/O. Bob is the recipient, Carol another user."""

from collections.abc import Sequence

from msilod.auth.trust import Trust
from msilod.counters import Counters
from msilod.daemon.tokens import Tokens
from msilod.delivering.deliverer import Deliverer
from msilod.delivering.delivery_state import DeliveryState
from msilod.delivering.intervention import Intervention
from msilod.delivering.online_attempts import OnlineAttempts
from msilod.delivering.probes import Probes
from msilod.delivering.silo_changes import SiloChanges
from msilod.dns.resolver import Resolver
from msilod.reaching.paths import Paths
from msilod.reaching.places import Places
from msilod.reaching.reachable import Reachable, reach_of
from msilod.registrar.binding import Binding
from msilod.registrar.location import LocationService
from msilod.routing.myself import Myself
from msilod.silo.policy import SiloPolicy
from msilod.silo.runs.who_has_mail import WhoHasMail
from msilod.silo.stored_message import StoredMessage
from msilod.sip.flow import Flow
from msilod.sip.message import Request
from msilod.sip.parser import parse
from msilod.transaction.layer import TransactionLayer
from tests.dns.zone import Zone, always
from tests.transaction.station import answer, response
from tests.without_io import (
    UDP_HERE,
    WALL,
    AnsweredWriter,
    LaterTasks,
    ManualClock,
    NotedTransports,
    phone_flow,
)

BOB, CAROL = "bob@example.test", "carol@example.test"


def binding(
    port: int = 5061,
    aor: str = BOB,
    connection: int = 0,
    methods: frozenset[str] | None = None,
    call_id: str = "r1",
    seconds: float = 3600.0,
    registered_at: float = WALL,
) -> Binding:
    """A contact of `aor`. The port tells contacts apart."""
    return Binding(
        aor,
        f"sip:{aor.partition('@')[0]}@198.51.100.7:{port}",
        call_id,
        1,
        WALL + seconds,
        registered_at,
        flow=phone_flow(port, connection),
        methods=methods,
    )


def row(id: int, aor: str = BOB, **values: object) -> StoredMessage:
    """A stored message from Alice."""
    stored = StoredMessage(
        aor, "alice@example.test", b"%016d" % id, b"sip:" + aor.encode(), b"<sip:alice@example.test>;tag=1",
        b"<sip:%b>" % aor.encode(), b"c%d" % id, 1, b"text/plain", b"", b"text", WALL, WALL + 259_200.0, 4, id,
    )  # fmt: skip
    for name, value in values.items():
        setattr(stored, name, value)
    return stored


class Room:
    """One deliverer, and the classes around the deliverer."""

    def __init__(self, policy: SiloPolicy | None = None) -> None:
        self.clock = ManualClock()
        self.writer = AnsweredWriter()
        self.tasks = LaterTasks()
        self.transports = NotedTransports()
        self.counters = Counters()
        self.location = LocationService()
        self.mail = WhoHasMail()
        self.mail.complete()
        self.layer = TransactionLayer(self.transports.send, b"secret")
        self.myself = Myself(["example.test"], self.transports.listening(), self.transports.local_addresses())
        self.trust = Trust()
        self.places = Places(self.trust)
        self.paths = Paths(
            self.transports,
            self.tasks,
            Resolver(Zone(), reach_of([UDP_HERE]), always(0.0)),
            Reachable(self.myself, self.trust, [UDP_HERE]),
            self.places,
        )
        self.random = Tokens()
        self.state = state = DeliveryState(self.writer, self.location, self.mail, self.clock)
        self.deliverer = Deliverer(
            policy or SiloPolicy(), state, self.layer, self.paths, self.writer, self.counters, self.tasks, self.random
        )  # fmt: skip
        self.deliverer.recalled()
        self.intervention = Intervention(
            self.deliverer, state.runs, state.live, self.deliverer.giving_back, state.schedule, state.pauses,
            self.location, self.mail, self.clock,
        )  # fmt: skip
        self.online = OnlineAttempts(
            self.deliverer, state.runs, state.live, self.deliverer.ends, state.schedule, state.usable,
            state.historian, self.mail, self.clock,
        )  # fmt: skip
        self.probes = Probes(
            self.deliverer, self.writer, state.schedule, state.usable, self.location, self.clock
        )
        self.changes = SiloChanges(
            self.deliverer, self.deliverer.ends, self.intervention, self.mail, self.clock, self.counters
        )
        self.told: list[str] = []
        self.deliverer.ends.tell_sender = lambda row, reason, now: self.told.append(f"{row.id} {reason}")

    # --- actions of a test ---------------------------------------------------------------------------

    def bind(self, *bindings: Binding) -> None:
        """Set the bindings of an AOR, without a delivery."""
        self.location.restore(bindings[0].aor, list(bindings))

    def mailed(self, *aors: str) -> None:
        """Note that these recipients have rows."""
        for aor in aors or (BOB,):
            self.mail.add(aor)

    def register(self, *bindings: Binding) -> None:
        """Set the bindings of an AOR with rows, and begin the delivery."""
        self.bind(*bindings)
        self.mailed(bindings[0].aor)
        self.deliverer.registered(bindings[0].aor, bindings, self.clock.now())

    def started(self, *rows: StoredMessage, to: Sequence[Binding] = ()) -> None:
        """Register contacts of Bob, and give these rows to the run."""
        self.register(*(to or (binding(),)))
        self.writer.answer("claim", list(rows))

    def answer(self, status: int, id: int = 0, more: tuple[bytes, ...] = ()) -> None:
        """The phone answers the MESSAGE of the row `id`; 0: the latest MESSAGE."""
        data, flow = next(
            (data, flow) for data, flow in reversed(self.transports.sent) if not id or _id(data) == id
        )
        self.layer.receive_response(response(answer(data, status, more=more)), flow, self.clock.now())

    def pass_(self, seconds: float) -> None:
        """Let time pass, with the timers of the transactions."""
        until = self.clock.passed + seconds
        while (
            at := self.layer.next_deadline()
        ) is not None and at - self.clock.now() < until - self.clock.passed:
            self.layer.handle_timeout(self.clock.pass_(max(at - self.clock.now(), 0.0)))
        self.clock.pass_(until - self.clock.passed)

    # --- results -------------------------------------------------------------------------------------

    def sent(self) -> list[str]:
        """The MESSAGEs sent so far, as `row>port`."""
        found: dict[bytes, str] = {}
        for data, flow in self.transports.sent:
            request = parse(data)
            assert isinstance(request, Request)
            found.setdefault(request.via.branch, f"{_id(data)}>{flow.port}")
        return list(found.values())

    def retry_in(self, name: str = BOB) -> float | None:
        """Seconds until the end of the back-off of the run `name`."""
        at = self.state.schedule.retry_at(name)
        return None if at is None else at - self.clock.wall()


def _id(data: bytes) -> int:
    request = parse(data)
    assert isinstance(request, Request)
    return int(request.call_id[1:])


def at(port: int) -> Flow:
    """The flow of the contact with this port."""
    return phone_flow(port)

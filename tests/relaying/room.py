"""RelayingRoom: the forks, the sender, the targets and the dialogs, tied as in the daemon, without I/O."""

from collections.abc import Sequence

from msilod.auth.source import Sources
from msilod.proxy.policy import ProxyPolicy
from msilod.proxy.record_route import RecordRoute
from msilod.proxy.target_set import Target, target_set
from msilod.registrar.binding import Binding
from msilod.relaying.ack_forwarder import AckForwarder
from msilod.relaying.booking import Booking
from msilod.relaying.dialogs import Dialogs
from msilod.relaying.fork import Fork
from msilod.relaying.forwarder import Forwarder
from msilod.relaying.invite_fork import InviteFork
from msilod.relaying.sender import Sender
from msilod.relaying.targets import Targets
from msilod.sip.message import Request
from msilod.sip.parser import parse
from tests.delivering.room import BOB, binding
from tests.keeping.room import KeepingRoom, wire
from tests.transaction.station import answer, response, status_of

POLICY = ProxyPolicy(fr_timer=10.0, fr_inv_timer=185.0, max_forwards=70, relay="users")


class NotedFailure:
    """A failure route that notes its calls."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def failed(self, fork: Fork, status: int, now: float) -> None:
        self.told.append(("failed", status))

    def late(self, fork: Fork, target: Target, status: int, now: float) -> None:
        self.told.append(("late", status))

    def silent(self, branch: bytes) -> None:
        self.told.append(("silent", 0))

    def taken(self, fork: Fork) -> None:
        self.told.append(("taken", 0))


class RelayingRoom(KeepingRoom):
    """Alice's requests are relayed to contacts of Bob."""

    def __init__(
        self, policy: ProxyPolicy = POLICY, users: tuple[str, ...] = (), edges: Sequence[str] = ()
    ) -> None:
        super().__init__(users=users)
        sources = Sources(edges)
        self.dialogs = Dialogs(
            RecordRoute(bytes(16)), self.myself, self.location, self.clock, self.members, sources
        )
        self.targets = Targets(self.myself, self.location, self.transports, self.trust, self.clock, policy)
        self.booking = Booking(self.trust, sources)
        self.sender = Sender(
            policy, self.layer, self.paths, self.dialogs, self.trust, self.booking, self.targets.reach,
            self.state.apart, self.random,
        )  # fmt: skip
        self.ack_forwarder = AckForwarder(
            policy, self.paths, self.transports, self.trust, self.booking, self.counters, self.random
        )
        self.forwarder = Forwarder(self.sender, self.counters)
        self.failure = NotedFailure()

    def fork(self, *bindings: Binding, data: bytes = b"", targets: Sequence[Target] = ()) -> Fork:
        """Relay a MESSAGE to these contacts, or to these targets."""
        transaction = self.incoming(data or wire()).transaction
        fork = self.forwarder.relay(transaction, targets or target_set(bindings), BOB, None)
        assert isinstance(fork, Fork)
        fork.failure_route = lambda: self.failure
        fork.begin(self.clock.now())
        return fork

    def call(self, *bindings: Binding) -> InviteFork:
        """Relay an INVITE to these contacts. The statuses of failures reported by `on_failure` go to `failure`."""
        transaction = self.incoming(invite()).transaction
        fork = self.forwarder.relay(transaction, target_set(bindings), BOB, None)
        assert isinstance(fork, InviteFork)
        fork.on_failure = lambda status, give_best, now: self.failure.told.append(("failed", status))
        fork.begin(self.clock.now())
        return fork

    def reply(self, port: int, status: int, more: tuple[bytes, ...] = (), method: bytes = b"") -> None:
        """The contact at `port` answers its latest request, or its latest request of `method`."""
        data, flow = next(
            (data, flow) for data, flow in reversed(self.transports.sent)
            if flow.port == port and not status_of(data) and not data.startswith(b"ACK") and data.startswith(method)
        )  # fmt: skip
        self.layer.receive_response(response(answer(data, status, more=more), flow), flow, self.clock.now())

    def icmp(self, port: int) -> None:
        """An ICMP error says that no port is open for the latest request to `port`."""
        data = next(
            data for data, flow in reversed(self.transports.sent) if flow.port == port and not status_of(data)
        )
        request = parse(data)
        assert isinstance(request, Request)
        self.layer.transport_failed(request.via.branch, self.clock.now())
        self.layer.handle_timeout(self.clock.now())

    def ports(self, method: bytes = b"") -> list[int]:
        """The ports of the requests to Bob, without retransmissions."""
        found: dict[bytes, int] = {}
        for data, flow in self.transports.sent:
            message = parse(data)
            if isinstance(message, Request) and message.method == (method or message.method):
                found.setdefault(b"%b %b" % (message.method, message.via.branch), flow.port)
        return list(found.values())

    def finals(self) -> list[int]:
        """The final statuses sent to Alice."""
        return [status for status in self.statuses() if status >= 200]


def invite(number: int = 1) -> bytes:
    """An INVITE of Alice to Bob."""
    head = (
        b"INVITE sip:bob@example.test SIP/2.0",
        b"Via: SIP/2.0/UDP 198.51.100.7:5071;rport;branch=z9hG4bKi%d" % number, b"Max-Forwards: 70",
        b"From: <sip:alice@example.test>;tag=1", b"To: <sip:bob@example.test>", b"Call-ID: i%d" % number,
        b"CSeq: 1 INVITE", b"Contact: <sip:alice@198.51.100.7:5071>", b"Content-Length: 0",
    )  # fmt: skip
    return b"\r\n".join((*head, b"", b""))


def two_flows() -> tuple[Binding, Binding]:
    """Two flows of one device. The first flow is the latest."""
    latest, former = binding(5061, registered_at=2e9), binding(5062)
    for number, flow in enumerate((latest, former), 1):
        flow.instance, flow.reg_id = "urn:uuid:1", number
    return latest, former

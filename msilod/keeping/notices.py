"""Notices: tells senders by MESSAGE about offline recipients and failed messages (msilo's `registrar`).

- Notices are off unless [silo] registrar is set.
- One notice of a kind is sent per sender, recipient and period, and only for text written by a person.
- `may_notify` in silo/compose/notice.py decides which senders get no notice; `build_notice` there writes the notice.
- A notice is sent once. The response is ignored. A notice is never stored.
"""

from collections.abc import Callable, Iterator

from msilod.clock import Clock
from msilod.counters import Counters
from msilod.errors import MsilodError
from msilod.proxy.forwarding import DELIVERY, branch_for
from msilod.proxy.target_set import ANYWHERE, Target, target_set
from msilod.reaching.paths import Paths
from msilod.reaching.places import Places
from msilod.registrar.location import LocationService
from msilod.silo.compose.notice import Kind, NoticeMemory, build_notice, may_notify, notice_text
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.sip.address import NameAddr
from msilod.sip.flow import Flow
from msilod.sip.message import Response
from msilod.transaction.client_transaction import ClientOwner, ClientTransaction
from msilod.transaction.layer import TransactionLayer
from msilod.transaction.server_transaction import ServerTransaction

# A Request-URI in place of the sender's URI (b"" for none), the flow, and the owner of the client transaction.
Way = tuple[bytes, Flow, ClientOwner]


class Notices:
    """Sends the notices, and owns the client transactions. All responses are ignored."""

    def __init__(
        self,
        policy: SiloPolicy,
        layer: TransactionLayer,
        paths: Paths,
        places: Places,
        location: LocationService,
        clock: Clock,
        counters: Counters,
        random: Callable[[], bytes],
    ) -> None:
        self.layer = layer
        self.paths = paths
        self.places = places
        self.location = location
        self.clock = clock
        self.counters = counters
        self.random = random
        self.memory = NoticeMemory()
        self.configure(policy)

    def configure(self, policy: SiloPolicy) -> None:
        """Use `policy` from now on."""
        self.policy = policy
        self.memory.period = float(policy.notice_period)

    def stored(self, transaction: ServerTransaction, row: StoredMessage, now: float) -> None:
        """Tell the sender about an offline recipient and the storing of the MESSAGE."""
        if self._may_tell(row, Kind.OFFLINE):
            contact = transaction.request.headers.get(b"contact") if self.policy.use_contact else None
            ways = self._back(contact, transaction, now) if contact else self._to_sender(row.sender, now)
            self._tell(row, notice_text(self.policy.notice, row), ways, now)

    def failed(self, row: StoredMessage, reason: str, now: float) -> None:
        """Tell the sender about an expired or rejected MESSAGE."""
        template = self.policy.failure_notice
        if template and self._may_tell(row, Kind.FAILED):
            self._tell(row, notice_text(template, row, reason), self._to_sender(row.sender, now), now)

    def _may_tell(self, row: StoredMessage, kind: Kind) -> bool:
        return may_notify(row, kind, self.policy, self.memory, self.clock.wall())

    def _tell(self, row: StoredMessage, text: bytes, ways: Iterator[Way], now: float) -> None:
        told = self.counters.notices
        try:
            uri = NameAddr.parse(row.from_header).uri
            for target_uri, flow, owner in ways:
                call_id, tag = self.random() + b"@msilod", self.random()
                notice = build_notice(uri, text, self.policy, self.clock.system(), call_id, tag)
                notice.uri = target_uri or notice.uri
                self.counters.notices += 1
                branch = branch_for(self.random(), DELIVERY)
                self.layer.request(notice, flow, owner, now, branch)
        except MsilodError:
            self.counters.dropped += 1
            return
        if self.counters.notices == told:
            # The sender has no contact, or only contacts that must answer another request first.
            self.counters.dropped += 1

    def _to_sender(self, sender: str, now: float) -> Iterator[Way]:
        """The Request-URIs and flows to the contacts of the sender; with [silo] next_hop, the flow to the next hop."""
        if self.policy.next_hop:
            targets = [Target(f"sip:{sender}", path=(self.policy.next_hop,))]
            targets[0].reach = ANYWHERE
        else:
            bindings = self.location.bindings(sender, self.clock.wall())
            targets = target_set([binding for binding in bindings if binding.takes_messages])
        for target in targets:
            flow = self.paths.flow_to(target)
            if flow is not None and self.paths.may_leave(target, flow, now):
                owner = self.paths.watched(self, target, flow, now)
                yield b"" if self.policy.next_hop else target.uri.encode("ascii", "replace"), flow, owner

    def _back(self, contact: bytes, transaction: ServerTransaction, now: float) -> Iterator[Way]:
        """The Contact of the message (msilo's use_contact), reached only by the flow on which the message came.

        A source without any answer so far gets one notice at a time (reaching/places.py). Otherwise each datagram with
        a forged source would be answered by a large notice, sent eleven times.
        """
        flow = transaction.flow
        uri = NameAddr.parse(contact).uri
        yield uri, flow, self.places.watched_source(self, flow, now)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Ignored."""

    def on_limit(self, transaction: ClientTransaction, now: float) -> None:
        """Never called: no limit is set."""

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        """Ignored: the sender has gone."""

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        """Ignored: the sender has gone."""

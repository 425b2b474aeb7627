"""KeepingRoom: storing, notices and receipts, tied as in the daemon, without I/O. Alice writes to Bob."""

from msilod.auth.members import Members
from msilod.auth.policy import AuthPolicy
from msilod.auth.users import Users
from msilod.keeping.notices import Notices
from msilod.keeping.receipts import Receipts
from msilod.keeping.storing import Origin, Storing
from msilod.serving.facts import Facts
from msilod.serving.incoming import Incoming
from msilod.serving.lookup import Lookup
from msilod.silo.policy import SiloPolicy
from msilod.sip.flow import Flow
from msilod.sip.message import Request, Response
from msilod.sip.parser import parse
from msilod.transaction.server_transaction import ServerTransaction
from tests.delivering.room import BOB, Room
from tests.transaction.station import received, status_of
from tests.without_io import phone_flow

ALICE = "alice@example.test"
# Alice's phone.
SOURCE = phone_flow(5071)


def wire(
    *lines: bytes, uri: bytes = b"sip:" + BOB.encode(), to: bytes = b"<sip:bob@example.test>", number: int = 1,
    from_: bytes = b"<sip:alice@example.test>;tag=1", body: bytes = b"Hello", content_type: bytes = b"text/plain",
) -> bytes:  # fmt: skip
    """A MESSAGE on the wire. The number tells messages apart."""
    head = (
        b"MESSAGE %b SIP/2.0" % uri, b"Via: SIP/2.0/UDP 198.51.100.7:5071;rport;branch=z9hG4bKm%d" % number, *lines,
        b"From: " + from_, b"To: " + to, b"Call-ID: m%d" % number, b"CSeq: 1 MESSAGE",
        b"Content-Type: " + content_type, b"Content-Length: %d" % len(body),
    )  # fmt: skip
    return b"\r\n".join((*head, b"", body))


class KeepingRoom(Room):
    """The classes of keeping/. `reported` are the rows without an Origin, given on to the deliverer."""

    def __init__(self, policy: SiloPolicy | None = None, users: tuple[str, ...] = ()) -> None:
        super().__init__(policy)
        known = Users()
        known.is_readable = True
        known.existed = bool(users)
        for aor in users:
            known.put(aor, [(b"MD5", bytes(16))])
        self.members = Members(known, AuthPolicy())
        self.reported: list[int] = []
        self.storing = Storing(
            policy or SiloPolicy(), self.writer, self.myself, self.members, self.clock, self.counters,
            lambda row, now: self.reported.append(row.id),
        )  # fmt: skip
        self.notices = Notices(
            policy or SiloPolicy(),
            self.layer,
            self.paths,
            self.places,
            self.location,
            self.clock,
            self.counters,
            self.random,
        )
        self.receipts = Receipts(
            policy or SiloPolicy(), self.myself, self.members, self.writer, self.deliverer, self.clock, self.counters,
            self.random,
        )  # fmt: skip
        self.facts = Facts(
            self.myself, Lookup(self.location, self.state.usable), self.members, self.deliverer, self.storing,
            self.clock,
        )  # fmt: skip
        self.transactions: list[ServerTransaction] = []
        self.layer.serve(self)

    # --- as the user of the transaction layer --------------------------------------------------------

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        self.transactions.append(transaction)

    def on_cancel(self, invite: ServerTransaction, now: float) -> None:
        """Not used."""

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        """Not used."""

    def on_refused(self, flow: Flow, now: float) -> None:
        """Not used."""

    def on_unsent(self, data: bytes, flow: Flow) -> None:
        """Not used."""

    # --- actions of a test ---------------------------------------------------------------------------

    def incoming(self, data: bytes, flow: Flow = SOURCE) -> Incoming:
        """The request after the gate."""
        self.layer.receive_request(received(data, flow), flow, self.clock.now())
        transaction = self.transactions[-1]
        request = transaction.request
        named, author = self.myself.named(request.uri), self.myself.identify(request.from_.uri)
        return Incoming(self.facts, transaction, named, author, [], None, self.clock.wall())

    def store(
        self, data: bytes, mode: int = 0, origin: Origin | None = None, new_uri: bytes = b""
    ) -> Incoming:
        """Call m_store for this MESSAGE."""
        incoming = self.incoming(data)
        incoming.new_uri = new_uri
        self.storing.store(incoming, mode, "", self.clock.now(), origin)
        return incoming

    def responses(self) -> list[Response]:
        """The responses to Alice."""
        found = [parse(data) for data, _ in self.transports.sent if status_of(data)]
        return [response for response in found if isinstance(response, Response)]

    def statuses(self) -> list[int]:
        """The statuses of these responses."""
        return [response.status for response in self.responses()]

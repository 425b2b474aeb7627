"""A layer with a fake link and virtual time. Time is a number that only `advance` and `at` move.

`Station` is user and owner at once and records each call. `sent` has the sent messages. Received messages are parsed
from bytes, as on the wire.

"""

from collections.abc import Callable

from msilod.errors import TransportError
from msilod.sip.flow import Endpoint, Flow
from msilod.sip.message import Request, Response, build_response, response_bytes
from msilod.sip.parser import parse
from msilod.sip.stamp import stamp_source
from msilod.transaction.client_transaction import ClientTransaction
from msilod.transaction.layer import TransactionLayer
from msilod.transaction.server_transaction import ServerTransaction

UDP = Endpoint("udp", "192.0.2.1", 5060, b"SIP/2.0/UDP 192.0.2.1:5060")
TCP = Endpoint("tcp", "192.0.2.1", 5060, b"SIP/2.0/TCP 192.0.2.1:5060")
ALICE = Flow(UDP, "198.51.100.7", 40001)
ALICE_TCP = Flow(TCP, "198.51.100.7", 40002, 7)
BOB = Flow(UDP, "198.51.100.8", 5060)
BOB_TCP = Flow(TCP, "198.51.100.8", 5060, 8)
BRANCH = b"z9hG4bKf7c1a5b0d94e4c1a"
OURS = b"z9hG4bK0123456789abcdef"
START = 1000.0


def message(
    method: bytes = b"MESSAGE",
    branch: bytes | None = BRANCH,
    sent_by: bytes = b"192.0.2.17:5071",
    to: bytes = b"<sip:bob@example.test>",
    from_: bytes = b'"Alice" <sip:alice@example.test>;tag=3b1f',
    call_id: bytes = b"5f0b2c1e",
    cseq: int = 20,
    cseq_method: bytes = b"",
    uri: bytes = b"sip:bob@example.test",
    more: tuple[bytes, ...] = (),
) -> bytes:
    """A request on the wire; `branch` None leaves the parameter out."""
    param = b"" if branch is None else b";branch=" + branch
    lines = (
        b"%b %b SIP/2.0" % (method, uri),
        b"Via: SIP/2.0/UDP %b;rport%b" % (sent_by, param),
        b"Max-Forwards: 70",
        b"From: " + from_,
        b"To: " + to,
        b"Call-ID: " + call_id,
        b"CSeq: %d %b" % (cseq, cseq_method or method),
        *more,
        b"Content-Length: 0",
    )
    return b"\r\n".join((*lines, b"", b""))


def received(data: bytes, flow: Flow = ALICE) -> Request:
    """A request in the form that the layer gets: parsed, with a stamped Via."""
    request = parse(data, flow.is_reliable)
    assert isinstance(request, Request)
    stamp_source(request, flow)
    return request


def response(data: bytes, flow: Flow = BOB) -> Response:
    """A response in the form that the layer gets."""
    parsed = parse(data, flow.is_reliable)
    assert isinstance(parsed, Response)
    return parsed


def status_of(data: bytes) -> int:
    """The status of a response on the wire; 0 for a request."""
    return int(data[8:11]) if data.startswith(b"SIP/2.0 ") else 0


class Station:
    """One end. `told` has (time, word, object); `sent` has (time, bytes, flow)."""

    def __init__(self, max_transactions: int = 200_000, secret: bytes = b"secret") -> None:
        self.layer = TransactionLayer(self.send, secret, max_transactions)
        self.layer.serve(self)
        self.now = START
        self.told: list[tuple[float, str, object]] = []
        self.sent: list[tuple[float, bytes, Flow]] = []
        self.servers: list[ServerTransaction] = []
        self.is_broken = False
        self.serve: Callable[[ServerTransaction, float], None] | None = None

    # --- as link, user and owner ---------------------------------------------------------------------

    def send(self, data: bytes, flow: Flow) -> None:
        """The layer sends by this method."""
        if self.is_broken:
            raise TransportError("no route")
        self.sent.append((self.now, data, flow))

    def _tell(self, word: str, what: object, now: float) -> None:
        assert now == self.now
        self.told.append((now, word, what))

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        self._tell("request", transaction.request, now)
        self.servers.append(transaction)
        if self.serve is not None:
            self.serve(transaction, now)

    def on_cancel(self, invite: ServerTransaction, now: float) -> None:
        self._tell("cancel", invite, now)

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        self._tell("ack", request, now)

    def on_refused(self, flow: Flow, now: float) -> None:
        """Nothing to note."""

    def on_unsent(self, data: bytes, flow: Flow) -> None:
        """Nothing to do: there is one wire."""

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        self._tell("response", response, now)

    def on_limit(self, transaction: ClientTransaction, now: float) -> None:
        self._tell("limit", transaction, now)

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        self._tell("timeout", transaction, now)

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        self._tell("transport error", transaction, now)

    # --- input ---------------------------------------------------------------------------------------

    def advance(self, to: float) -> None:
        """Let time pass. Each deadline is served at its exact instant."""
        for _ in range(100_000):
            deadline = self.layer.next_deadline()
            if deadline is None or deadline > to:
                break
            self.now = max(self.now, deadline)
            self.layer.handle_timeout(self.now)
        else:
            raise AssertionError("the layer asks to be woken without end")
        self.now = max(self.now, to)

    def after(self, seconds: float) -> None:
        """Let time pass from now on."""
        self.advance(self.now + seconds)

    def hears(self, data: bytes, flow: Flow = ALICE) -> None:
        """A request from the wire."""
        self.layer.receive_request(received(data, flow), flow, self.now)

    def hears_answer(
        self, status: int, to: bytes | None = None, tag: bytes = b"dev1", more: tuple[bytes, ...] = ()
    ) -> None:
        """The receiver of the request `to` (by default the first request of ours) answers."""
        data = to if to is not None else self.requests()[0]
        self.hears_response(answer(data, status, tag, more))

    def hears_response(self, data: bytes, flow: Flow = BOB) -> None:
        """A response from the wire."""
        self.layer.receive_response(response(data, flow), flow, self.now)

    def asks(
        self,
        method: bytes = b"MESSAGE",
        flow: Flow = BOB,
        limit: float | None = None,
        branch: bytes = OURS,
        via: bool = True,
        more: tuple[bytes, ...] = (),
    ) -> ClientTransaction:
        """Send a request. `via` False: a request of the daemon itself."""
        request = received(message(method, more=more))
        if not via:
            request.headers.remove(b"via")
        return self.layer.request(request, flow, self, self.now, branch, limit)

    # --- results -------------------------------------------------------------------------------------

    def words(self) -> list[str]:
        """The words of the recorded calls, without the details."""
        return [word for _, word, _ in self.told]

    def responses(self) -> list[Response]:
        """The received responses."""
        return [what for _, _, what in self.told if isinstance(what, Response)]

    def statuses(self) -> list[int]:
        """The statuses of the sent responses."""
        return [status_of(data) for _, data, _ in self.sent if status_of(data)]

    def requests(self, method: bytes = b"") -> list[bytes]:
        """The sent requests."""
        return [data for _, data, _ in self.sent if not status_of(data) and data.startswith(method)]

    def sent_request(self, method: bytes = b"") -> Request:
        """The first sent request, parsed."""
        parsed = parse(self.requests(method)[0])
        assert isinstance(parsed, Request)
        return parsed

    def times(self, method: bytes = b"") -> list[float]:
        """The times of sending `method`, in seconds since START; b"SIP" for responses."""
        return [time - START for time, data, _ in self.sent if data.startswith(method)]


def answer(data: bytes, status: int, tag: bytes = b"dev1", more: tuple[bytes, ...] = ()) -> bytes:
    """The answer of a phone to the request on the wire."""
    request = parse(data)
    assert isinstance(request, Request)
    fields = [(name, value) for name, _, value in (line.partition(b": ") for line in more)]
    return response_bytes(request, status, tag, fields)


def tag_of(data: bytes) -> bytes:
    """The tag in To of a response on the wire."""
    return response(data).to_tag


def ack(tag: bytes, branch: bytes = BRANCH) -> bytes:
    """An ACK on the wire."""
    return message(b"ACK", branch=branch, to=b"<sip:bob@example.test>;tag=" + tag)


def relayed(
    transaction: ServerTransaction, status: int, more: tuple[bytes, ...] = (), body: bytes = b""
) -> Response:
    """A response of a device, without the Via of the daemon."""
    headers = [(name, value) for name, _, value in (line.partition(b": ") for line in more)]
    return build_response(transaction.request, status, b"", b"dev1", headers, body)

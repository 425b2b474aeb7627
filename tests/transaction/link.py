"""A fake user, a fake owner and a fake wire for the transaction layer. Time is a number."""

from dataclasses import dataclass, field

from msilod.errors import TransportError
from msilod.sip.flow import TCP, UDP, Endpoint, Flow
from msilod.sip.message import Request, Response, build_response
from msilod.sip.parser import parse
from msilod.transaction.client_transaction import ClientTransaction
from msilod.transaction.layer import TransactionLayer
from msilod.transaction.server_transaction import ServerTransaction

UDP_FLOW = Flow(Endpoint(UDP, "127.0.0.1", 5060, b"SIP/2.0/UDP 127.0.0.1:5060"), "127.0.0.1", 7000)
TCP_FLOW = Flow(Endpoint(TCP, "127.0.0.1", 5060, b"SIP/2.0/TCP 127.0.0.1:5060"), "127.0.0.1", 7000, 1)


@dataclass
class Side:
    """One layer, the sent messages, and the calls to the user and to the owners of client transactions."""

    sent: list[bytes] = field(default_factory=list)
    requests: list[ServerTransaction] = field(default_factory=list)
    cancelled: list[ServerTransaction] = field(default_factory=list)
    unsent: list[bytes] = field(default_factory=list)
    acks: list[Request] = field(default_factory=list)
    heard: list[tuple[str, int]] = field(default_factory=list)
    is_down: bool = False
    max_transactions: int = 1000

    def __post_init__(self) -> None:
        self.layer = TransactionLayer(self._send, b"secret", self.max_transactions)
        self.layer.serve(self)

    def _send(self, data: bytes, flow: Flow) -> None:
        if self.is_down:
            raise TransportError("down")
        self.sent.append(data)

    # --- the user ------------------------------------------------------------------------------------

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        self.requests.append(transaction)

    def on_cancel(self, invite: ServerTransaction, now: float) -> None:
        self.cancelled.append(invite)

    def on_ack(self, request: Request, flow: Flow, now: float) -> None:
        self.acks.append(request)

    def on_refused(self, flow: Flow, now: float) -> None:
        """Nothing to note."""

    def on_unsent(self, data: bytes, flow: Flow) -> None:
        self.unsent.append(data)

    # --- the owner -----------------------------------------------------------------------------------

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        self.heard.append(("response", response.status))

    def on_limit(self, transaction: ClientTransaction, now: float) -> None:
        self.heard.append(("limit", round(now * 1000)))

    def on_timeout(self, transaction: ClientTransaction, now: float) -> None:
        self.heard.append(("timeout", round(now * 1000)))

    def on_transport_error(self, transaction: ClientTransaction, now: float) -> None:
        self.heard.append(("transport", round(now * 1000)))

    # --- shortcuts -----------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float, flow: Flow = UDP_FLOW) -> None:
        message = parse(data, flow.is_reliable)
        if isinstance(message, Request):
            self.layer.receive_request(message, flow, now)
        else:
            self.layer.receive_response(message, flow, now)

    def run_until(self, end: float) -> list[float]:
        """Fire all timers up to `end`. Returns the instants of sending."""
        instants = []
        while (deadline := self.layer.next_deadline()) is not None and deadline <= end:
            before = len(self.sent)
            self.layer.handle_timeout(deadline)
            instants += [round(deadline, 3)] * (len(self.sent) - before)
        return instants

    def statuses(self) -> list[int]:
        return [answer.status for answer in map(parse, self.sent) if isinstance(answer, Response)]


def request(
    method: str = "MESSAGE", branch: str = "z9hG4bK1", sent_by: str = "127.0.0.1:7000", to_tag: str = ""
) -> bytes:
    tag = f";tag={to_tag}" if to_tag else ""
    return (
        f"{method} sip:bob@example.test SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {sent_by};branch={branch}\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:a@example.test>;tag=a\r\n"
        f"To: <sip:bob@example.test>{tag}\r\nCall-ID: c1\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def outgoing(method: str = "MESSAGE") -> Request:
    """A request of ours, before the layer adds a Via."""
    made = parse(request(method))
    assert isinstance(made, Request)
    made.headers.remove(b"via")
    return made


def answer_to(data: bytes, status: int, tag: bytes = b"dev") -> bytes:
    made = parse(data)
    assert isinstance(made, Request)
    return build_response(made, status, to_tag=tag).to_bytes()

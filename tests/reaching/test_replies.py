"""Replies: an answer goes to the sender's address; the Via may choose the port only."""

import pytest
import trio

from msilod.errors import TransportError
from msilod.reaching.replies import MAX_WAITING, Replies, answering
from msilod.sip.flow import TCP, TLS, UDP, Endpoint, Flow
from msilod.sip.message import Request
from msilod.sip.parser import parse
from msilod.sip.via import Via
from msilod.tasks import Tasks
from msilod.transport.transports import Transports

ENDPOINT = Endpoint(UDP, "192.0.2.1", 5060, b"192.0.2.1:5060")
ANSWER = (
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 198.51.100.9:5070;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:c@d>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
)


def via(text: str) -> Via:
    request = parse(
        f"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP {text};branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
        f"To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".encode()
    )
    assert isinstance(request, Request)
    return request.via


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("198.51.100.9:5070", 5070),
        ("198.51.100.9:5070;rport", 40000),
        ("198.51.100.9", 40000),
        ("203.0.113.5:5070", 40000),
    ],
)
def test_the_port_of_the_via_counts_only_at_the_address_of_the_sender(text: str, port: int) -> None:
    flow = answering(via(text), Flow(ENDPOINT, "198.51.100.9", 40000))
    assert (flow.host, flow.port) == ("198.51.100.9", port)


class Dialling(Transports):
    """Transports that note the places to dial. `refuses`: no connection can be made."""

    def __init__(self) -> None:
        super().__init__([])
        self.dialled: list[tuple[str, int]] = []
        self.answers: list[tuple[bytes, Flow]] = []
        self.refuses = False

    async def connect(self, transport: str, host: str, port: int, domain: str, timeout: float) -> Flow:
        await trio.lowlevel.checkpoint()
        self.dialled.append((host, port))
        if self.refuses:
            raise TransportError("refused")
        return Flow(Endpoint(TCP, "192.0.2.1", 5060, b"192.0.2.1:5060"), host, port, 5)

    def send(self, data: bytes, flow: Flow) -> None:
        self.answers.append((data, flow))


async def test_an_answer_whose_connection_is_gone_is_sent_by_a_new_one() -> None:
    transports, batches = Dialling(), []
    gone = Flow(Endpoint(TCP, "192.0.2.1", 5060, b"192.0.2.1:5060"), "198.51.100.9", 40000, 4)
    async with trio.open_nursery() as nursery:
        tasks = Tasks(nursery)
        tasks.after = lambda: batches.append("end")
        replies = Replies(transports, tasks)
        replies.unsent(ANSWER, gone)
    assert transports.dialled == [("198.51.100.9", 5070)]
    assert [(data, flow.port) for data, flow in transports.answers] == [(ANSWER, 5070)]
    assert batches == ["end"]


async def test_tls_is_not_dialled_and_failed_answers_leave_room_for_others() -> None:
    transports = Dialling()
    transports.refuses = True
    tls = Flow(Endpoint(TLS, "192.0.2.1", 5061, b"192.0.2.1:5061"), "198.51.100.9", 40000, 4)
    tcp = Flow(Endpoint(TCP, "192.0.2.1", 5060, b"192.0.2.1:5060"), "198.51.100.9", 40000, 4)
    for turn in (1, 2):
        async with trio.open_nursery() as nursery:
            tasks = Tasks(nursery)
            tasks.after = lambda: None
            if turn == 1:
                replies = Replies(transports, tasks)
            replies._tasks = tasks
            replies.unsent(ANSWER, tls)
            for _ in range(MAX_WAITING + 5):
                replies.unsent(ANSWER, tcp)
        assert len(transports.dialled) == turn * MAX_WAITING

"""Security 15: a request with a known branch and other contents is a new request (sip/03, sip/12)."""

from pathlib import Path

import pytest
import trio

from msilod.sip.message import Request, Response
from msilod.sip.parser import parse
from tests.agent.virtual_wire import Send
from tests.faults.accounts import Line
from tests.network.world import World, play
from tests.transaction.station import ALICE, BRANCH, Station, message, received, tag_of

HOST = ("198.51.100.77", 5060)
CONSTANT = "z9hG4bKalways-the-same"


class Client(Line):
    """Sends bytes from one address, and keeps every answer. Requests get no answer."""

    def receive(self, data: bytes, send: Send) -> None:
        heard = parse(data)
        if isinstance(heard, Response):
            self.answers.append(heard)
        else:
            self.requests.append(heard)

    async def send_and_wait(self, data: bytes) -> Response:
        """Send, and return the response within a second."""
        self.answers.clear()
        self.send(data)
        await trio.sleep(1)
        (answer,) = self.answers
        return answer


def text(number: int, body: bytes) -> bytes:
    head = (
        f"MESSAGE sip:frank@example.test SIP/2.0\r\nVia: SIP/2.0/UDP {HOST[0]}:{HOST[1]};rport;branch={CONSTANT}\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:alice@example.test>;tag=t\r\nTo: <sip:frank@example.test>\r\n"
        f"Call-ID: c-{number}\r\nCSeq: {number} MESSAGE\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def unseeded(method: str, user: str, to: str, uri: str, lines: str, body: bytes = b"") -> bytes:
    """The request sent by each process of a client without a random seed, for each user."""
    head = (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1EFB41F2D7AB58BA7CCD\r\n"
        f"From: <sip:{user}@example.test>;tag=5767043491;epid=1234567890\r\nTo: <sip:{to}@example.test>\r\n"
        f"Max-Forwards: 10\r\nCSeq: 1 {method}\r\nCall-ID: 1F29g58ECa944Ai5CFFmDC51t4873b9869x23C6x\r\n"
        f"{lines}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def register(user: str) -> bytes:
    contact = f'<sip:{user}@192.0.2.2:5060;transport=udp>;methods="MESSAGE, SUBSCRIBE, NOTIFY"'
    return unseeded("REGISTER", user, user, "sip:example.test", f"Contact: {contact}\r\nExpires: 900\r\n")


def text_to(user: str, to: str, body: bytes) -> bytes:
    return unseeded("MESSAGE", user, to, f"sip:{to}@example.test", "Content-Type: text/plain\r\n", body)


def test_three_texts_with_one_branch_are_three_rows_and_a_copy_is_none(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = Client(world)
        for number, body in ((1, b"one"), (2, b"two"), (3, b"three")):
            answer = await client.send_and_wait(text(number, body))
            assert answer.status == 202
            assert (answer.headers.get(b"call-id"), answer.cseq) == (b"c-%d" % number, number)
        assert list(world.rows()) == [b"one", b"two", b"three"]
        for number, body in ((3, b"three"), (1, b"one"), (2, b"two")):
            again = await client.send_and_wait(text(number, body))
            assert (again.status, again.cseq) == (202, number)
        assert list(world.rows()) == [b"one", b"two", b"three"]
        assert world.parts.layer.retransmissions_in == 3
        assert world.parts.counters.duplicate_messages == 0

    play(tmp_path, story)


def test_a_copy_of_the_second_is_known_after_the_first_is_forgotten(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = Client(world)
        await client.send_and_wait(text(1, b"one"))
        await trio.sleep(29)
        await client.send_and_wait(text(2, b"two"))
        # Timer J of the first has ended, a copy of the second is still to be expected.
        await trio.sleep(20)
        assert (await client.send_and_wait(text(2, b"two"))).cseq == 2
        assert world.parts.layer.retransmissions_in == 1
        await trio.sleep(120)
        assert world.parts.layer.remembered == 0

    play(tmp_path, story)


def test_two_users_with_equal_identifiers_are_both_bound(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = Client(world)
        for user in ("alice", "bob", "bob", "alice"):
            answer = await client.send_and_wait(register(user))
            assert answer.status == 200
            assert f"sip:{user}@192.0.2.2:5060".encode() in (answer.headers.get(b"contact") or b"")
        assert {binding.aor for binding in world.parts.location.all()} == {
            "alice@example.test",
            "bob@example.test",
        }

    play(tmp_path, story)


def test_a_program_that_was_started_again_has_both_texts_kept(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = Client(world)
        for body in (b"one", b"three"):
            assert (await client.send_and_wait(text_to("alice", "bob", body))).status == 202
        assert list(world.rows()) == [b"one", b"three"]

    play(tmp_path, story)


def test_two_senders_of_the_same_words_are_two_rows(tmp_path: Path) -> None:
    """Law 9: the hash contains the sender. Here only the sender differs."""

    async def story(world: World) -> None:
        client = Client(world)
        for user in ("alice", "mary", "alice"):
            assert (await client.send_and_wait(text_to(user, "bob", b"hi"))).status == 202
        assert world.column("sender") == ["alice@example.test", "mary@example.test"]
        await world.restart()
        # A copy repeated across the restart is known by the hash.
        assert (await client.send_and_wait(text_to("mary", "bob", b"hi"))).status == 202
        assert world.column("sender") == ["alice@example.test", "mary@example.test"]

    play(tmp_path, story)


def test_what_the_process_before_had_is_no_copy_for_another_sender(tmp_path: Path) -> None:
    """The hashes of the process before: a relay of another sender's equal words is no copy."""

    async def story(world: World) -> None:
        client = Client(world)
        await client.send_and_wait(text_to("alice", "bob", b"hi"))
        server = await world.restart()
        first, other = (parse(text_to(user, "bob", b"hi")) for user in ("alice", "mary"))
        assert isinstance(first, Request)
        assert isinstance(other, Request)
        assert server.storing.is_former(first, "bob@example.test", "alice@example.test")
        assert not server.storing.is_former(other, "bob@example.test", "mary@example.test")

    play(tmp_path, story)


# --- the layer alone --------------------------------------------------------------------------------

DIFFERENT: dict[str, dict[str, object]] = {
    "uri": {"uri": b"sip:carol@example.test"},
    "from": {"from_": b"<sip:mary@example.test>;tag=3b1f"},
    "to": {"to": b"<sip:carol@example.test>"},
    "call-id": {"call_id": b"other"},
    "cseq": {"cseq": 21},
    "contact": {"more": (b"Contact: <sip:x@198.51.100.9>",)},
    "second contact": {"more": (b"Contact: <sip:a@b>", b"Contact: <sip:c@d>")},
}
SAME: dict[str, dict[str, object]] = {
    "identical": {},
    "a shorter way": {"more": (b"Timestamp: 5",)},
}


@pytest.mark.parametrize("method", [b"MESSAGE", b"REGISTER", b"INVITE"])
@pytest.mark.parametrize("is_answered", [False, True])
@pytest.mark.parametrize("part", DIFFERENT)
def test_a_request_that_differs_in_one_part_is_a_new_one(method: bytes, is_answered: bool, part: str) -> None:
    station = Station()
    station.hears(message(method))
    if is_answered:
        station.servers[0].respond(486, station.now)
    for _ in range(2):
        station.hears(message(method, **DIFFERENT[part]))  # type: ignore[arg-type]
        station.hears(message(method))
    assert len(station.servers) == 2
    station.servers[1].respond(404, station.now)
    station.hears(message(method, **DIFFERENT[part]))  # type: ignore[arg-type]
    assert len(station.servers) == 2
    assert station.statuses()[-2:] == [404, 404]
    station.servers[0].respond(486, station.now)
    station.after(200)
    assert station.layer.remembered == station.layer.open_transactions == 0


@pytest.mark.parametrize("method", [b"MESSAGE", b"INVITE"])
@pytest.mark.parametrize("is_answered", [False, True])
@pytest.mark.parametrize("part", SAME)
def test_a_request_that_differs_elsewhere_is_a_copy(method: bytes, is_answered: bool, part: str) -> None:
    station = Station()
    station.hears(message(method))
    if is_answered:
        station.servers[0].respond(486, station.now)
    station.hears(message(method, **SAME[part]))  # type: ignore[arg-type]
    assert len(station.servers) == 1


def test_two_contact_lines_of_which_the_second_differs_are_two_requests() -> None:
    station = Station()
    for second in (b"<sip:c@d>", b"<sip:e@f>", b"<sip:c@d>"):
        station.hears(message(b"REGISTER", more=(b"Contact: <sip:a@b>", b"Contact: " + second)))
        station.servers[-1].respond(200, station.now)
    assert len(station.servers) == 2


def test_a_copy_is_known_though_route_processing_has_changed_the_request_uri() -> None:
    station = Station()
    station.hears(message())
    station.servers[0].request.uri = b"sip:bob@example.test;by=route"
    station.hears(message())
    station.servers[0].respond(202, station.now)
    station.hears(message())
    assert len(station.servers) == 1


def other(method: bytes, tag: bytes = b"") -> bytes:
    to = b"<sip:bob@example.test>" + (b";tag=" + tag if tag else b"")
    return message(method, from_=b"<sip:mary@example.test>;tag=9", call_id=b"other", to=to)


def test_a_cancel_reaches_the_invite_that_it_names() -> None:
    station = Station()
    station.hears(message(b"INVITE"))
    station.hears(other(b"INVITE"))
    station.hears(other(b"CANCEL"))
    cancelled = [what for _, word, what in station.told if word == "cancel"]
    assert cancelled == [station.servers[1]]
    station.hears(message(b"CANCEL"))
    cancelled = [what for _, word, what in station.told if word == "cancel"]
    assert cancelled == [station.servers[1], station.servers[0]]
    assert station.statuses().count(200) == 2


def test_an_ack_ends_the_invite_that_it_names_and_no_other() -> None:
    station = Station()
    for data in (message(b"INVITE"), other(b"INVITE")):
        station.hears(data)
        station.servers[-1].respond(486, station.now)
    tag = tag_of(station.sent[-1][1])
    station.hears(other(b"ACK", tag))
    before = len(station.sent)
    station.after(0.6)
    assert [data.count(b"Call-ID: other") for _, data, _ in station.sent[before:]] == [0], (
        "Timer G of the first"
    )
    station.hears(message(b"ACK", to=b"<sip:bob@example.test>;tag=" + tag))
    before = len(station.sent)
    station.after(60)
    assert station.sent[before:] == []
    assert "ack" not in station.words()


def test_invites_that_an_ack_cannot_tell_apart_are_both_served() -> None:
    """The INVITEs differ only in the body. The ACK belongs to the INVITE with the failure."""
    station = Station()
    first = message(b"INVITE")
    second = first.replace(b"Content-Length: 0\r\n\r\n", b"Content-Length: 1\r\n\r\nx")
    for data in (first, second):
        station.layer.receive_request(received(data), ALICE, station.now)
    assert len(station.servers) == 2
    station.servers[0].respond(486, station.now)
    station.hears(message(b"ACK", to=b"<sip:bob@example.test>;tag=x"))
    station.servers[1].respond(180, station.now)
    before = len(station.sent)
    station.after(60)
    assert station.sent[before:] == []
    station.hears(message(b"CANCEL"))
    assert [what for _, word, what in station.told if word == "cancel"] == [station.servers[1]]


def test_ten_thousand_invites_with_one_branch_leave_nothing_behind() -> None:
    station = Station(max_transactions=1000)
    for number in range(10_000):
        station.hears(message(b"INVITE", call_id=b"c%d" % number))
    assert len(station.servers) == 1000
    assert station.layer.refused == 9000
    for transaction in station.servers:
        transaction.refuse(403)
    station.after(100)
    assert station.layer.remembered == 0
    assert station.layer._servers._by_shared_key == {}
    assert station.layer._servers._live == {}


def test_without_the_cookie_the_ack_finds_its_invite_as_well() -> None:
    station = Station()
    for body in (b"", b"x"):
        data = message(b"INVITE", branch=b"1").replace(
            b"Content-Length: 0\r\n\r\n", b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        station.hears(data)
    assert len(station.servers) == 2
    station.servers[1].respond(486, station.now)
    tag = tag_of(station.sent[-1][1])
    station.hears(message(b"ACK", branch=b"1", to=b"<sip:bob@example.test>;tag=" + tag))
    before = len(station.sent)
    station.after(40)
    assert station.sent[before:] == []
    assert BRANCH != b"1"

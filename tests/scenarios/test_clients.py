"""Habits of real clients, seen in traces and unlike the RFCs: one test per habit.

The numbers are those of the project's list of clients; WebSocket habits are tested with JsSIP in
tests/peers/test_browser.py.
"""

import re
import socket
import zlib
from collections.abc import Callable

import pytest

from msilod.sip.flow import BY_LENGTH
from msilod.sip.framing import StreamFramer
from msilod.sip.message import Request, Response, build_response
from msilod.sip.parser import parse
from tests.scenarios.conftest import Daemon
from tests.scenarios.lines import Line as BrowserLine
from tests.scenarios.phone import PATIENCE, Phone

MakePhone = Callable[[str], Phone]
IMDN = b"<?xml version='1.0'?><imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>1</message-id></imdn>"


class Line:
    """A TCP connection that is read message by message."""

    def __init__(self, daemon: Daemon) -> None:
        self.socket = socket.create_connection(daemon.address, PATIENCE)
        self.framer = StreamFramer()
        self.frames: list[bytes] = []

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data.replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP"))

    def receive(self) -> Request | Response:
        while not self.frames:
            data = self.socket.recv(65535)
            assert data, "the connection has ended"
            self.frames += [frame for frame in self.framer.feed(data) if isinstance(frame, bytes)]
        return parse(self.frames.pop(0), framing=BY_LENGTH)

    def status(self) -> int:
        response = self.receive()
        assert isinstance(response, Response)
        return response.status

    def take(self) -> Request:
        request = self.receive()
        assert isinstance(request, Request)
        self.socket.sendall(build_response(request, 200, to_tag=b"line").to_bytes())
        return request


def test_client_1_receipts_to_a_notice_end_there(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon('[silo]\nregistrar = "sip:registrar@example.test"\n')
    with Phone("alice", daemon.address) as alice:
        alice.register()
        assert alice.text("bob", "are you there?").status == 202
        notice = alice.take()
        assert b"offline" in notice.body
        # linphone answers every text with a receipt to its sender; bob's mailbox must not hear of it.
        alice.send(alice.message("registrar", IMDN, content_type="message/imdn+xml"))
        assert alice.response().status == 200
        assert alice.is_silent()
        assert [row["aor"] for row in daemon.rows()] == ["sip:bob@example.test"]


def test_client_2_a_deflated_receipt_is_kept_to_the_byte(phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    body = zlib.compress(IMDN)
    data = alice.message(
        "bob", body, "Content-Encoding: deflate\r\n", content_type="message/imdn+xml;charset=x"
    )
    alice.send(data)
    assert alice.response().status == 202
    bob.register()
    got = bob.take()
    assert got.body == body
    assert got.headers.get(b"content-encoding") == b"deflate"
    assert got.headers.get(b"content-type") == b"message/imdn+xml;charset=x"


@pytest.mark.parametrize("transport", ["", ";transport=udp", ";transport=tcp"])
def test_client_3_a_preloaded_route_that_names_us_is_nothing(
    daemon: Daemon, phone: MakePhone, transport: str
) -> None:
    alice, bob = phone("alice"), phone("bob")
    route = f"Route: <sip:127.0.0.1:{daemon.port}{transport};lr>\r\n"
    assert alice.text("bob", "kept", route).status == 202
    assert bob.register(extra=route).status == 200
    assert b"route" not in bob.take().headers


def test_client_4_a_binding_is_the_connection_that_registered(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    with Line(daemon) as line:
        line.send(bob.registration(contact="<sip:xyz@random.invalid;transport=ws>"))
        assert line.status() == 200
        alice.send(alice.message("bob", "by the line"))
        assert line.take().body == b"by the line"
        assert alice.response().status == 200
        line.send(bob.registration(contact="<sip:bob@10.1.2.3:5090;transport=tcp>"))
        assert line.status() == 200


def test_client_5_an_answer_goes_to_the_source_and_says_so(phone: MakePhone) -> None:
    alice = phone("alice")
    via = b"Via: SIP/2.0/UDP 192.0.2.77:9;branch=z9hG4bKsipsak;rport;alias"
    alice.send(re.sub(rb"Via: [^\r]*", via, alice.message("bob")))
    got = alice.response()
    assert got.status == 202
    assert got.via is not None
    assert f"rport={alice.port}".encode() in (got.headers.get(b"via") or b"")
    assert b"received=127.0.0.1" in (got.headers.get(b"via") or b"")


def test_client_6_a_client_that_died_neither_holds_up_nor_swallows(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    contact = '<sip:r4nd0m@x7.invalid;transport=ws>;+sip.ice;reg-id=1;+sip.instance="<urn:uuid:1>";expires=60'
    with Line(daemon) as line:
        line.send(
            bob.registration(60, "Supported: path,gruu,outbound\r\n", contact).replace(b": 70", b": 69")
        )
        assert line.status() == 200
    while daemon.msilo("bindings").stdout:
        pass
    assert alice.text("bob", "not swallowed").status == 202
    with Line(daemon) as line:
        line.send(bob.registration(60, "", contact.replace("r4nd0m", "n3w")))
        assert line.status() == 200
        assert line.take().body == b"not swallowed"


def test_client_7_loose_spelling_and_parameters_of_a_contact(phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    data = bob.registration(
        extra="Accept: text/plain\r\nAccept: application/sdp\r\n",
        contact=f"<sip:bob@127.0.0.1:{bob.port};ob;x=1>",
    )
    bob.send(data.replace(b"To: <sip:bob@example.test>", b"To: sip:bob@example.test"))
    registered = bob.response()
    assert registered.status == 200
    assert b"expires=600" in (registered.headers.get(b"contact") or b"")
    contact = f"Contact: <sip:alice@127.0.0.1:{alice.port}>\r\n"
    bare = alice.message("bob", "hi", contact).replace(b"<sip:alice@example.test>", b"sip:alice@example.test")
    alice.send(re.sub(rb'From: "Alice" ', b"From: ", bare))
    got = bob.take()
    assert got.uri == f"sip:bob@127.0.0.1:{bob.port};ob;x=1".encode()
    assert alice.response().status == 200


def test_client_8_one_read_many_messages_many_reads_one_message(daemon: Daemon, phone: MakePhone) -> None:
    alice = phone("alice")
    texts = [alice.message("bob", f"{n}") for n in range(8)]
    texts = [data.replace(b"Content-Length: ", b"Content-Length:     ") for data in texts]
    with Line(daemon) as line:
        line.send(b"".join(texts) + texts[0][:50].replace(b"msg-", b"n"))
        assert [line.status() for _ in texts] == [202] * 8
    assert [row["body"] for row in daemon.rows()] == [str(n) for n in range(8)]


@pytest.mark.parametrize("ping", [b"\r\n", b"\x00\x00", b"\r\n\r\n", b"\x00\x00\x00\x00", b" "])
def test_client_9_a_keep_alive_on_udp_is_no_message(phone: MakePhone, ping: bytes) -> None:
    alice = phone("alice")
    alice.send(ping)
    assert alice.is_silent(0.1)
    alice.send(alice.message("bob").replace(b"MESSAGE", b"OPTIONS").replace(b"sip:bob@", b"sip:"))
    assert alice.response().status == 200


def test_client_9_a_keep_alive_on_a_connection_is_answered(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon("", ("ws:127.0.0.1",))
    with Line(daemon) as line:
        line.socket.sendall(b"\r\n\r\n")
        assert line.socket.recv(100) == b"\r\n"
    # The handshake of this phone wants the subprotocol back.
    browser = BrowserLine("bob", "ws", ("127.0.0.1", daemon.ports["ws:127.0.0.1"]))
    browser.socket.sendall(b"\x89\x84\0\0\0\0ping")
    assert browser.socket.recv(100) == b"\x8a\x04ping"
    for is_text in (True, False):
        browser.is_text = is_text
        assert browser.register().status == 200
    browser.hang_up()


def test_client_10_a_short_expiry_is_told_what_would_be_taken(phone: MakePhone) -> None:
    bob = phone("bob")
    refused = bob.register(expires=15)
    assert (refused.status, refused.headers.get(b"min-expires")) == (423, b"60")
    assert b";expires=60" in (bob.register(expires=60).headers.get(b"contact") or b"")


def test_client_11_mail_comes_right_behind_the_200(daemon: Daemon, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    assert alice.text("bob", "first").status == 202
    with Line(daemon) as line:
        line.send(bob.registration(contact=f"<sip:bob@127.0.0.1:{bob.port};transport=tcp>"))
        assert line.status() == 200
        assert line.take().body == b"first"


def test_client_12_nothing_is_promised_that_is_not_done(phone: MakePhone) -> None:
    bob = phone("bob")
    registered = bob.register(extra="Supported: path, gruu, outbound\r\n")
    assert registered.status == 200
    assert b"service-route" not in registered.headers
    assert b"outbound" not in (registered.headers.get(b"require") or b""), "no reg-id was given"


def test_client_12_outbound_where_it_is_asked_for_and_one_binding_for_one_flow(
    daemon: Daemon, phone: MakePhone
) -> None:
    alice, bob = phone("alice"), phone("bob")
    contact = '<sip:bob@x7.invalid;transport=ws>;reg-id=1;+sip.instance="<urn:uuid:9>"'
    with Line(daemon) as before, Line(daemon) as now:
        for line in (before, now):
            line.send(bob.registration(600, "Supported: path, gruu, outbound\r\n", contact))
            registered = line.receive()
            assert isinstance(registered, Response)
            assert registered.headers.get(b"require") == b"outbound"
            assert b"service-route" not in registered.headers
        assert daemon.msilo("bindings").stdout.count("\n") == 1
        alice.send(alice.message("bob", "by the newest flow"))
        assert now.take().body == b"by the newest flow"
        assert alice.response().status == 200


def test_client_13_a_message_gets_neither_record_route_nor_contact(phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    bob.register()
    alice.send(alice.message("bob", "passed on"))
    relayed = bob.take()
    assert alice.response().status == 200
    assert alice.text("carol").status == 202
    carol = phone("carol")
    carol.register()
    for got in (relayed, carol.take()):
        assert b"record-route" not in got.headers
        assert b"contact" not in got.headers

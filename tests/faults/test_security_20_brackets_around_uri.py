"""Security 20: a Request-URI in angle brackets was 400; the brackets are removed and not forwarded."""

from pathlib import Path

import pytest

from msilod.errors import MalformedMessage
from msilod.sip.flow import BY_DATAGRAM, BY_LENGTH
from msilod.sip.message import Request
from msilod.sip.parser import parse
from tests.faults.accounts import Line, with_users
from tests.network.world import World, play

HEAD = (
    b"Via: SIP/2.0/TCP 192.0.2.9:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.test>;tag=1\r\n"
    b"To: <sip:alice@example.test>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize("framing", [BY_DATAGRAM, BY_LENGTH])
def test_the_brackets_are_removed(framing: int) -> None:
    request = parse(b"REGISTER <sip:127.0.0.1:5060;transport=tcp> SIP/2.0\r\n" + HEAD, framing)
    assert isinstance(request, Request)
    assert request.uri == b"sip:127.0.0.1:5060;transport=tcp"


@pytest.mark.parametrize(
    "uri", [b"<sip:h", b"sip:h>", b"<>", b"<<sip:h>>", b"<sip:h>;x=1", b'"A"<sip:h>', b"<sip:h >"]
)
def test_other_brackets_are_400(uri: bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(b"REGISTER %b SIP/2.0\r\n" % uri + HEAD)
    assert caught.value.status == 400


def test_a_client_registers_and_what_it_sends_is_forwarded_without(tmp_path: Path) -> None:
    with_users(tmp_path, ["alice@example.test"])

    async def story(world: World) -> None:
        line, alice = Line(world), "sip:alice@example.test"
        contact = "Contact: <sip:line@198.51.100.77:5060>\r\n"
        answer = await line.say("REGISTER", "<sip:example.test>", alice, alice, contact, user="alice")
        assert answer.status == 200
        answer = await line.say("MESSAGE", f"<{alice}>", alice, alice, body="hi", user="alice")
        assert answer.status == 200
        assert line.requests[0].uri == b"sip:line@198.51.100.77:5060"
        assert b"<" not in line.requests[0].to_bytes().partition(b"\r\n")[0]

    play(tmp_path, story)

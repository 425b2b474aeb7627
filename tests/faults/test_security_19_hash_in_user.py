"""Security 19: door stations send users like 9901#1 unescaped; the daemon reads these, and writes %23 (sip/09)."""

from pathlib import Path

import pytest

from msilod.errors import MalformedMessage
from msilod.sip.address import NameAddr
from msilod.sip.uri import SipUri, escape_hash
from tests.faults.accounts import Line, with_users
from tests.network.world import World, play

DOOR = "9901%231@example.test"


def test_a_door_station_registers_is_texted_and_texts(tmp_path: Path) -> None:
    with_users(tmp_path, [DOOR, "bob@example.test"])

    async def story(world: World) -> None:
        line, uri = Line(world), "sip:9901#1@example.test"
        contact = "Contact: <sip:9901#1@198.51.100.77:5060>\r\n"
        answer = await line.say("REGISTER", "sip:example.test", uri, uri, contact, user="9901#1")
        assert answer.status == 200
        assert b"<sip:9901%231@198.51.100.77:5060>" in (answer.headers.get(b"contact") or b"")
        (binding,) = world.parts.location.all()
        assert (binding.aor, binding.contact) == (DOOR, "sip:9901%231@198.51.100.77:5060")
        assert (
            await line.say("MESSAGE", uri, "sip:bob@example.test", uri, body="hi", user="bob")
        ).status == 200
        assert line.requests[0].uri == b"sip:9901%231@198.51.100.77:5060"
        away = await line.say(
            "MESSAGE", "sip:bob@example.test", uri, "sip:bob@example.test", body="a", user="9901#1"
        )
        assert (away.status, world.column("sender")) == (202, [DOOR])
        # The same contact in either spelling is one contact.
        gone = "Contact: <sip:9901%231@198.51.100.77:5060>;expires=0\r\n"
        assert (await line.say("REGISTER", "sip:example.test", uri, uri, gone, user="9901#1")).status == 200
        assert not list(world.parts.location.all())

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"sip:9901#1@h", b"sip:9901%231@h"),
        (b"sip:#@h:5060;x=1", b"sip:%23@h:5060;x=1"),
        (b"sip:a#b:pw@h", b"sip:a%23b:pw@h"),
        (b"sip:a%23@h", b"sip:a%23@h"),
    ],
)
def test_a_raw_hash_is_written_escaped(written: bytes, read: bytes) -> None:
    assert escape_hash(written) == read
    assert NameAddr.parse(b"<%b>" % written).uri == read
    assert NameAddr.parse(written).uri == read.partition(b";")[0]
    assert str(SipUri.parse(written)).encode() == read


@pytest.mark.parametrize("uri", [b"sip:a@h#1", b"sip:a@h;x=#", b"sip:h#1", b"sip:a@h?x=#"])
def test_a_hash_elsewhere_is_refused(uri: bytes) -> None:
    with pytest.raises(MalformedMessage):
        NameAddr.parse(b"<%b>" % uri)
    with pytest.raises(MalformedMessage):
        SipUri.parse(uri)

"""Defects of the msilo family in keeping messages and recipients (W5, W6, W13 to W17, W23, O1)."""

from datetime import UTC, datetime

import pytest
import trio

from tests.network.phone import Phone
from tests.network.virtual import virtual
from tests.network.world import World

CPIM = (
    b"From: <im:alice@example.test>\r\nTo: <im:bob@example.test>\r\nDateTime: 2026-11-24T10:00:00Z\r\n\r\n"
    b"Content-Type: text/plain\r\n\r\nhello"
)
# Past the end of a signed 32-bit count of seconds, and in summer time.
YEAR_2045 = datetime(2045, 7, 1, 12, tzinfo=UTC).timestamp()


async def kept(world: World, **message: object) -> Phone:
    """alice's message to bob, who comes after it; bob's phone."""
    alice, bob = world.phone("alice", stream=True), world.phone("bob", stream=True)
    alice.switch_on()
    asked = alice.message("bob", **message)  # type: ignore[arg-type]
    await trio.sleep(1)
    assert asked.status == 202
    bob.boot()
    await trio.sleep(1)
    assert len(bob.got) == 1
    return bob


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("message/cpim", CPIM),
        ("text/plain;charset=UTF-16", "Grüße".encode("utf-16")),
        ("application/x-secret", bytes(range(256))),
        ("text/plain", b"nothing is put before it"),
    ],
    ids=["cpim", "utf-16", "binary", "text"],
)
@virtual()
async def test_w05_body_and_content_type_are_as_they_came(
    world: World, content_type: str, body: bytes
) -> None:
    """SER and Kamailio store CPIM as text/plain with a prefix, and drop the charset."""
    bob = await kept(world, body=body, content_type=content_type)
    assert bob.got[0].body == body
    assert bob.got[0].headers.get(b"content-type") == content_type.encode()


@pytest.mark.parametrize("content_type", ["application/vnd.gsma.rcs-ft-http+xml", f"application/{'x' * 243}"])
@virtual()
async def test_w06_a_long_content_type_is_kept(world: World, content_type: str) -> None:
    """VARCHAR(32): strict SQL fails to store, lax SQL cuts the type."""
    bob = await kept(world, content_type=content_type)
    assert bob.got[0].headers.get(b"content-type") == content_type.encode()


@virtual()
async def test_w13_it_goes_to_whom_it_was_sent_and_not_to_whom_to_names(world: World) -> None:
    """Kamailio and OpenSIPS send the dump to the user in To, which may be another user."""
    carol = world.phone("carol")
    carol.boot()
    bob = await kept(world, to="sip:carol@example.test")
    assert bob.got[0].to.uri == b"sip:carol@example.test", "as received"
    assert bob.got[0].uri.startswith(b"sip:bob@")
    assert carol.got == []


@virtual(domains=["example.test"])
async def test_w14_the_case_of_the_host_makes_no_other_mailbox(world: World) -> None:
    """No case folding: a message to bob@Example.TEST is never found by bob@example.test."""
    bob = await kept(world, uri="sip:bob@EXAMPLE.Test")
    assert world.rows() == {}
    assert len(bob.got) == 1


@virtual()
async def test_w14_the_case_of_the_user_does(world: World) -> None:
    """RFC 3261 §19.1.4: the comparison of user parts is case-sensitive."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    alice.message("Bob")
    await trio.sleep(1)
    bob.boot()
    await trio.sleep(1)
    assert bob.got == []


@virtual(aliases={r"\+420777": "bob"})
async def test_w15_a_tel_uri_is_stored_and_delivered(world: World) -> None:
    """A number in `user` without a host: msilo stores the message and never delivers."""
    bob = await kept(world, uri="tel:+420777")
    assert len(bob.got) == 1


@virtual()
async def test_w16_names_and_headers_are_as_they_came(world: World) -> None:
    """Display names, Subject, Date, Priority and Privacy are lost: the phone shows a bare URI."""
    written = {
        b"subject": b"Lunch  at 12", b"date": b"Tue, 24 Nov 2026 09:00:00 GMT", b"priority": b"urgent",
        b"privacy": b"id", b"x-thread": b"a; b", b"in-reply-to": b"1@host",
    }  # fmt: skip
    extra = "".join(f"{name.decode().title()}: {value.decode()}\r\n" for name, value in written.items())
    bob = await kept(world, extra=extra, to='"Bob the Builder" <sip:bob@example.test;x=y>')
    got = bob.got[0].headers
    assert {name: got.get(name) for name in written} == written
    assert got.get(b"to") == b'"Bob the Builder" <sip:bob@example.test;x=y>'


@virtual()
async def test_w17_an_identity_that_the_sender_asserts_gains_no_trust(world: World) -> None:
    """Kamailio passes stored header fields on, also a forged P-Asserted-Identity."""
    bob = await kept(world, extra="P-Asserted-Identity: <sip:boss@example.test>\r\n")
    assert b"p-asserted-identity" not in bob.got[0].headers


@virtual()
async def test_w23_times_are_utc_and_have_room(world: World) -> None:
    """32-bit seconds, local time in the prefix, an hour off in summer."""
    world.clock.suspend(YEAR_2045 - world.clock.wall())
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    alice.message("bob")
    await trio.sleep(1)
    assert 0 <= world.column("expires_at")[0] - YEAR_2045 - 259_200 < 2
    bob.boot()
    await trio.sleep(1)
    assert bob.got[0].headers.get(b"date") == b"Sat, 01 Jul 2045 12:00:00 GMT"


@virtual(silo={"add_date": True, "add_contact": True, "extra_hdrs": ["X-Silo: yes"]})
async def test_o1_what_is_configured_has_its_effect(world: World) -> None:
    """OpenSIPS: the test on contact_hdr is inverted, and the parameter does nothing."""
    bob = await kept(world, body=b"old")
    got = bob.got[0]
    assert got.body.startswith(b"[Offline message - ")
    assert got.headers.get(b"contact") == b"<sip:alice@example.test>;msilo=yes"
    assert got.headers.get(b"x-silo") == b"yes"


@virtual()
async def test_o1_what_is_not_configured_has_none(world: World) -> None:
    bob = await kept(world, body=b"new")
    got = bob.got[0]
    assert got.body == b"new"
    assert b"contact" not in got.headers
    assert b"x-silo" not in got.headers

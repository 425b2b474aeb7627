"""Security 25: the answer to a refused REGISTER has the reason, in the reason phrase and in a Warning."""

from pathlib import Path

import pytest
import trio

from msilod.errors import StoreError
from msilod.store.writer.contract import InlineWriter
from tests.faults.registering import Registrations, warning
from tests.network.phone import Phone
from tests.network.world import World, play

INSTANCE = '+sip.instance="<urn:uuid:1>"'
TOO_MANY = "Contact: " + ", ".join(f"<sip:bob@192.0.2.9:{port}>" for port in range(6000, 6011)) + "\r\n"
FAR_TOO_MANY = "Contact: " + ", ".join(f"<sip:bob@192.0.2.9:{port}>" for port in range(6000, 6023)) + "\r\n"
REFUSED = [
    ("Contact: <sips:bob@192.0.2.9>\r\n", 400, "sips: Contact in a sip: Registration"),
    ("Contact: *\r\n", 400, "Contact: * Needs Expires: 0 and No Other Contact"),
    ("Contact: <sip:bob@192.0.2.9>\r\n" + "Path: <sip:192.0.2.1;lr>\r\n" * 17, 400, "Too Many Path Values"),
    ("Contact: <sip:bob@192.0.2.9>\r\nPath: <tel:1>\r\n", 400, "Bad Path: Unsupported URI Scheme"),
    ("Contact: <sip:bob@192.0.2.9>\r\nPath: <sip:\r\n", 400, "Bad Path: Bad Address"),
    (
        f"Contact: <sip:bob@192.0.2.9>;reg-id=1;{INSTANCE}\r\nContact: <sip:bob@192.0.2.8>;reg-id=2;{INSTANCE}\r\n",
        400,
        "More Than One Contact With reg-id",
    ),
    ("Contact: <mailto:bob@example.test>\r\n", 400, "Contact Is No SIP URI: Unsupported URI Scheme"),
    ("Contact: <sip:bob@192.0.2.9\r\n", 400, "Bad Contact: Bad Address"),
    ("Contact: <sip:bob@192.0.2.9>;q=2\r\n", 400, "Bad q of a Contact"),
    ('Contact: "\x01" <sip:bob@192.0.2.9>\r\n', 400, "Control Character in Contact or Path"),
    ("Contact: <sip:bob@example.test>\r\n", 403, "Contact Is the Address of Record"),
    ("Contact: <sip:bob@224.0.0.1>\r\n", 403, "Contact Is No Host's Address"),
    (f"Contact: <sip:{'b' * 2100}@192.0.2.9>\r\n", 403, "Contact Too Long"),
    (TOO_MANY, 403, "Too Many Contacts in One Registration"),
    (FAR_TOO_MANY, 403, "Too Many Contacts in One Registration"),
    (
        "Contact: <sip:bob@192.0.2.9>\r\nAllow: " + ", ".join(f"M{n}" for n in range(70)) + "\r\n",
        400,
        "Too Many Methods in Contact or Allow",
    ),
]


@pytest.mark.parametrize(("lines", "status", "why"), REFUSED, ids=lambda value: str(value)[:40])
def test_the_answer_says_why(tmp_path: Path, lines: str, status: int, why: str) -> None:
    async def story(world: World) -> None:
        answer = await Registrations(world.phone("bob")).send(lines)
        assert answer.status == status
        assert answer.reason.decode() == why
        assert warning(answer) == why

    play(tmp_path, story)


def test_a_to_that_names_nobody_of_ours_is_named(tmp_path: Path) -> None:
    class Stranger(Phone):
        @property
        def aor(self) -> str:
            return "sip:bob@elsewhere.test"

    async def story(world: World) -> None:
        plain = world.phone("bob")
        bob = Stranger(world.wires, world.ledger, "bob", plain.address, plain.wire.server)
        answer = await Registrations(bob).send("Contact: <sip:bob@192.0.2.9>\r\n")
        assert (answer.status, warning(answer)) == (404, "To Names No Address of This Server")

    play(tmp_path, story)


def test_an_old_cseq_is_named(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob")
        registrations = Registrations(bob)
        await registrations.send(f"Contact: <{bob.contact}>\r\n", cseq=7)
        answer = await registrations.send(f"Contact: <{bob.contact}>\r\n", cseq=6)
        assert (answer.status, warning(answer)) == (500, "CSeq Is Lower Than That of the Binding or Repeated")

    play(tmp_path, story)


def test_a_copy_of_the_request_hears_the_same_warning(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob")
        registrations = Registrations(bob)
        answers: list[bytes] = []
        world.on_sent.append(lambda data, destination: answers.append(data))
        await registrations.send("Contact: <sips:bob@192.0.2.9>\r\n")
        asked = next(iter(bob.asked.values()))
        asked.send(asked.data)
        await trio.sleep(1)
        assert len(answers) == 2
        assert all(
            b'Warning: 399 msilod "sips: Contact in a sip: Registration"\r\n' in data for data in answers
        )

    play(tmp_path, story)


def test_a_registration_that_cannot_be_saved_says_so(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        writer = world.silo.writer
        assert isinstance(writer, InlineWriter)
        writer.bindings = lambda changes, done: done(StoreError("disk full"))  # type: ignore
        answer = await Registrations(world.phone("bob")).send("Contact: <sip:bob@192.0.2.9>\r\n")
        assert (answer.status, warning(answer)) == (
            500,
            "The registration could not be saved, try again later",
        )

    play(tmp_path, story)

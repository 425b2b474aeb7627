"""Security 7: a receipt was sent in another's name to the address in the wrapper, and booked on the recipient."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from msilod.config import AuthConfig, Config, SiloConfig
from msilod.silo.intake.cpim import parse_cpim
from msilod.store.limits import Limits
from tests.faults.accounts import Line, with_users
from tests.network.world import World, play

ALICE, BOB = "alice@example.test", "bob@example.test"
SENT = "sip:bob@example.test"
CPIM = "Content-Type: message/cpim\r\n"


def wrapped(from_: str = "sip:alice@example.test", to: str = SENT, extra: str = "") -> str:
    return (
        f"From: <{from_}>\r\nTo: <{to}>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 1\r\n"
        f"imdn.Disposition-Notification: processing\r\n{extra}\r\nContent-Type: text/plain\r\n\r\nHello"
    )


def run(folder: Path, story: Callable[[World, Line], Any], has_users: bool = True) -> None:
    if has_users:
        with_users(folder, [ALICE, BOB, "ceo@example.test", "victim@example.test"])
    config = msgspec.structs.replace(
        Config(),
        auth=AuthConfig(inbound="anybody"),
        silo=SiloConfig(max_per_hour=100),
        aliases={"boss": "alice"},
    )

    async def main(world: World) -> None:
        await story(world, Line(world))

    play(folder, main, config=config)


def receipts(world: World) -> list[tuple[str, str, bytes, bytes, bytes, bytes]]:
    """AOR, sender, From, To, and the wrapper's From and To."""
    found = []
    sql = (
        "SELECT aor, sender, CAST(from_header AS BLOB), CAST(to_header AS BLOB), CAST(body AS BLOB) FROM silo"
    )
    for aor, sender, from_header, to_header, body in world.read(
        f"{sql} WHERE CAST(headers AS TEXT) LIKE '%auto-generated%'"
    ):
        head = parse_cpim(bytes(body))
        assert head is not None
        found.append(
            (aor, sender, from_header.partition(b";")[0], to_header, head.get(b"from"), head.get(b"to"))
        )
    return found


def hours(world: World) -> dict[str, int]:
    return {sender: count for sender, count in world.read("SELECT sender, messages FROM silo_sender_hour")}


PARTIES = (b"<sip:bob@example.test>", b"<sip:alice@example.test>")
RIGHT = (ALICE, BOB, *PARTIES, *PARTIES)
CEO_ROUTE = "imdn.IMDN-Record-Route: <sip:ceo@example.test>\r\n"


@pytest.mark.parametrize(
    ("body", "to"),
    [
        (wrapped(), SENT),
        (wrapped(to="sip:ceo@example.test"), SENT),
        (wrapped(), "sip:ceo@example.test"),
        (wrapped(extra="imdn.IMDN-Record-Route: <sip:victim@example.test>\r\n"), SENT),
        (wrapped(extra="imdn.IMDN-Record-Route: <sip:victim@foreign.example>\r\n" * 3), SENT),
        (
            wrapped(to="sip:ceo@example.test:9", extra=CEO_ROUTE),
            "sip:ceo@example.test:9",
        ),
    ],
)  # fmt: skip
def test_a_receipt_is_from_the_mailbox_to_the_sender_and_booked_on_the_sender(
    tmp_path: Path, body: str, to: str
) -> None:
    async def story(world: World, line: Line) -> None:
        answer = await line.say("MESSAGE", SENT, "sip:alice@example.test", to, CPIM, body, user="alice")
        assert answer.status == 202
        assert receipts(world) == [RIGHT]
        assert hours(world) == {ALICE: 2}

    run(tmp_path, story)


@pytest.mark.parametrize(
    "name", ["sip:victim@example.test", "sip:alice@example.test:9", "im:alice@example.test"]
)
def test_a_wrapper_in_the_name_of_another_gets_none(tmp_path: Path, name: str) -> None:
    async def story(world: World, line: Line) -> None:
        body = wrapped(name, extra="imdn.IMDN-Record-Route: <sip:victim@example.test>\r\n")
        answer = await line.say("MESSAGE", SENT, "sip:alice@example.test", SENT, CPIM, body, user="alice")
        assert (answer.status, world.column("aor"), hours(world)) == (202, [BOB], {ALICE: 1})

    run(tmp_path, story)


def test_the_words_of_the_sender_stay_where_they_name_the_two_parties(tmp_path: Path) -> None:
    """A phone needs these names to find the conversation."""

    async def story(world: World, line: Line) -> None:
        body = wrapped("sip:boss@example.test;x=1", "sips:%62ob@EXAMPLE.test")
        await line.say("MESSAGE", SENT, "sip:boss@192.0.2.1", "sip:bob@192.0.2.1", CPIM, body, user="alice")
        written = (b"<sip:bob@192.0.2.1>", b"<sip:boss@example.test;x=1>", b"<sips:%62ob@EXAMPLE.test>")
        assert receipts(world) == [(ALICE, BOB, *written, written[1])]

    run(tmp_path, story)


@pytest.mark.parametrize("sender", ["sip:alice@example.test:9", "sip:alice@foreign.example", "tel:+49301"])
def test_a_sender_who_is_not_ours_gets_no_receipt(tmp_path: Path, sender: str) -> None:
    async def story(world: World, line: Line) -> None:
        extra = "imdn.IMDN-Record-Route: <sip:alice@example.test>\r\n"
        answer = await line.say("MESSAGE", SENT, sender, SENT, CPIM, wrapped(extra=extra))
        assert (answer.status, world.column("aor")) == (202, [BOB])

    run(tmp_path, story)


def test_without_users_the_mailbox_in_from_gets_it(tmp_path: Path) -> None:
    async def story(world: World, line: Line) -> None:
        body = wrapped(extra="imdn.IMDN-Record-Route: <sip:victim@example.test>\r\n")
        assert (await line.say("MESSAGE", SENT, "sip:alice@192.0.2.1", SENT, CPIM, body)).status == 202
        assert receipts(world) == [RIGHT]

    run(tmp_path, story, has_users=False)


def test_a_sender_whose_hour_is_full_gets_no_receipt(tmp_path: Path) -> None:
    async def story(world: World, line: Line) -> None:
        world.silo.configure(Limits(max_per_hour=1), 0)
        answer = await line.say(
            "MESSAGE", SENT, "sip:alice@example.test", SENT, CPIM, wrapped(), user="alice"
        )
        assert (answer.status, receipts(world), hours(world)) == (202, [], {ALICE: 1})

    run(tmp_path, story)

"""Security 8: each temporary GRUU and alias host began max_contacts and max_per_hour anew."""

from pathlib import Path

import msgspec

from msilod.config import Config, RegistrarConfig, SiloConfig
from tests.faults.accounts import Line, with_users
from tests.network.world import World, play

ALICE, BOB = "alice@example.test", "bob@example.test"
SPELLINGS = [
    "sip:alice@example.test", "sip:alice@192.0.2.1", "sip:alice@example.test.", "sip:%61lice@Example.test:5060",
    "sips:alice@[::ffff:192.0.2.1];x=1", "sip:boss@example.test",
]  # fmt: skip


async def temporary(line: Line, to: str, port: int) -> str:
    """Register a contact at `port` under `to`. Returns the temporary GRUU in the response, "" for none."""
    contact = f'<sip:line@198.51.100.77:{port}>;+sip.instance="<urn:uuid:{port}>"'
    lines = f"Supported: gruu\r\nContact: {contact}\r\n"
    answer = await line.say(
        "REGISTER", "sip:example.test", to, to, lines, user="alice", call_id=f"phone-{port}"
    )
    told = b"".join(answer.headers.get_all(b"contact")).decode()
    return told.rpartition('temp-gruu="')[2].partition('"')[0]


def test_contacts_are_counted_by_user_whatever_to_is(tmp_path: Path) -> None:
    with_users(tmp_path, [ALICE])
    config = msgspec.structs.replace(
        Config(), registrar=RegistrarConfig(max_contacts=3), aliases={"boss": "alice"}
    )

    async def story(world: World) -> None:
        line, to = Line(world), "sip:alice@example.test"
        for port in range(6001, 6011):
            to = await temporary(line, to, port) or to
            assert {binding.aor for binding in world.parts.location.all()} == {ALICE}
            assert len(list(world.parts.location.all())) <= 3
        for spelling in SPELLINGS:
            await temporary(line, spelling, 7000)
        assert {binding.aor for binding in world.parts.location.all()} == {ALICE}
        assert len(list(world.parts.location.all())) == 3

    play(tmp_path, story, config=config)


def test_an_hour_is_counted_by_user_whatever_from_is(tmp_path: Path) -> None:
    with_users(tmp_path, [ALICE, BOB])
    config = msgspec.structs.replace(Config(), silo=SiloConfig(max_per_hour=3), aliases={"boss": "alice"})

    async def story(world: World) -> None:
        line = Line(world)
        senders = [*SPELLINGS, await temporary(line, "sip:alice@example.test", 6001)]
        for number, sender in enumerate(senders):
            answer = await line.say(
                "MESSAGE", f"sip:{BOB}", sender, f"sip:{BOB}", body=f"{number}", user="alice"
            )
            assert answer.status == (202 if number < 3 else 480)
        assert world.column("sender") == [ALICE] * 3
        # Rows in the total are counted in the table, the newest rows themselves (store/engine/sqlite/hours.py).
        assert world.read("SELECT sender FROM silo_sender_hour") in ([], [(ALICE,)])

    play(tmp_path, story, config=config)

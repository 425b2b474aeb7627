"""Found: after a new password, or the removal of a user, the bindings made with the old password stayed."""

from functools import partial
from pathlib import Path

import pytest
import trio

from msilod.routing import default
from msilod.sip.digest import ha1
from msilod.sip.message import Response
from msilod.store.engine.base import Operation
from msilod.store.tables.users import UserRow, UserTable
from msilod.store.writer.contract import InlineWriter
from tests.credentials import answer_of
from tests.faults.peer import PASSWORD, Peer
from tests.network.world import DOMAIN, World, configured, play

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
STOLEN, BOBS, NEW = ("198.51.100.1", 5060), ("198.51.100.2", 5060), ("198.51.100.3", 5060)
OTHER_PASSWORD = "another"


def values(aor: str, password: str, *algorithms: str) -> list[UserRow]:
    name = aor.partition("@")[0].encode()
    found = algorithms or ("MD5",)
    return [
        UserRow(aor, one, DOMAIN, ha1(one.encode(), name, DOMAIN.encode(), password.encode()))
        for one in found
    ]


class Home:
    """A daemon with the users alice and bob; alice's phone, which will be stolen, and bob's are registered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.users = UserTable(world.folder / "silo.db", "silo")
        self.stolen = Peer(world, "alice", STOLEN)
        self.bob = Peer(world, "bob", BOBS)
        self.stolen.on_request = self.stolen.answer

    async def begin(self) -> None:
        for aor in (ALICE, BOB):
            self.users.set(aor, values(aor, PASSWORD))
        await self.look()
        for phone in (self.stolen, self.bob):
            assert (await phone.register()).status == 200

    async def look(self) -> None:
        """Let the daemon look at the users twice, as in two seconds."""
        await self.world.parts.user_watch.look()
        await self.world.parts.user_watch.look()
        self.world.parts.receiver.after_batch()

    async def send(self) -> int:
        """The status of a MESSAGE from bob to alice."""
        return (await self.bob.ask(self.bob.request("MESSAGE", f"sip:{ALICE}"))).status

    def bound(self) -> list[str]:
        """The contacts of alice in memory; the database has the same."""
        bindings = self.world.parts.location.bindings(ALICE, self.world.clock.wall())
        found = sorted(binding.contact for binding in bindings)
        rows = self.world.read(f"SELECT contact FROM silo_location WHERE aor = '{ALICE}' ORDER BY contact")
        assert [contact for (contact,) in rows] == found
        return found


def test_a_stolen_phone_gets_nothing_more_and_the_new_phone_gets_it_all(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        home = Home(world)
        await home.begin()
        stolen = home.stolen
        assert await home.send() == 200
        assert stolen.untaken() == [b"MESSAGE"]
        await stolen.take(b"MESSAGE")
        challenge = await stolen.answer_to(stolen.registration())
        home.users.set(ALICE, values(ALICE, OTHER_PASSWORD))
        await home.look()
        assert home.bound() == []
        assert await home.send() == 202
        # Neither by the challenge of before nor by a new one.
        line = answer_of(challenge, "REGISTER", f"sip:{DOMAIN}", "alice", PASSWORD)
        assert (await stolen.answer_to(stolen.registration(extra=f"{line}\r\n"))).status == 401
        assert (await stolen.register()).status == 401
        assert (await stolen.ask(stolen.request("MESSAGE", f"sip:{BOB}"))).status == 407
        await trio.sleep(10)
        assert stolen.untaken() == []
        new = Peer(world, "alice", NEW)
        new.password, new.on_request = OTHER_PASSWORD, new.answer
        assert (await new.register()).status == 200
        await new.take(b"MESSAGE")
        assert home.bound() == [new.contact]
        assert await home.send() == 200
        assert stolen.untaken() == []

    play(tmp_path, story)


@pytest.mark.parametrize("password", [OTHER_PASSWORD, ""])
def test_a_change_while_the_daemon_is_down_counts_at_the_start(tmp_path: Path, password: str) -> None:
    """Without a password the user is removed."""

    async def story(world: World) -> None:
        home = Home(world)
        await home.begin()
        await home.look()
        world.crash()
        if password:
            home.users.set(ALICE, values(ALICE, password))
        else:
            home.users.remove(ALICE)
        await world.start()
        assert home.bound() == []
        assert world.parts.location.bindings(BOB, world.clock.wall())
        assert await home.send() == (202 if password else 404)
        assert home.stolen.untaken() == []

    play(tmp_path, story)


def test_a_daemon_that_is_killed_before_it_has_removed_bindings_removes_them_at_its_start(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        home = Home(world)
        await home.begin()
        await home.look()
        home.users.set(ALICE, values(ALICE, OTHER_PASSWORD))
        assert isinstance(world.silo.writer, InlineWriter)
        broken = world.silo.writer.transactions.engine.operations
        broken["bindings"] = broken["keep_user_change"] = lambda *_: None
        await home.look()
        await world.restart()
        assert home.bound() == []

    play(tmp_path, story)


def test_bindings_of_the_new_password_are_there_after_a_restart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        home = Home(world)
        await home.begin()
        home.users.set(ALICE, values(ALICE, OTHER_PASSWORD))
        await home.look()
        home.stolen.password = OTHER_PASSWORD
        assert (await home.stolen.register()).status == 200
        await world.restart()
        assert home.bound() == [home.stolen.contact]

    play(tmp_path, story)


def test_more_changes_than_the_list_has_end_all_bindings_at_a_start(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        home = Home(world)
        await home.begin()
        await home.look()
        world.crash()
        home.users._db.execute("UPDATE silo_user_change SET id = id + 10000")
        await world.start()
        assert len(world.parts.location) == 0
        assert world.read("SELECT * FROM silo_location") == []

    play(tmp_path, story)


def test_the_same_password_ends_nothing(tmp_path: Path) -> None:
    """An operator sets the passwords of all users again, from a list or for one algorithm more."""

    async def story(world: World) -> None:
        home = Home(world)
        await home.begin()
        for algorithms in (("MD5",), ("MD5", "SHA-256"), ("MD5",)):
            home.users.set(ALICE, values(ALICE, PASSWORD, *algorithms))
            await home.look()
            assert home.bound() == [home.stolen.contact]
        changes = world.read("SELECT max(id) FROM silo_user_change")
        home.users.set(ALICE, values(ALICE, PASSWORD))
        assert world.read("SELECT max(id) FROM silo_user_change") == changes
        assert await home.send() == 200

    play(tmp_path, story)


def test_a_removed_user_who_is_added_again_registers_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        home = Home(world)
        await home.begin()
        home.users.remove(ALICE)
        await home.look()
        home.users.set(ALICE, values(ALICE, PASSWORD))
        await home.look()
        assert home.bound() == []
        assert await home.send() == 202

    play(tmp_path, story)


def test_a_run_to_the_stolen_phone_ends(tmp_path: Path) -> None:
    """The run had one message on the wire; the other messages stay."""

    async def story(world: World) -> None:
        home = Home(world)
        await home.begin()
        home.users.remove(ALICE)
        await home.look()
        home.users.set(ALICE, values(ALICE, PASSWORD))
        await home.look()
        assert [await home.send() for _ in range(3)] == [202] * 3
        stolen = home.stolen
        stolen.on_request = None
        assert (await stolen.register()).status == 200
        first = await stolen.take(b"MESSAGE")
        home.users.set(ALICE, values(ALICE, OTHER_PASSWORD))
        await home.look()
        stolen.answer(first)
        await trio.sleep(60)
        assert stolen.untaken() == []
        assert world.read("SELECT count(*) FROM silo") == [(2,)]

    play(tmp_path, story)


def test_a_registration_that_is_being_committed_ends_as_well(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        home = Home(world)
        await home.begin()
        home.users.remove(ALICE)
        await home.look()
        home.users.set(ALICE, values(ALICE, PASSWORD))
        await home.look()
        assert await home.send() == 202
        assert isinstance(world.silo.writer, InlineWriter)
        operations = world.silo.writer.transactions.engine.operations

        def ended_meanwhile(operation: Operation, *arguments: object) -> object:
            operations["bindings"] = operation
            world.parts.revocation.end([ALICE])
            return operation(*arguments)

        operations["bindings"] = partial(ended_meanwhile, operations["bindings"])
        answer: Response = await home.stolen.register()
        assert answer.status == 200
        assert answer.headers.split(b"contact") == []
        await trio.sleep(5)
        assert home.bound() == []
        assert home.stolen.untaken() == []

    play(tmp_path, story)


def test_bindings_that_needed_no_password_end_when_passwords_are_asked_for(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        home = Home(world)
        home.users.set(ALICE, values(ALICE, PASSWORD))
        await home.look()
        for way in ("reload", "restart"):
            home.stolen.has_password = False
            assert (await home.stolen.register()).status == 200
            await home.look()
            assert home.bound() == [home.stolen.contact]
            world.config = configured(auth={"mode": "required"}, domains=[DOMAIN])
            if way == "reload":
                world.daemon.reload(world.config, default)
            else:
                await world.restart()
            assert home.bound() == []
            home.stolen.has_password = True
            assert (await home.stolen.register()).status == 200
            await home.look()
            world.config = configured(auth={"mode": "off"}, domains=[DOMAIN])
            world.daemon.reload(world.config, default)
            assert home.bound() == [home.stolen.contact]

    play(tmp_path, story, config=configured(auth={"mode": "off"}))

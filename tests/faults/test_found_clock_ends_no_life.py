"""A clock set forward by days ends no messages and no bindings; set back again, the clock prolongs no life."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from msilo_cli.commands import list_cmd, purge_cmd
from msilod.store.tables.selection import Selection
from tests.network.desk import Desk, Terminal
from tests.network.world import DOMAIN, World, play

DAY = 86_400.0
LIFE = 3 * DAY
JUMPS = (4 * DAY, 400 * DAY, -4 * DAY, 3600.0, 30.0)
BOB = f"bob@{DOMAIN}"


async def set_clock(world: World, seconds: float, how: str) -> None:
    if how == "running":
        world.jump(seconds)
        return
    world.crash()
    world.jump(seconds)
    if how == "reboot":
        world.clock.reboot()
    await world.restart()


def left(world: World) -> list[float]:
    """Seconds of life left of each row."""
    return [end - world.clock.wall() for end in world.column("expires_at")]


@pytest.mark.parametrize("how", ["running", "down", "reboot"])
@pytest.mark.parametrize("jump", JUMPS)
def test_a_message_lives_as_long_as_it_would_have(tmp_path: Path, jump: float, how: str) -> None:
    """After a reboot a clock ahead by less than a day is believed: the system was off for this time."""

    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        alice.text("bob")
        await trio.sleep(100)
        lost = jump if how == "reboot" and 0 < jump < DAY else 0
        # Silo time is kept once a minute.
        about = 62 if how == "reboot" else 2
        await set_clock(world, jump, how)
        await trio.sleep(400)
        alice.text("bob")
        await trio.sleep(100)
        assert left(world) == pytest.approx([LIFE - 601 - lost, LIFE - 100], abs=about)
        await set_clock(world, -jump, "running")
        await trio.sleep(400)
        assert left(world) == pytest.approx([LIFE - 1001 - lost, LIFE - 500], abs=about)
        bob.boot()
        await trio.sleep(5)
        assert len(bob.got) == 2

    assert play(tmp_path, story).ledger.faults == []


@pytest.mark.parametrize("how", ["running", "down"])
@pytest.mark.parametrize("jump", [4 * DAY, -4 * DAY])
def test_a_message_ends_when_its_life_is_over(tmp_path: Path, jump: float, how: str) -> None:
    async def story(world: World) -> None:
        alice = world.phone("alice")
        alice.switch_on()
        alice.text("bob", "Expires: 3600\r\n", 3600)
        await trio.sleep(1000)
        await set_clock(world, jump, how)
        await trio.sleep(2500)
        assert len(world.rows()) == 1
        await trio.sleep(500)
        assert world.rows() == {}

    assert play(tmp_path, story).ledger.faults == []


@pytest.mark.parametrize("how", ["running", "down", "reboot"])
@pytest.mark.parametrize("jump", [4 * DAY, 400 * DAY, -4 * DAY])
def test_a_phone_stays_registered_for_as_long_as_it_would_have(tmp_path: Path, jump: float, how: str) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.expires = 3600
        bob.boot()
        await trio.sleep(5)
        await set_clock(world, jump, how)
        # Before and after the daemon's look at the clock.
        alice.text("bob")
        await trio.sleep(5)
        alice.text("bob")
        await trio.sleep(5)
        assert len(bob.got) == 2
        assert world.rows() == {}
        bob.die()
        await trio.sleep(3600)
        assert world.parts.location.aor_count == 0
        assert world.read("SELECT count(*) FROM silo_location") == [(0,)]

    assert play(tmp_path, story).ledger.faults == []


@pytest.mark.parametrize("jump", JUMPS)
def test_a_message_that_is_held_keeps_what_was_left_of_its_life(tmp_path: Path, jump: float) -> None:
    async def story(world: World) -> None:
        alice, desk = world.phone("alice"), Desk(world)
        alice.switch_on()
        alice.text("bob")
        await trio.sleep(100)
        desk.do("hold", BOB, "all")
        await trio.sleep(100)
        world.jump(jump)
        await trio.sleep(100)
        desk.do("release", BOB, "all")
        await trio.sleep(2)
        assert left(world) == pytest.approx([LIFE - 102], abs=2)

    assert play(tmp_path, story).ledger.faults == []


@pytest.mark.parametrize("how", ["running", "down"])
@pytest.mark.parametrize("is_held", [False, True], ids=["", "held"])
def test_the_life_of_a_scheduled_message_begins_when_it_is_due(
    tmp_path: Path, how: str, is_held: bool
) -> None:
    """The message is due at a time of day. A step past this time makes the message due; a step back changes nothing."""

    async def story(world: World) -> None:
        desk = Desk(world)
        desk.inject(BOB, b"later", 3600, DAY)
        desk.inject(BOB, b"much later", 3600, 9 * DAY)
        if is_held:
            desk.do("hold", BOB, "all")
        await set_clock(world, 4 * DAY, how)
        await trio.sleep(10)
        if is_held:
            desk.do("release", BOB, "all")
        await trio.sleep(10)
        assert world.column("state") == ["waiting", "scheduled"]
        world.jump(-4 * DAY)
        await trio.sleep(1000)
        assert world.column("state") == ["waiting", "scheduled"]
        assert left(world)[0] == pytest.approx(3600 - 1010, abs=15)
        assert world.column("due_at")[1] - world.clock.system() == pytest.approx(9 * DAY - 1020, abs=5)
        await trio.sleep(3000)
        assert world.column("state") == ["scheduled"]
        world.clock.suspend(9 * DAY - 4100)
        await trio.sleep(200)
        assert world.column("state") == ["waiting"]
        assert left(world)[0] == pytest.approx(3600 - 120, abs=15)

    play(tmp_path, story)


@pytest.mark.parametrize("jump", [4 * DAY, -4 * DAY])
def test_the_command_shows_times_of_day_and_purges_nothing(tmp_path: Path, jump: float) -> None:
    async def story(world: World) -> None:
        alice = world.phone("alice")
        alice.switch_on()
        alice.text("bob")
        await trio.sleep(100)
        world.jump(jump)
        # Before and after the daemon's look at the clock.
        for _ in range(2):
            terminal = Terminal(world)
            now = terminal.now()
            list_cmd.run(terminal, Selection(), "jsonl")
            told = terminal.told()[0]
            received, expires = (
                datetime.fromisoformat(told[name]).timestamp() for name in ("received_at", "expires_at")
            )
            system = world.clock.system()
            assert [system - received, expires - system] == pytest.approx([100, LIFE - 100], abs=3)
            purge_cmd.run(terminal, Selection(expired_at=now), is_sure=True)
            assert len(world.rows()) == 1
            assert terminal.queue.count(Selection(expired_at=now), now)[0] == 0
            terminal.close()
            await trio.sleep(2)

    assert play(tmp_path, story).ledger.faults == []


@pytest.mark.parametrize("jump", [4 * DAY, -4 * DAY])
def test_what_leaves_has_the_time_of_day(tmp_path: Path, jump: float) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        alice.text("bob")
        await trio.sleep(100)
        world.jump(jump)
        await trio.sleep(2)
        received = world.clock.system() - 102
        bob.boot()
        await trio.sleep(5)
        date = bob.got[0].headers.get(b"date")
        assert date is not None
        sent = datetime.strptime(date.decode(), "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
        assert sent.timestamp() == pytest.approx(received, abs=2)

    assert play(tmp_path, story).ledger.faults == []


def test_a_step_changes_no_row(tmp_path: Path) -> None:
    """However many rows there are, the step costs the same."""

    async def story(world: World) -> None:
        alice = world.phone("alice")
        alice.switch_on()
        for _ in range(20):
            alice.text("bob")
        await trio.sleep(5)
        before = world.read("SELECT * FROM silo ORDER BY id")
        world.jump(4 * DAY)
        await trio.sleep(5)
        assert world.read("SELECT * FROM silo ORDER BY id") == before

    assert play(tmp_path, story).ledger.faults == []

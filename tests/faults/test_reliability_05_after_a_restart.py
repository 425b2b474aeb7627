"""Reliability 5: after a restart no back-off lasts too long, and no message overtakes earlier ones."""

from pathlib import Path

import pytest
import trio

import msilod.daemon.recollection
import msilod.store.engine.sqlite.hold
from msilod.daemon.recollection import Recollection
from msilod.store.engine.choice import sqlite_url
from msilod.store.limits import Limits
from msilod.store.silo import Silo
from tests.network.phone import LATE, SILENT, TAKES, Phone, Script
from tests.network.world import World, play
from tests.store.rows import add, row

AWAY: Script = ((0.05, 480),)
COPY: Script = ((0.05, 482),)
DAY = 86_400.0
STEP = 60.0


async def backing_off(world: World, answers: Script = AWAY) -> tuple[Phone, Phone]:
    """bob is registered for long, has refused a message for now, and is left alone for the first step."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    bob.expires = 80_000
    bob.answers = answers
    alice.text("bob", name=b"first")
    await trio.sleep(1)
    bob.boot()
    await trio.sleep(1)
    assert world.column("next_attempt_at") != [None]
    return alice, bob


def times_of(phone: Phone) -> list[float]:
    return [served.at for served in phone.served.values()]


def test_a_registration_clears_the_back_off_in_the_rows(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await backing_off(world)
        bob.answers = LATE
        bob.boot()
        await trio.sleep(0.2)
        assert world.column("next_attempt_at") == [None]
        # Killed with the message on the wire: its time was over when bob registered.
        await world.restart()
        bob.answers = TAKES
        asked = alice.text("bob", name=b"second")
        await trio.sleep(3)
        assert asked.status in (200, 202)
        assert world.rows() == {}
        assert [request.body for request in bob.got][-2:] == [b"first", b"second"]

    assert play(tmp_path, story).ledger.faults == []


def test_a_registration_leaves_the_distance_of_a_copy(tmp_path: Path) -> None:
    """RFC 3261 section 8.2.2.2: after a 482 the phone may still have the first transaction."""

    async def story(world: World) -> None:
        _, bob = await backing_off(world, COPY)
        before = world.column("next_attempt_at")
        bob.answers = SILENT
        bob.boot()
        await trio.sleep(0.2)
        await world.restart()
        assert world.column("next_attempt_at") == before

    play(tmp_path, story)


@pytest.mark.parametrize("jump", [-DAY, -20.0, 20.0, 20_000.0])
@pytest.mark.parametrize("is_up", [True, False])
def test_a_back_off_lasts_as_long_as_before_when_the_clock_is_set(
    tmp_path: Path, jump: float, is_up: bool
) -> None:
    """The clock is set while the daemon runs, or while the daemon is down; then a restart follows."""

    async def story(world: World) -> None:
        _, bob = await backing_off(world)
        bob.answers = TAKES
        (first,) = times_of(bob)
        if is_up:
            world.clock.jump(jump)
            await trio.sleep(2)
            await world.restart()
        else:
            world.crash()
            world.clock.jump(jump)
            await trio.sleep(1)
            await world.start()
        await trio.sleep(STEP + 5)
        assert world.rows() == {}
        assert STEP - 1 <= times_of(bob)[-1] - first <= STEP + 4

    play(tmp_path, story)


def test_without_a_word_of_the_clock_a_back_off_is_no_longer_than_the_longest(tmp_path: Path) -> None:
    """After a reboot the size of the clock's step is unknown."""

    async def story(world: World) -> None:
        await backing_off(world)
        world.crash()
        world.clock.jump(-DAY)
        world.clock.boot = lambda: "another"  # type: ignore[method-assign]
        await world.start()
        await trio.sleep(1)
        retry_at = world.parts.deliverer.schedule.retry_at("bob@example.test")
        assert retry_at is not None
        assert retry_at - world.clock.wall() <= world.parts.deliverer.policy.retry[-1]

    play(tmp_path, story)


def test_mail_that_was_imported_while_the_daemon_was_down_is_not_overtaken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recipients with mail are read in pages beside the work: until then a MESSAGE goes by way of the silo."""
    for module in (msilod.daemon.recollection, msilod.store.engine.sqlite.hold):
        monkeypatch.setattr(module, "PAGE", 1)
    go_on = Recollection.go_on

    async def late(self: Recollection) -> None:
        await trio.sleep(5)
        await go_on(self)

    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.expires = 600
        bob.boot()
        await trio.sleep(1)
        world.crash()
        silo = Silo(sqlite_url(world.folder / "silo.db"), "silo", Limits())
        silo.start("import", None)
        rows = [row(n, "bob@example.test", expires_at=world.clock.wall() + DAY) for n in range(2)]
        add(silo, row(7, "anna@example.test"), *rows)
        silo.close()
        monkeypatch.setattr(Recollection, "go_on", late)
        await world.start()
        asked = alice.text("bob", name=b"new")
        await trio.sleep(1)
        assert asked.status == 202
        await trio.sleep(6)
        assert [request.body for request in bob.got] == [*[made.body for made in rows], b"new"]
        asked = alice.text("bob", name=b"newer")
        await trio.sleep(1)
        assert asked.status == 200

    play(tmp_path, story)

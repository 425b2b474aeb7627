"""Steps of the system's clock while the daemon runs, and expired messages."""

from pathlib import Path

import pytest
import trio

from msilod.daemon.housekeeping import TICK
from tests.network.desk import Desk
from tests.network.phone import TAKES, Script
from tests.network.world import DOMAIN, World, play

AWAY: Script = ((0.05, 480),)
SPACED: Script = ((0.05, 482),)
DAY = 86_400.0


@pytest.mark.parametrize("answers", [AWAY, SPACED], ids=["480", "482"])
@pytest.mark.parametrize("jump", [-DAY, -5.0, 5.0, 20_000.0])
def test_a_clock_that_is_set_neither_delays_loses_nor_repeats(
    tmp_path: Path, jump: float, answers: Script
) -> None:
    """The clock is set back by a day, or forward by hours, between two attempts to a registered phone."""

    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        alice.text("bob")
        bob.expires = 80_000
        bob.answers = answers
        bob.boot()
        await trio.sleep(30)
        assert len(world.rows()) == 1
        world.clock.jump(jump)
        bob.answers = TAKES
        # The distance that a copy keeps may begin anew, for nobody knows when the row was last tried.
        await trio.sleep(60 if answers is AWAY else 110)
        assert world.rows() == {}

    world = play(tmp_path, story)
    assert world.ledger.faults == []
    assert [len(message.taken) for message in world.ledger.messages.values()] == [1]


@pytest.mark.parametrize("verb", ["hold", "purge"])
def test_a_clock_that_is_set_on_ends_no_lease(tmp_path: Path, verb: str) -> None:
    """Rows claimed by a run were taken for free rows: the rows were held or purged, and sent nevertheless."""

    async def story(world: World) -> None:
        alice, bob, desk = world.phone("alice"), world.phone("bob"), Desk(world)
        alice.switch_on()
        for _ in range(3):
            alice.text("bob")
        bob.answers = ((5.0, 200),)
        await trio.sleep(1)
        bob.boot()
        await trio.sleep(1)
        world.jump(DAY)
        await trio.sleep(TICK)
        desk.do(verb, f"bob@{DOMAIN}", "all")
        await trio.sleep(20)
        assert sum(bool(message.taken) for message in world.ledger.messages.values()) == 1

    assert play(tmp_path, story).ledger.faults == []


def test_a_life_counts_from_the_arrival_and_not_from_the_end_of_a_vain_fork(tmp_path: Path) -> None:
    """RFC 3428 §7: a silent phone is waited for, 10 s, before the message is stored."""

    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.boot()
        await trio.sleep(1)
        bob.answers = ()
        began = world.clock.wall()
        alice.text("bob", "Expires: 100\r\n", lives=100)
        await trio.sleep(11)
        for name, seconds in (("received_at", 0), ("expires_at", 100)):
            assert 0 <= world.column(name)[0] - began - seconds < 1
        await trio.sleep(84)
        bob.answers = TAKES
        await trio.sleep(7)
        bob.boot()
        await trio.sleep(1)
        assert [message.taken for message in world.ledger.messages.values()] == [[]]

    assert play(tmp_path, story).ledger.faults == []


def test_what_has_expired_is_not_delivered_and_is_cleaned_away(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        alice.text("bob", "Expires: 120\r\n", lives=120)
        await trio.sleep(121)
        bob.boot()
        await trio.sleep(1)
        assert world.ledger.attempts == {}
        alice.text("carol", "Expires: 120\r\n", lives=120)
        await trio.sleep(300)
        assert world.rows() == {}

    assert play(tmp_path, story).ledger.faults == []

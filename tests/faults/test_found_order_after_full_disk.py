"""Found: after a full disk newer rows overtook rows of the same recipient not yet given back by a run (law 4).

A claim waits until the rows of earlier runs of the recipient are given back, refused or ended in the database. When
this fails, the claim fails, too.
"""

from pathlib import Path

import pytest
import trio

from tests.faults.test_reliability_01_stuck_rows import BUSY, DECLINES, ERRORS, waiting
from tests.network.desk import Desk
from tests.network.phone import SILENT, TAKES, Phone, Script
from tests.network.refusing import ALL_ENDS, GIVEN_BACK, refusing
from tests.network.world import DOMAIN, World, configured, play

GONE: Script = ((2.0, 480),)


def bodies(phone: Phone) -> list[bytes]:
    return [request.body for request in phone.got]


async def stuck(world: World, answers: Script = BUSY, seconds: float = 10.0) -> tuple[Phone, Phone]:
    """bob's phone has answered the first of three rows; none of them could be given back for so long."""
    alice, bob = await waiting(world)
    bob.answers = answers
    bob.boot()
    await trio.sleep(1)
    with refusing(world) as store:
        await trio.sleep(seconds)
        assert store.refusals
        bob.die()
        bob.answers = TAKES
    return alice, bob


@pytest.mark.parametrize("answers", [BUSY, GONE])
def test_a_row_stored_after_the_fault_goes_behind_them(tmp_path: Path, answers: Script) -> None:
    """The next try to give them back is seconds away when bob's phone comes back."""

    async def story(world: World) -> None:
        alice, bob = await stuck(world, answers)
        alice.text("bob", name=b"new")
        await trio.sleep(2)
        assert len(world.rows()) == 4
        taken = len(bob.got)
        bob.boot()
        await trio.sleep(2)
        assert bodies(bob)[taken:] == [b"0", b"1", b"2", b"new"]
        assert world.rows() == {}

    assert play(tmp_path, story, errors=ERRORS).ledger.faults == []


def test_a_registration_during_the_fault_gets_nothing_out_of_order(tmp_path: Path) -> None:
    """The rows can be claimed but not given back: a claim fails until the rows are given back."""

    async def story(world: World) -> None:
        alice, bob = await waiting(world)
        bob.answers = BUSY
        bob.boot()
        await trio.sleep(1)
        with refusing(world):
            await trio.sleep(3)
            bob.register(0)
            await trio.sleep(1)
            alice.text("bob", name=b"new")
            await trio.sleep(1)
            bob.answers = TAKES
            taken = len(bob.got)
            bob.boot()
            await trio.sleep(20)
            assert bodies(bob)[taken:] == []
        await trio.sleep(32)
        assert bodies(bob)[taken:] == [b"0", b"1", b"2", b"new"]

    assert play(tmp_path, story, errors=ERRORS).ledger.faults == []


def test_the_rest_of_a_hand_that_is_full_goes_behind_what_was_given_back(tmp_path: Path) -> None:
    """A run with 100 rows claims 64 at once, and claims again."""

    async def story(world: World) -> None:
        _, bob = await waiting(world, 100)
        bob.answers = ((0.01, 415),)
        with refusing(world) as store:
            bob.boot()
            await trio.sleep(30)
            assert store.refusals
            assert len(set(bodies(bob))) <= 64
        bob.answers = TAKES
        taken = len(bob.got)
        bob.boot()
        await trio.sleep(60)
        rest = [int(body) for body in bodies(bob)[taken:]]
        assert rest
        assert rest == sorted(rest)

    config = configured(silo={"max_messages": 200})
    assert play(tmp_path, story, config=config, errors=ERRORS).ledger.faults == []


def test_a_refused_row_is_not_sent_again_by_the_next_run(tmp_path: Path) -> None:
    """The device refused the message for good, and the refusal could not be written."""

    async def story(world: World) -> None:
        _, bob = await stuck(world, DECLINES)
        taken = bodies(bob)
        bob.boot()
        await trio.sleep(60)
        assert not set(taken) & set(bodies(bob)[len(taken) :])

    for devices in ("first", "each"):
        folder = tmp_path / devices
        folder.mkdir()
        config = configured(silo={"devices": devices})
        assert play(folder, story, config=config, errors=ERRORS).ledger.faults == []


def test_rows_of_one_device_keep_their_order_where_each_device_has_them(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await waiting(world)
        tablet = world.phone("bob")
        tablet.expires = bob.expires
        bob.answers, tablet.answers = BUSY, GONE
        bob.boot()
        tablet.boot()
        await trio.sleep(1)
        with refusing(world):
            await trio.sleep(10)
            bob.die()
            tablet.die()
        alice.text("bob", name=b"new")
        await trio.sleep(5)
        for phone in (bob, tablet):
            taken = len(phone.got)
            phone.answers = TAKES
            phone.boot()
            await trio.sleep(5)
            assert bodies(phone)[taken:] == [b"0", b"1", b"2", b"new"]

    # The ledger would call the second device's copy a repeat.
    play(tmp_path, story, config=configured(silo={"devices": "each"}), errors=ERRORS)


def test_a_row_whose_late_2xx_could_not_be_written_is_not_sent_again(tmp_path: Path) -> None:
    """Law 2: the phone said 200 behind Timer F, when no run had the row in hand."""

    async def story(world: World) -> None:
        _, bob = await waiting(world, 1)
        bob.answers = ((50.0, 200),)
        bob.boot()
        await trio.sleep(40)
        with refusing(world, ALL_ENDS) as store:
            await trio.sleep(17)
            assert store.refusals
            assert len(world.rows()) == 1
        bob.answers = TAKES
        bob.boot()
        await trio.sleep(60)
        assert world.rows() == {}
        assert bodies(bob) == [b"0"]

    assert play(tmp_path, story, errors=ERRORS).ledger.faults == []


@pytest.mark.parametrize("verb", ["hold", "purge"])
def test_an_operator_finds_the_rows_free_as_soon_as_the_disk_is_good(tmp_path: Path, verb: str) -> None:
    """The next try to give them back is seconds away."""

    async def story(world: World) -> None:
        _, bob = await waiting(world)
        bob.answers = BUSY
        bob.boot()
        await trio.sleep(1)
        with refusing(world):
            await trio.sleep(3)
            bob.register(0)
            await trio.sleep(7)
        assert all(world.column("owner"))
        Desk(world).do(verb, f"bob@{DOMAIN}", "all")
        await trio.sleep(0.1)
        states = ["held"] * 3 if verb == "hold" else []
        assert world.column("state") == states
        assert not any(world.column("owner"))

    assert play(tmp_path, story, errors=ERRORS).ledger.faults == []


def test_rows_that_cannot_be_given_back_hold_up_nobody_else(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await waiting(world)
        carol = world.phone("carol")
        bob.answers = BUSY
        alice.text("carol")
        bob.boot()
        await trio.sleep(1)
        with refusing(world):
            await trio.sleep(10)
            carol.boot()
            await trio.sleep(2)
            assert len(carol.got) == 1

    play(tmp_path, story, errors=ERRORS)


def test_silent_phones_and_many_faults_in_a_row(tmp_path: Path) -> None:
    """The disk is full again and again, and some rows are given back in between."""

    async def story(world: World) -> None:
        alice, bob = await waiting(world)
        # A row steps behind others after three temporary failures; silence counts for none.
        for number, answers in enumerate((SILENT, BUSY, SILENT, GONE, SILENT)):
            bob.answers = answers
            bob.boot()
            await trio.sleep(1)
            with refusing(world, GIVEN_BACK if number % 2 else ALL_ENDS):
                await trio.sleep(45)
                bob.die()
            await trio.sleep(number)
            alice.text("bob", name=b"new%d" % number)
            await trio.sleep(1)
        bob.answers = TAKES
        taken = len(bob.got)
        bob.boot()
        await trio.sleep(100)
        assert bodies(bob)[taken:] == [b"0", b"1", b"2", *(b"new%d" % number for number in range(5))]
        assert world.rows() == {}

    assert play(tmp_path, story, errors=ERRORS * 5).ledger.faults == []

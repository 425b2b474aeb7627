"""Reliability 16: while an open branch may still deliver a message, the sender gets no failure; a late 200 counts."""

from pathlib import Path

import pytest
import trio

from tests.faults.test_reliability_01_stuck_rows import full_disk
from tests.network.phone import SILENT, Phone, Script
from tests.network.world import World, configured, play

SLOW: Script = ((15.0, 200),)
ERRORS = ("store failed",)


async def both(world: World, answers: Script) -> tuple[Phone, Phone]:
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    bob.expires = 3600
    bob.boot()
    await trio.sleep(1)
    bob.answers = answers
    return alice, bob


def test_the_late_200_of_a_slow_phone_is_the_answer_when_the_disk_is_full(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await both(world, SLOW)
        with full_disk(world):
            asked = alice.text("bob")
            await trio.sleep(12)
            assert asked.status < 200
            await trio.sleep(5)
        assert asked.status == 200
        assert world.rows() == {}
        await trio.sleep(60)
        assert len(bob.got) == 1

    assert play(tmp_path, story).ledger.faults == []


@pytest.mark.parametrize(
    ("answers", "expected"), [(SILENT, 503), (((15.0, 486),), 503), (((15.0, 603),), 603)]
)
def test_without_a_200_the_sender_is_told_in_time(tmp_path: Path, answers: Script, expected: int) -> None:
    """The failure comes before the sender's Timer F, within 32 s."""

    async def story(world: World) -> None:
        alice, _ = await both(world, answers)
        with full_disk(world):
            asked = alice.text("bob")
            await trio.sleep(12)
            assert asked.status < 200
            await trio.sleep(19.5)
        assert asked.status == expected
        await trio.sleep(60)
        assert world.rows() == {}
        assert world.parts.layer.open_transactions == 0

    play(tmp_path, story, errors=ERRORS if expected == 503 else ())


def test_a_message_that_the_silo_does_not_take_is_not_refused_before_the_phone_has_spoken(
    tmp_path: Path,
) -> None:
    """Too large to be stored, and still delivered."""

    async def story(world: World) -> None:
        alice, bob = await both(world, SLOW)
        asked = alice.text("bob", name=b"x" * 30)
        silent = world.phone("carol")
        silent.boot()
        await trio.sleep(1)
        silent.answers = SILENT
        other = alice.text("carol", name=b"y" * 30)
        await trio.sleep(12)
        assert asked.status < 200
        await trio.sleep(19.5)
        assert asked.status == 200
        assert other.status == 413
        assert len(bob.got) == 1

    play(tmp_path, story, config=configured(silo={"max_body": 20}))


def test_with_no_branch_alive_the_refusal_is_immediate(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, _ = await both(world, ((0.05, 480),))
        with full_disk(world):
            asked = alice.text("bob")
            await trio.sleep(1)
        assert asked.status == 503

    play(tmp_path, story, errors=ERRORS)

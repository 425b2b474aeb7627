"""Law 3 over hours, on the whole daemon: a failed row is tried again by [silo] retry, without a REGISTER."""

from itertools import pairwise
from pathlib import Path

import msgspec
import trio

from msilod.config import Config, SiloConfig
from tests.network.phone import SILENT, TAKES, Phone
from tests.network.world import World, play

NOT_NOW = ((0.05, 486),)
# Seconds. The longest expiry: phones register once per story.
ONCE = 86_400
STEPS = [60, 300, 900, 3600]


def config(**silo: object) -> Config:
    return Config(silo=msgspec.structs.replace(SiloConfig(), **silo))


def tries(phone: Phone) -> list[float]:
    """The times of received MESSAGEs."""
    return [served.at for served in phone.served.values()]


def waits(phone: Phone) -> list[int]:
    """The seconds between received MESSAGEs. The daemon's tick is one second."""
    times = tries(phone)
    return [round(later - earlier) for earlier, later in pairwise(times)]


def in_steps(waited: list[int], steps: list[int], slack: int = 2) -> bool:
    return len(waited) == len(steps) and all(
        step <= wait <= step + slack for wait, step in zip(waited, steps, strict=True)
    )


def boot(world: World) -> tuple[Phone, Phone]:
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    bob.expires = ONCE
    return alice, bob


def test_an_online_message_that_bob_does_not_take_is_tried_after_60_s_300_s_and_so_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = boot(world)
        bob.boot()
        bob.answers = NOT_NOW
        await trio.sleep(1)
        alice.text("bob", name=b"patience")
        await trio.sleep(sum(STEPS) + 30)
        assert in_steps(waits(bob), STEPS), waits(bob)
        bob.answers = TAKES
        await trio.sleep(STEPS[-1] + 30)
        assert in_steps(waits(bob), [*STEPS, STEPS[-1]]), "the last step repeats"
        assert world.rows() == {}

    assert play(tmp_path, story).ledger.faults == []


def test_a_queued_one_likewise_until_its_attempts_are_spent(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = boot(world)
        alice.text("bob", name=b"in-vain")
        await trio.sleep(1)
        bob.boot()
        bob.answers = NOT_NOW
        await trio.sleep(2000)
        assert in_steps(waits(bob), STEPS[:3]), waits(bob)
        assert world.rows() == {b"in-vain": ("rejected", "486Busy Here")}

    assert play(tmp_path, story, config=config(attempts=4)).ledger.faults == []


def test_a_silent_phone_is_tried_until_the_message_expires_and_never_after(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = boot(world)
        bob.boot()
        bob.answers = SILENT
        await trio.sleep(1)
        alice.text("bob", name=b"lonely", lives=2000)
        await trio.sleep(2100)
        # The first was cut at fr_timer, 10 s; the others ended at Timer F, 32 s.
        assert in_steps(waits(bob), STEPS[:3], slack=34), waits(bob)
        bob.answers = TAKES
        bob.register()
        await trio.sleep(30)
        assert len(tries(bob)) == 4, "expired, and the sweep comes late"
        assert world.parts.counters.expired_messages == 1
        assert world.rows() == {}

    play(tmp_path, story, config=config(expire_time=2000, clean_period=1000))


def test_a_phone_that_says_when_is_asked_then(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = boot(world)
        bob.boot()
        bob.answers, bob.headers = ((0.05, 480),), ((b"Retry-After", b"120"),)
        await trio.sleep(1)
        alice.text("bob", name=b"in-two-minutes")
        await trio.sleep(125)
        assert in_steps(waits(bob), [120]), waits(bob)

    play(tmp_path, story)


def test_more_messages_to_who_is_busy_do_not_push_the_next_attempt_away(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = boot(world)
        bob.boot()
        bob.answers = NOT_NOW
        await trio.sleep(1)
        for _ in range(5):
            alice.text("bob")
            await trio.sleep(5)
        bob.answers = TAKES
        await trio.sleep(45)
        assert world.rows() == {}, "all of them, one minute after the first"

    assert play(tmp_path, story).ledger.faults == []


def test_a_back_off_outlives_the_daemon(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = boot(world)
        bob.boot()
        bob.answers = NOT_NOW
        await trio.sleep(1)
        alice.text("bob", name=b"patience")
        await trio.sleep(5)
        await world.restart()
        bob.answers = TAKES
        await trio.sleep(90)
        assert world.rows() == {}

    assert play(tmp_path, story).ledger.faults == []

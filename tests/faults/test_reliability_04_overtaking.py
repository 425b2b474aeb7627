"""Reliability 4: a new message never overtakes waiting messages of the same recipient."""

from pathlib import Path

import trio

from msilod.silo.runs.schedule import MAX_RUNS
from tests.network.phone import Phone
from tests.network.world import World, play

SLOW = ((3.0, 200),)


def bodies(phone: Phone) -> list[bytes]:
    return [request.body for request in phone.got]


async def three_waiting(world: World) -> tuple[Phone, Phone]:
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    for number in range(3):
        alice.text("bob", name=b"%d" % number)
        await trio.sleep(0.1)
    assert len(world.rows()) == 3
    return alice, bob


def test_a_message_goes_behind_the_waiting_ones_while_a_register_is_committed(tmp_path: Path) -> None:
    """The disk is slow: REGISTER, and 0.1 s later a MESSAGE, before the binding is on the disk."""

    async def story(world: World) -> None:
        alice, bob = await three_waiting(world)
        flush = world.silo.writer.flush
        world.silo.writer.flush = lambda: None  # type: ignore[method-assign]
        bob.boot()
        await trio.sleep(0.1)
        alice.text("bob", name=b"3")
        await trio.sleep(0.3)
        assert bob.got == [], "nothing is relayed"
        world.silo.writer.flush = flush  # type: ignore[method-assign]
        await trio.sleep(2)
        assert bodies(bob) == [b"0", b"1", b"2", b"3"]
        assert world.parts.deliverer.registering == {}
        # Nothing waits: relayed.
        asked = alice.text("bob", name=b"4")
        await trio.sleep(1)
        assert asked.status == 200

    assert play(tmp_path, story).ledger.faults == []


def test_a_message_whose_row_is_being_committed_is_not_overtaken_either(tmp_path: Path) -> None:
    """The row, the REGISTER and a second MESSAGE come while one commit is under way."""

    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        flush = world.silo.writer.flush
        world.silo.writer.flush = lambda: None  # type: ignore[method-assign]
        alice.text("bob", name=b"0")
        await trio.sleep(0.1)
        bob.boot()
        await trio.sleep(0.1)
        alice.text("bob", name=b"1")
        await trio.sleep(0.1)
        world.silo.writer.flush = flush  # type: ignore[method-assign]
        await trio.sleep(2)
        assert bodies(bob) == [b"0", b"1"]

    assert play(tmp_path, story).ledger.faults == []


def test_a_message_goes_behind_the_waiting_ones_of_a_user_who_waits_for_a_place_to_run(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        alice, bob = await three_waiting(world)
        carol = world.phone("carol")
        alice.text("carol", name=b"c")
        carol.answers = SLOW
        assert world.parts.deliverer.schedule.limit == MAX_RUNS
        world.parts.deliverer.schedule.limit = 1
        carol.boot()
        await trio.sleep(0.5)
        bob.boot()
        await trio.sleep(0.5)
        assert list(world.parts.deliverer.in_line) == ["bob@example.test"]
        alice.text("bob", name=b"3")
        await trio.sleep(1)
        assert bob.got == []
        await trio.sleep(5)
        assert bodies(bob) == [b"0", b"1", b"2", b"3"]

    assert play(tmp_path, story).ledger.faults == []


def test_a_user_who_has_had_his_share_and_waits_again_is_not_overtaken(tmp_path: Path) -> None:
    """With many rows a run ends after a share, and the recipient waits in the queue of runs again."""

    async def story(world: World) -> None:
        alice, bob, carol = world.phone("alice"), world.phone("bob"), world.phone("carol")
        alice.switch_on()
        for number in range(330):
            alice.text("bob", name=b"%d" % number)
        alice.text("carol", name=b"c")
        await trio.sleep(10)
        waiting = [body for body in world.rows() if body != b"c"]
        world.parts.deliverer.schedule.limit = 1
        bob.answers = ((0.0, 200),)
        carol.answers = SLOW
        bob.expires = carol.expires = 3600
        bob.boot()
        carol.boot()
        while "bob@example.test" not in world.parts.deliverer.in_line:
            await trio.sleep(0.05)
        alice.text("bob", name=b"330")
        await trio.sleep(60)
        assert bodies(bob) == [*waiting, b"330"]

    assert play(tmp_path, story).ledger.faults == []

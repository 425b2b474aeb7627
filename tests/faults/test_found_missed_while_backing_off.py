"""Messages stored during a delivery run are delivered by the run, also when an older message backs off."""

from pathlib import Path

import trio

from tests.network.desk import Desk
from tests.network.phone import SILENT, Phone
from tests.network.world import World, play


def bodies(phone: Phone) -> list[bytes]:
    return [request.body for request in phone.got]


def test_a_new_phone_gets_all_while_the_old_one_is_silent(tmp_path: Path) -> None:
    """The first message was relayed to the old phone; the new one registers before fr_timer, and is slow."""

    async def story(world: World) -> None:
        alice, old, new = world.phone("alice"), world.phone("bob"), world.phone("bob")
        for phone in (alice, old):
            phone.boot()
        await trio.sleep(1)
        old.answers = SILENT
        alice.text("bob", name=b"one")
        await trio.sleep(8)
        new.answers = ((1.0, 200),)
        new.boot()
        # fr_timer: the first is stored, and goes to the new phone.
        await trio.sleep(2.5)
        alice.text("bob", name=b"two")
        await trio.sleep(5)
        assert bodies(new) == [b"one", b"two"]
        alice.text("bob", name=b"three")
        await trio.sleep(5)
        assert bodies(new) == [b"one", b"two", b"three"]

    play(tmp_path, story)


def test_a_message_that_is_refused_during_a_run_does_not_end_the_search_for_new_ones(tmp_path: Path) -> None:
    """A message relayed before the run, refused during the run, and stored, backs off. The run claims newer rows."""

    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.boot()
        await trio.sleep(1)
        bob.boot()
        await trio.sleep(1)
        bob.answers = ((3.0, 486),)
        alice.text("bob", name=b"refused")
        await trio.sleep(1)
        bob.answers = ((5.0, 200),)
        Desk(world).inject("bob@example.test", b"injected", 3600, 0)
        await trio.sleep(4)
        alice.text("bob", name=b"next")
        await trio.sleep(15)
        assert bodies(bob) == [b"refused", b"injected", b"refused", b"next"]

    play(tmp_path, story)

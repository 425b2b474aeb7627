"""Found: a phone with `expires="0"`, in quotes, stayed registered for an hour (RFC 3261 §20.10)."""

from pathlib import Path

import trio

from tests.network.world import World, play


def test_a_contact_is_removed_by_a_zero_in_quotes(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.boot()
        await trio.sleep(1)
        asked = bob.register_line(f'Contact: <{bob.contact}>;expires="0"\r\n')
        await trio.sleep(1)
        assert asked.status == 200
        alice.text("bob")
        await trio.sleep(1)
        assert bob.got == []
        assert len(world.rows()) == 1

    play(tmp_path, story)


def test_a_contact_is_kept_for_the_seconds_in_quotes(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.switch_on()
        bob.register_line(f'Contact: <{bob.contact}>;expires="90"\r\n')
        await trio.sleep(89)
        alice.text("bob", name=b"early")
        await trio.sleep(5)
        alice.text("bob", name=b"later")
        await trio.sleep(1)
        assert [request.body for request in bob.got] == [b"early"]

    play(tmp_path, story)

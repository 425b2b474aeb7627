"""Revocation: the number of a change is kept only after the removals are written."""

from pathlib import Path

import trio

from msilod.config import AuthConfig, Config
from tests.network.refusing import refusing
from tests.network.world import World, configured, play


def kept_changes(world: World) -> list[int]:
    """The changes handed to the writer from now on."""
    found: list[int] = []
    world.parts.writer.keep_user_change = found.append  # type: ignore[method-assign, assignment]
    return found


def test_a_change_is_kept_after_the_removals_of_its_bindings(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        parts, kept = world.parts, kept_changes(world)
        bob = world.phone("bob")
        bob.expires = 3600
        bob.boot()
        await trio.sleep(1)
        parts.members.is_closed = True
        with refusing(world, {"bindings", "change_bindings"}) as stand_in:
            parts.revocation.end(["bob@example.test"])
            assert stand_in.refusals == 1
            parts.revocation.looked(7)
            assert kept == []
        await trio.sleep(3)
        parts.revocation.looked(7)
        parts.revocation.looked(7)
        assert kept == [7], "once, after the removal is in the database"

    play(tmp_path, story, may_log=("bindings could not be removed",))


def test_while_no_password_is_asked_for_nothing_ends(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        parts, kept = world.parts, kept_changes(world)
        bob = world.phone("bob")
        bob.boot()
        await trio.sleep(1)
        parts.revocation.end(None)
        assert len(parts.location) == 1
        parts.revocation.looked(7)
        assert kept in ([], [-1]), "the bindings were made without a password"
        assert parts.revocation._kept == -1

    config: Config = configured(auth=AuthConfig(mode="off"))
    play(tmp_path, story, config=config)

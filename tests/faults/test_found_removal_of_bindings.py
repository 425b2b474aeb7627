"""A removal or refresh of bindings with a failed commit is tried again: a restart restores no removed contact."""

from functools import partial
from pathlib import Path

import trio

from msilod.errors import StoreError
from msilod.store.engine.base import Operation
from msilod.store.writer.contract import InlineWriter
from tests.faults.peer import lock
from tests.network.world import World, play


class BrokenDisk:
    """While `is_broken` nothing of the table of bindings can be written."""

    def __init__(self, world: World) -> None:
        self.is_broken = False
        assert isinstance(world.silo.writer, InlineWriter)
        operations = world.silo.writer.transactions.engine.operations
        for name in ("bindings", "refresh"):
            operations[name] = partial(self._write, operations[name])

    def _write(self, operation: Operation, *arguments: object) -> object:
        if self.is_broken:
            raise StoreError("the disk is full")
        return operation(*arguments)


def _kept(world: World) -> list[str]:
    return [str(contact) for (contact,) in world.read("SELECT contact FROM silo_location ORDER BY contact")]


def test_contacts_without_a_password_do_not_come_back_when_their_removal_failed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        stranger = world.phone("bob")
        stranger.boot()
        await trio.sleep(1)
        assert _kept(world) == [stranger.contact]
        disk = BrokenDisk(world)
        disk.is_broken = True
        lock(world, "bob")
        world.parts.revocation.end(None)
        await trio.sleep(3)
        assert world.parts.location.bindings("bob@example.test", world.clock.wall()) == []
        disk.is_broken = False
        await trio.sleep(2.5)
        assert _kept(world) == []

    play(tmp_path, story, errors=["bindings could not be removed"])


def test_a_contact_that_has_registered_again_keeps_its_row(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob, carol = world.phone("bob"), world.phone("carol")
        bob.boot()
        carol.boot()
        await trio.sleep(1)
        disk = BrokenDisk(world)
        disk.is_broken = True
        world.parts.registrar.forget(("bob@example.test", "carol@example.test"))
        world.parts.receiver.after_batch()
        disk.is_broken = False
        # Before the removal is tried again.
        bob.boot()
        await trio.sleep(5)
        assert _kept(world) == [bob.contact]

    play(tmp_path, story, errors=["bindings could not be removed"])


def test_a_refresh_that_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob")
        bob.boot()
        await trio.sleep(1)
        ((before,),) = world.read("SELECT expires_at FROM silo_location")
        disk = BrokenDisk(world)
        disk.is_broken = True
        await trio.sleep(30)
        bob.register()
        await trio.sleep(5)
        disk.is_broken = False
        await trio.sleep(2.5)
        ((after,),) = world.read("SELECT expires_at FROM silo_location")
        assert after >= before + 29

    play(tmp_path, story)

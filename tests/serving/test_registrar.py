"""The registrar and the writer: a failed commit restores the bindings, a failed refresh is written again."""

from pathlib import Path

import trio

from tests.faults.registering import Registrations, contacts
from tests.network.refusing import refusing
from tests.network.world import World, play

REFUSED = frozenset({"bindings", "change_bindings", "refresh"})


def lines(contact: str, expires: int = 3600) -> str:
    return f"Contact: <{contact}>\r\nExpires: {expires}\r\n"


def test_a_failed_commit_restores_the_former_bindings_and_mail_flows_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        registering = Registrations(bob)
        assert (await registering.send(lines("sip:bob@198.51.100.2:5060"))).status == 200
        with refusing(world, REFUSED):
            refused = await registering.send(lines("sip:bob@198.51.100.2:6000"))
        assert refused.status == 500
        assert refused.headers.get(b"warning") is not None
        found = await registering.send("")
        assert contacts(found) == ["sip:bob@198.51.100.2:5060"]
        assert not world.parts.deliverer.registering, "no message waits for the failed REGISTER"
        asked = alice.text("bob")
        await trio.sleep(1)
        assert asked.status == 200

    play(tmp_path, story)


def test_a_refresh_that_was_not_written_is_written_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob")
        bob.expires = 600
        bob.boot()
        await trio.sleep(2)
        ((before, _),) = world.silo.load_bindings()
        with refusing(world, REFUSED):
            bob.register()
            await trio.sleep(1.5)
            ((same, _),) = world.silo.load_bindings()
            assert same.expires_at == before.expires_at
        await trio.sleep(2)
        ((after, _),) = world.silo.load_bindings()
        assert after.expires_at > before.expires_at

    play(tmp_path, story)


def test_a_refresh_of_a_removed_binding_is_not_written_over_the_next_registration(tmp_path: Path) -> None:
    """Within one second: a refresh, a removal, and a new registration of the same contact."""

    async def story(world: World) -> None:
        contact = "sip:bob@198.51.100.1:5060"
        bob = world.phone("bob")
        before, after = Registrations(bob, "before"), Registrations(bob, "after")
        await before.send(lines(contact))
        parts = world.parts
        await before.send(lines(contact))
        await before.send(lines(contact, 0))
        await after.send(lines(contact, 600), cseq=77)
        parts.registrar.write_refreshes()
        parts.receiver.after_batch()
        ((kept, _),) = world.silo.load_bindings()
        (bound,) = parts.location.all()
        assert (kept.call_id, kept.cseq) == ("after", 77)
        assert kept.expires_at == bound.expires_at

    play(tmp_path, story)

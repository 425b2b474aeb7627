"""The verbs about rows: rows on the wire stay, the others are given up; `wake` reads the users when asked."""

from pathlib import Path

import pytest
import trio

from msilod.errors import MsilodError
from tests.network.phone import SILENT, Phone
from tests.network.world import World, play

BOB = "bob@example.test"


def test_rows_on_the_wire_are_not_given_up(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        for name in (b"first", b"second"):
            alice.text("bob", name=name)
            await trio.sleep(0.5)
        first, second = world.column("id")
        bob.answers = SILENT
        bob.boot()
        await trio.sleep(0.5)
        handlers = world.verbs().handlers()
        assert handlers["on_wire"]({}) == {"ids": [first]}
        said = await handlers["give_up"]({"rows": {BOB: [first, second]}})
        assert said == {"given_up": [second], "sending": [first]}

    play(tmp_path, story)


@pytest.mark.interpreted
def test_wake_reads_the_users_only_when_asked_to(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        looks: list[str] = []

        async def look() -> None:
            looks.append("users")

        world.parts.user_watch.look = look  # type: ignore[method-assign]
        forgotten: list[tuple[str, list[int]]] = []
        world.parts.intervention.forget_refusals = (  # type: ignore[method-assign]
            lambda aor, ids: forgotten.append((aor, list(ids)))
        )
        wake = world.verbs().handlers()["wake"]
        await wake({"aors": [BOB]})
        assert looks == []
        await wake({"aors": [], "users": True, "requeued": {BOB: [4]}})
        assert (looks, forgotten) == (["users"], [(BOB, [4])])

    play(tmp_path, story)


async def refused_once(world: World) -> Phone:
    """Bob's phone, registered, which has answered a message of Alice with 480: the message waits for its next try."""
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    alice.text("bob")
    await trio.sleep(0.5)
    bob.answers = ((0.1, 480),)
    bob.boot()
    await trio.sleep(2)
    return bob


def test_a_dump_of_a_paused_domain_is_skipped_and_no_watcher_stays(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await refused_once(world)
        dump = world.verbs().handlers()["dump"]
        world.parts.deliverer.pause(frozenset({"example.test"}))
        (skipped,) = (await dump({"aors": [BOB]}))["results"]
        assert (skipped["outcome"], skipped["reason"]) == ("skipped", "paused")
        world.parts.deliverer.pause(frozenset())
        (sent,) = (await dump({"aors": [BOB], "wait": True}))["results"]
        assert sent["outcome"] != "sent", "with `wait` the result is the end of the delivery"
        assert world.left_over()["watchers"] == 0
        await trio.sleep(1)

    play(tmp_path, story)


@pytest.mark.parametrize("by_contact", [False, True])
def test_a_dump_begins_at_once_and_not_with_the_next_batch(tmp_path: Path, by_contact: bool) -> None:
    async def story(world: World) -> None:
        bob = await refused_once(world)
        assert world.column("owner") == [""]
        to = {"to": bob.contact} if by_contact else {}
        await world.verbs().handlers()["dump"]({"aors": [BOB], **to})
        assert world.column("owner") != [""], "the row is claimed when the verb returns"
        await trio.sleep(1)

    play(tmp_path, story)


def test_a_contact_of_two_users_names_no_recipient(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        shared = "sip:desk@198.51.100.77:5060"
        for user in ("alice", "bob"):
            phone = world.phone(user)
            phone.switch_on()
            phone.register_line(f"Contact: <{shared}>\r\n")
            await trio.sleep(0.5)
        with pytest.raises(MsilodError, match="name one recipient"):
            await world.verbs().handlers()["dump"]({"to": shared})

    play(tmp_path, story)


def test_status_does_not_count_users_that_cannot_be_read_and_bindings_shows_live_ones(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        handlers = world.verbs().handlers()

        def shown() -> list[object]:
            return [binding for piece in handlers["bindings"]({}).pieces for binding in piece]

        world.parts.members.users.is_readable = False
        assert (await handlers["status"]({}))["users"] is None
        bob = world.phone("bob")
        bob.boot()
        await trio.sleep(0.5)
        assert len(shown()) == 1
        (binding,) = world.parts.location.all()
        binding.expires_at = world.clock.wall() - 1
        assert shown() == []

    play(tmp_path, story)

"""The virtual network itself: the main job, silence, closed ports, streams and crashes on a virtual clock."""

from pathlib import Path

import trio

from tests.network.phone import LATE, SILENT, TAKES
from tests.network.world import World, play


def test_a_message_is_stored_and_delivered_on_the_virtual_network(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        alice.text("bob")
        await trio.sleep(1)
        assert [state for state, _ in world.rows().values()] == ["waiting"]
        bob.boot()
        await trio.sleep(1)
        assert world.rows() == {}
        assert len(world.parts.mail) == 1
        bob.register()
        await trio.sleep(1)
        assert len(world.parts.mail) == 0, "his next REGISTERs ask the index no more"
        await trio.sleep(40)
        assert not any(world.left_over().values()), world.left_over()

    world = play(tmp_path, story)
    (message,) = world.ledger.messages.values()
    assert message.statuses == [202]
    assert len(message.taken) == 1
    assert world.ledger.faults == []


def test_a_day_takes_no_time_and_a_late_2xx_ends_the_row(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.boot()
        await trio.sleep(1)
        bob.answers = LATE
        alice.text("bob")
        await trio.sleep(15)
        assert len(world.rows()) == 1
        await trio.sleep(10)
        assert world.rows() == {}

    world = play(tmp_path, story)
    assert [message.statuses for message in world.ledger.messages.values()] == [[202]]
    assert world.ledger.faults == []


def test_a_closed_port_tells_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.boot()
        await trio.sleep(1)
        bob.die()
        alice.text("bob")
        await trio.sleep(1)
        assert [message.statuses for message in world.ledger.messages.values()] == [[202]]

    play(tmp_path, story)


def test_a_call_over_streams_is_made_and_ended(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice", stream=True), world.phone("bob", stream=True)
        alice.boot()
        bob.boot()
        await trio.sleep(1)
        alice.call("bob")
        await trio.sleep(60)
        assert not any(world.left_over().values()), world.left_over()
        for phone in (alice, bob):
            assert [(call.status, call.ending) for call in phone.calls] == [(200, "hung up")]

    play(tmp_path, story)


def test_a_caller_thinks_better_of_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.boot()
        bob.boot()
        bob.rings = ((0.1, 180),)
        await trio.sleep(1)
        call = alice.call("bob", cancels_after=2)
        await trio.sleep(60)
        assert (call.status, bob.calls[0].status) == (487, 487)
        assert not any(world.left_over().values()), world.left_over()

    play(tmp_path, story)


def test_what_was_accepted_outlives_a_crash_and_what_was_not_is_sent_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        alice.text("bob", name=b"first")
        await trio.sleep(1)
        world.crash_in = "before commit"
        alice.text("bob", name=b"second")
        await trio.sleep(0.3)
        assert not world.is_up
        await world.restart()
        world.crash_in = "before answers"
        alice.text("bob", name=b"third")
        await trio.sleep(0.3)
        assert not world.is_up
        await world.restart()
        await trio.sleep(5)
        assert list(world.rows()) in ([b"first", b"second", b"third"], [b"first", b"third", b"second"])
        bob.answers = SILENT
        bob.boot()
        await trio.sleep(1)
        await world.restart()
        bob.answers = TAKES
        bob.boot()
        await trio.sleep(1)
        assert world.rows() == {}

    world = play(tmp_path, story)
    assert {message.name: message.statuses for message in world.ledger.messages.values()} == {
        b"first": [202],
        b"second": [202],
        b"third": [202],
    }
    assert world.ledger.faults == []

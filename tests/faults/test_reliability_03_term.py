"""Reliability 3: after TERM no delivery begins; requests on the wire are waited for; no phone gets a message twice."""

from pathlib import Path

import trio

from tests.network.phone import TAKES
from tests.network.world import World, configured, play


def test_after_term_what_is_on_the_wire_is_waited_for_and_nothing_else_begins(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = world.phone("alice")
        alice.switch_on()
        phones = [world.phone(f"u{number}") for number in range(20)]
        for phone in phones:
            for _ in range(5):
                alice.text(phone.user)
        await trio.sleep(5)
        for phone in phones:
            phone.answers = ((2.0, 200),)
            phone.expires = 3600
            phone.boot()
        await trio.sleep(1)
        assert [len(phone.got) for phone in phones] == [1] * 20
        began = world.wires.now
        world.daemon.stop()
        while not world.daemon._nursery.cancel_scope.cancel_called:
            await trio.sleep(0.05)
        # As soon as the last answer has come, and long before `drain` is over.
        assert world.wires.now - began < 2
        assert [len(phone.got) for phone in phones] == [1] * 20
        assert len(world.rows()) == 80
        assert not any(world.column("owner"))
        for phone in phones:
            phone.answers = TAKES
        await world.restart()
        await trio.sleep(10)
        assert world.rows() == {}
        assert [len(phone.got) for phone in phones] == [5] * 20

    world = play(tmp_path, story, config=configured(drain=10))
    assert world.ledger.faults == []
    assert {len(message.taken) for message in world.ledger.messages.values()} == {1}


def test_after_term_no_row_is_sent_for_a_way_that_was_being_dialled(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, far = world.phone("alice"), world.phone("bob", stream=True)
        alice.switch_on()
        far.boot()
        await trio.sleep(1)
        far.wire.hang_up()
        far.is_registered = True
        await trio.sleep(1)
        world.wires.far[far.address[0]] = 1.0
        alice.text("bob")
        await trio.sleep(0.2)
        world.daemon.stop()
        await trio.sleep(12)
        assert [request.body for request in far.got] in ([], [b"alice1-1"])

    assert play(tmp_path, story).ledger.faults == []


def test_what_is_stored_or_registered_after_term_begins_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, slow = world.phone("alice"), world.phone("bob"), world.phone("carol")
        alice.switch_on()
        alice.text("bob")
        alice.text("carol")
        await trio.sleep(1)
        slow.answers = ((5.0, 200),)
        slow.boot()
        await trio.sleep(1)
        world.daemon.stop()
        await trio.sleep(0.5)
        bob.boot()
        world.parts.deliverer.wake("bob@example.test", world.parts.clock.now())
        await trio.sleep(8)
        assert bob.got == []
        assert len(slow.got) == 1
        assert list(world.column("aor")) == ["bob@example.test"]

    assert play(tmp_path, story).ledger.faults == []

"""Faults found by the seeds, each reduced to the smallest story."""

from pathlib import Path

import trio

from tests.network.desk import Desk
from tests.network.phone import LATE, SILENT, TAKES
from tests.network.world import World, play


def test_two_online_messages_to_a_silent_phone_do_not_leave_its_run_waiting_for_ever(tmp_path: Path) -> None:
    """Law 3. The second branch replaced the first among the live branches, and the run never saw the first end."""

    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.boot()
        await trio.sleep(1)
        bob.answers = SILENT
        alice.text("bob")
        await trio.sleep(5)
        alice.text("bob")
        await trio.sleep(7)
        bob.register()
        await trio.sleep(40)
        assert world.parts.deliverer.runs == {}
        bob.answers = TAKES
        bob.register()
        await trio.sleep(2)
        assert world.rows() == {}

    assert play(tmp_path, story).ledger.faults == []


def test_a_run_sends_nothing_beside_the_last_live_branch(tmp_path: Path) -> None:
    """Law 4. The end of the first online MESSAGE was taken for the end of both."""

    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.boot()
        await trio.sleep(1)
        bob.answers = SILENT
        alice.text("bob", name=b"first")
        await trio.sleep(5)
        alice.text("bob", name=b"second")
        await trio.sleep(28)
        bob.answers = TAKES
        bob.register()
        await trio.sleep(1)
        assert len(world.rows()) == 2, "the second is still on the wire"
        await trio.sleep(400)
        assert world.rows() == {}

    play(tmp_path, story)


def test_a_branch_that_was_dialled_meanwhile_is_not_begun_after_a_2xx(tmp_path: Path) -> None:
    """Law 2, online: the near phone accepts the MESSAGE while the connection to the far phone is being made."""

    async def story(world: World) -> None:
        alice, near, far = world.phone("alice"), world.phone("bob"), world.phone("bob", stream=True)
        alice.switch_on()
        near.boot()
        far.boot()
        await trio.sleep(1)
        far.wire.hang_up()
        await trio.sleep(1)
        world.wires.far[far.address[0]] = 0.5
        alice.text("bob")
        await trio.sleep(5)

    world = play(tmp_path, story)
    assert world.ledger.faults == []
    assert [len(message.taken) for message in world.ledger.messages.values()] == [1]


def test_a_delivery_that_was_dialled_meanwhile_is_not_begun_after_a_2xx(tmp_path: Path) -> None:
    """Law 2, from the silo: the far phone gets only the next message."""

    async def story(world: World) -> None:
        alice, near, far = world.phone("alice"), world.phone("bob"), world.phone("bob", stream=True)
        alice.switch_on()
        near.boot()
        far.boot()
        await trio.sleep(1)
        far.wire.hang_up()
        near.answers = ((0.0, 480),)
        world.wires.far[far.address[0]] = 100
        alice.text("bob", name=b"first")
        alice.text("bob", name=b"second")
        await trio.sleep(5)
        assert len(world.rows()) == 2
        near.answers = ((0.3, 200),)
        world.wires.far[far.address[0]] = 0.2
        await trio.sleep(62)
        assert world.rows() == {}

    world = play(tmp_path, story)
    assert world.ledger.faults == []


def test_a_copy_of_what_the_silo_had_before_a_kill_is_not_relayed_as_well(tmp_path: Path) -> None:
    """Law 9. Committed, killed before the 202, delivered after the restart; then the sender's copy came."""

    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        world.crash_in = "before answers"
        alice.text("bob", name=b"once")
        await trio.sleep(0.1)
        assert not world.is_up
        await world.restart(down_for=0.1)
        world.wires.cut.add(alice.address[0])
        bob.boot()
        await trio.sleep(2)
        assert world.rows() == {}, "delivered"
        world.wires.cut.clear()
        await trio.sleep(40)

    world = play(tmp_path, story)
    (message,) = world.ledger.messages.values()
    assert message.statuses == [202]
    assert len(message.taken) == 1
    assert world.ledger.faults == []


def test_what_is_said_again_after_the_copies_are_over_is_relayed(tmp_path: Path) -> None:
    """The hashes of the process before are kept for Timer F only."""

    async def story(world: World) -> None:
        alice = world.phone("alice")
        alice.switch_on()
        alice.text("bob", name=b"once")
        await trio.sleep(1)
        server = await world.restart()
        assert server.storing.former
        await trio.sleep(40)
        assert not server.storing.former

    play(tmp_path, story)


def test_a_paused_domain_gets_no_more_when_its_user_registers_with_a_message_on_the_wire(
    tmp_path: Path,
) -> None:
    """The run waiting for the last answer took over the contact of the REGISTER, and sent more messages."""

    async def story(world: World) -> None:
        alice, bob, desk = world.phone("alice"), world.phone("bob"), Desk(world)
        alice.switch_on()
        for _ in range(3):
            alice.text("bob")
        bob.answers = ((5.0, 200),)
        await trio.sleep(1)
        bob.boot()
        await trio.sleep(1)
        desk.pause("")
        bob.register()
        await trio.sleep(60)
        assert len(world.rows()) == 2, "the one on the wire has ended by itself"
        desk.resume("")
        await trio.sleep(20)
        assert world.rows() == {}

    assert play(tmp_path, story).ledger.faults == []


def test_a_resume_is_heard_while_the_last_message_before_the_pause_is_on_the_wire(tmp_path: Path) -> None:
    """Law 7. The run had given up all contacts, but was taken for a run still serving these contacts."""

    async def story(world: World) -> None:
        alice, bob, desk = world.phone("alice"), world.phone("bob"), Desk(world)
        alice.switch_on()
        bob.expires = 600
        for _ in range(3):
            alice.text("bob")
        bob.answers = ((5.0, 200),)
        await trio.sleep(1)
        bob.boot()
        await trio.sleep(1)
        desk.pause("")
        await trio.sleep(1)
        desk.resume("")
        await trio.sleep(20)
        assert world.rows() == {}

    assert play(tmp_path, story).ledger.faults == []


def test_a_2xx_to_a_row_that_was_purged_meanwhile_is_no_second_end(tmp_path: Path) -> None:
    """The history had `purged` and then `delivered`: a branch of the online attempt was still open."""

    async def story(world: World) -> None:
        alice, bob, desk = world.phone("alice"), world.phone("bob"), Desk(world)
        alice.switch_on()
        bob.boot()
        await trio.sleep(1)
        bob.answers = LATE
        alice.text("bob")
        await trio.sleep(12)
        desk.do("purge", "bob@example.test", "all")
        await trio.sleep(15)
        assert [event for _, event, _ in desk.entries()] == ["failed", "purged"]
        assert [how for _, how in world.ended()] == ["purged"]

    assert play(tmp_path, story).ledger.faults == []


def test_what_is_held_on_the_wire_is_sent_to_no_other_contact(tmp_path: Path) -> None:
    """The attempt in flight may end. A phone registered in the meantime got the held row nevertheless."""

    async def story(world: World) -> None:
        alice, bob, other, desk = world.phone("alice"), world.phone("bob"), world.phone("bob"), Desk(world)
        alice.switch_on()
        alice.text("bob")
        bob.answers = SILENT
        await trio.sleep(1)
        bob.boot()
        await trio.sleep(1)
        desk.do("hold", "bob@example.test", "all")
        other.boot()
        await trio.sleep(60)
        assert not other.got
        desk.do("release", "bob@example.test", "all")
        other.boot()
        await trio.sleep(10)
        assert world.rows() == {}

    assert play(tmp_path, story).ledger.faults == []


def test_the_refresh_before_a_new_registration_is_not_written_over_it(tmp_path: Path) -> None:
    """R6. Refreshes are written once a second. The refresh of a replaced binding was written over the new binding."""

    async def story(world: World) -> None:
        bob = world.phone("bob")
        bob.expires = 60
        bob.boot()
        await trio.sleep(1.1)
        bob.register()
        await trio.sleep(0.1)
        bob.expires = 3600
        bob.boot()
        await trio.sleep(2)
        await world.restart()
        (binding,) = world.parts.location.all()
        assert binding.expires_at - binding.registered_at == 3600

    play(tmp_path, story)

"""A second request to a place that has not answered its first request waits for that answer.

SIPp registers from one port and answers at another. The second of two calls within 50 ms got a 500.
"""

from pathlib import Path

import trio

from msilod.reaching.places import TURN_TIMEOUT
from tests.agent.transactions import Asked
from tests.network.ladder import Address
from tests.network.phone import Phone, Script
from tests.network.world import World, play

ELSEWHERE: Address = ("8.8.8.8", 5060)


async def ready(world: World, answers: Script) -> tuple[Phone, Phone]:
    """Alice's phone, and Bob's phone at ELSEWHERE, registered from another place."""
    bob = Phone(world.wires, world.ledger, "bob", ELSEWHERE, ("192.0.2.1", 5060))
    bob.answers = bob.rings = answers
    alice, registering = world.phone("alice"), world.phone("bob")
    for phone in (alice, bob, registering):
        phone.switch_on()
    registering.register_line(f"Contact: <sip:bob@{ELSEWHERE[0]}:{ELSEWHERE[1]}>\r\nExpires: 3600\r\n")
    await trio.sleep(1)
    return alice, bob


def test_the_second_call_waits_for_the_answer_to_the_first(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, _ = await ready(world, ((0.3, 180), (0.6, 486)))
        calls = [alice.call("bob")]
        await trio.sleep(0.05)
        calls.append(alice.call("bob"))
        await trio.sleep(3)
        assert [call.status for call in calls] == [486, 486]

    play(tmp_path, story)


def test_the_second_message_waits_for_the_answer_to_the_first(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await ready(world, ((0.3, 200),))
        asked = [alice.message("bob")]
        await trio.sleep(0.05)
        asked.append(alice.message("bob"))
        await trio.sleep(0.2)
        assert len(bob.got) == 1
        await trio.sleep(2)
        assert len(bob.got) == 2
        assert [one.status for one in asked] == [200, 200]

    play(tmp_path, story)


def test_a_call_that_is_given_up_while_waiting_does_not_ring(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await ready(world, ((1.5, 486),))
        first = alice.call("bob")
        await trio.sleep(0.05)
        second = alice.call("bob", cancels_after=0.5)
        await trio.sleep(5)
        assert (first.status, second.status) == (486, 487)
        assert [served.request.method for served in bob.served.values()] == [b"INVITE"]

    play(tmp_path, story)


def test_a_silent_place_holds_a_message_for_a_short_time_only(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await ready(world, ())
        alice.message("bob")
        await trio.sleep(0.1)
        second: Asked = alice.message("bob")
        await trio.sleep(TURN_TIMEOUT + 1)
        assert (second.status, len(bob.got)) == (202, 1)

    play(tmp_path, story)

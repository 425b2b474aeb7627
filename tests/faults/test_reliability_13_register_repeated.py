"""Reliability 13: a repetition of a committed REGISTER gets 200; an older CSeq still gets 500."""

from pathlib import Path

import pytest
import trio

from tests.faults.registering import Registrations, contacts
from tests.network.world import World, play
from tests.registrar.test_registration import status_of
from tests.registrar.wire import DESK, SOFT, WALL, apply, register

FLOW = ';reg-id=1;+sip.instance="<urn:uuid:1>"'


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("parameters", ["", f"{FLOW};q=0.5"])
def test_a_register_that_a_kill_left_unanswered_is_answered_by_the_next_daemon(
    tmp_path: Path, parameters: str, stream: bool
) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob", stream)
        registrations = Registrations(bob)
        said = f"Contact: <{bob.contact}>{parameters}\r\nExpires: 300\r\nUser-Agent: Phone 1\r\n"
        assert (await registrations.send(said)).status == 200
        world.crash()
        await world.start()
        if stream:
            bob.wire.hang_up()
        answer = await registrations.send(said, cseq=1)
        assert answer.status == 200
        assert contacts(answer) == [bob.contact]
        assert (await registrations.send(said, cseq=2)).status == 200
        assert (await registrations.send(said, cseq=1)).status == 500

    play(tmp_path, story)


def test_the_copy_that_udp_sends_is_answered_by_the_next_daemon(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob")
        registrations = Registrations(bob)
        world.crash_in = "before answers"

        async def start_again() -> None:
            while world.is_up:
                await trio.sleep(0.01)
            await world.start()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(start_again)
            answer = await registrations.send(f"Contact: <{bob.contact}>\r\nExpires: 300\r\n")
        assert answer.status == 200
        assert contacts(answer) == [bob.contact]

    play(tmp_path, story)


def test_a_repetition_past_timer_j_is_the_same_registration_and_lives_no_longer(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob")
        registrations = Registrations(bob)
        said = f"Contact: <{bob.contact}>\r\nExpires: 300\r\n"
        await registrations.send(said)
        await trio.sleep(100)
        answer = await registrations.send(said, cseq=1)
        assert answer.status == 200
        assert b"expires=200" in (answer.headers.get(b"contact") or b"")

    play(tmp_path, story)


def test_several_contacts_are_repeated_as_one_registration() -> None:
    old = apply(register("<sip:bob@192.0.2.9:7000>", call_id="old")).bindings
    values = [DESK, SOFT + ";q=0.5", "<sip:bob@192.0.2.9:7000>;expires=0"]
    first = apply(register(*values, cseq=5), old)
    again = apply(register(*values, cseq=5), first.bindings, WALL + 9)
    assert again.bindings == first.bindings
    assert not again.must_commit_first


@pytest.mark.parametrize(
    "values",
    [
        [DESK],
        [DESK + ";expires=0"],
        [DESK, SOFT + ";q=0.4"],
        [DESK, SOFT + ";q=0.5;expires=90"],
        [DESK, SOFT + ";q=0.5", "<sip:bob@192.0.2.9:7000>"],
        ["*"],
    ],
)
def test_the_same_cseq_with_other_contacts_is_500(values: list[str]) -> None:
    before = apply(register(DESK + ";x=1", SOFT + ";q=0.5", cseq=5)).bindings
    extra = "Expires: 0\r\n" if values == ["*"] else ""
    assert status_of(register(*values, cseq=5, extra=extra), before) == 500


def test_an_old_register_of_which_a_part_still_stands_brings_nothing_back() -> None:
    both = apply(register(DESK, SOFT, cseq=5)).bindings
    left = apply(register(SOFT + ";expires=0", cseq=6), both).bindings
    assert status_of(register(DESK, SOFT, cseq=5), left) == 500

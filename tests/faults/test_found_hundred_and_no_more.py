"""Found: a phone with only a 100 to an INVITE left a client transaction for ever.

At Timer C the caller got 408, but the branch was not cancelled (RFC 3261 §16.8). Each such call cost memory until the
next restart, and TERM waited for all of `drain`.
"""

from pathlib import Path

import pytest
import trio

from msilod.sip.message import Response
from tests.faults.peer import Peer, lock
from tests.network.world import World, configured, play


@pytest.mark.parametrize("statuses", [(100,), (180,), (100, 180)])
@pytest.mark.parametrize("answers_cancel", [True, False])
def test_timer_c_cancels_and_ends_the_branch(
    tmp_path: Path, statuses: tuple[int, ...], answers_cancel: bool
) -> None:
    async def story(world: World) -> None:
        lock(world, "alice", "bob")
        alice, bob = (
            Peer(world, name, (f"198.51.100.{n}", 5060)) for n, name in enumerate(("alice", "bob"), 1)
        )
        for peer in (alice, bob):
            assert (await peer.register()).status == 200
        answers: list[Response] = []

        async def ask() -> None:
            answers.append(await alice.ask(alice.request("INVITE", bob.aor)))

        with trio.fail_after(300):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                invite = await bob.take(b"INVITE")
                for status in statuses:
                    bob.answer(invite, status)
                await trio.sleep(15)
                cancel = await bob.take(b"CANCEL")
                assert cancel.via.branch == invite.via.branch
                if answers_cancel:
                    bob.answer(cancel)
                    bob.answer(invite, 487)
        assert answers[0].status == (487 if answers_cancel and 180 in statuses else 408)
        await trio.sleep(120)
        assert world.left_over()["transactions"] == world.left_over()["invites"] == 0

    play(tmp_path, story, config=configured(proxy={"fr_inv_timer": 20}))

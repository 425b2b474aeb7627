"""Found: a user with a password and a silent phone could make the daemon keep gigabytes of live requests."""

from pathlib import Path

import pytest

from msilod.transaction.shares import MOST_OF_SENDER
from tests.faults.peer import Peer, lock
from tests.network.world import World, play


@pytest.mark.parametrize("method", ["OPTIONS", "INVITE", "SUBSCRIBE"])
def test_a_user_has_a_share_and_other_users_have_theirs(tmp_path: Path, method: str) -> None:
    async def story(world: World) -> None:
        lock(world, "alice", "bob", "mallory")
        mallory = Peer(world, "mallory", ("198.51.100.9", 5060), stream=True)
        alice = Peer(world, "alice", ("198.51.100.9", 5070))
        silent = Peer(world, "bob", ("198.51.100.2", 5060), stream=True)
        for peer in (mallory, alice, silent):
            assert (await peer.register()).status == 200
        body = "x" * 50_000
        # Each as if it had shown the password. From counts, in any spelling.
        world.parts.trust.configure(["198.51.100.9"])
        flow = next(iter(world.transports._connections.values()))[0]
        for number in range(1_200):
            data = mallory.request(
                method, silent.aor, from_=f"<sip:%6dallory@example.test;n={number}>;tag=1", body=body
            )
            world.parts.receiver.receive(data, flow)
        world.parts.trust.configure([])
        layer = world.parts.layer
        assert MOST_OF_SENDER < layer.open_transactions // 2 * 52_000 < 2 * MOST_OF_SENDER
        assert layer.refused > 400
        alice.send(alice.request("MESSAGE", mallory.aor, extra="Content-Type: text/plain\r\n", body=body))
        assert (await alice.final(b"MESSAGE")).status == 407

    play(tmp_path, story)

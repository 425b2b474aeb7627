"""Found: a 302 with AORs of this server made a branch to each contact of each AOR, 90 for one request."""

from pathlib import Path

import pytest
import trio

from msilod.proxy.response_context import MAX_TARGETS
from msilod.sip.message import Request
from tests.faults.peer import Peer, lock
from tests.network.world import DOMAIN, World, play


@pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
def test_a_redirection_makes_no_more_branches_than_its_bound(tmp_path: Path, method: str) -> None:
    async def story(world: World) -> None:
        users = [f"user{number}" for number in range(9)]
        lock(world, "alice", "mallory", *users)
        alice, mallory = (
            Peer(world, "alice", ("198.51.100.1", 5060)),
            Peer(world, "mallory", ("198.51.100.2", 5060)),
        )
        phones = [
            Peer(world, user, ("203.0.113.1", 5000 + 10 * number + line))
            for number, user in enumerate(users)
            for line in range(4)
        ]
        for peer in (alice, mallory, *phones):
            assert (await peer.register()).status == 200
        named = tuple((b"Contact", f"<sip:{user}@{DOMAIN}>".encode()) for user in users)

        def redirect(request: Request) -> None:
            if request.method != b"ACK":
                mallory.answer(request, 302, named)

        def refuse(peer: Peer, request: Request) -> None:
            if request.method not in (b"ACK", b"CANCEL"):
                peer.answer(request, 486)

        mallory.on_request = redirect
        for phone in phones:
            phone.on_request = lambda request, peer=phone: refuse(peer, request)
        answer = await alice.ask(alice.request(method, mallory.aor, call_id="redirected"))
        assert answer.status in (302, 486)
        await trio.sleep(40)
        # The daemon's own OPTIONS, which keep the way open, have other Call-IDs.
        asked = [
            m for peer in phones for m in peer.heard if isinstance(m, Request) and m.call_id == b"redirected"
        ]
        assert len([m for m in asked if m.method != b"ACK"]) == MAX_TARGETS - 1
        assert world.left_over()["invites"] == 0

    play(tmp_path, story)

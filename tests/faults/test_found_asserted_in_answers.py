"""Found: a callee wrote the P-Asserted-Identity of another user into a response, and the caller's phone got it."""

from pathlib import Path

import pytest
import trio

from msilod.sip.message import Request
from tests.faults.peer import Peer, lock
from tests.network.world import DOMAIN, World, configured, play

ALICE, MALLORY = ("198.51.100.1", 5060), ("198.51.100.2", 5060)
CLAIM = (b"p-ASSERTED-identity", f'"Bob" <sip:bob@{DOMAIN}>'.encode())


@pytest.mark.parametrize("trusted", [(), ("198.51.100.2",), ("198.51.100.0/24",)])
@pytest.mark.parametrize("privacy", [b"none", b"id"])
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "SUBSCRIBE"])
def test_only_a_trusted_network_asserts_in_a_response(
    tmp_path: Path, method: str, privacy: bytes, trusted: tuple[str, ...]
) -> None:
    async def story(world: World) -> None:
        lock(world, "alice", "bob", "mallory")
        alice, mallory = Peer(world, "alice", ALICE), Peer(world, "mallory", MALLORY)
        for peer in (alice, mallory):
            assert (await peer.register()).status == 200
        headers = (CLAIM, (b"Privacy", privacy), (b"Contact", f"<{mallory.contact}>".encode()))
        statuses = (180, 200) if method == "INVITE" else (200,)

        def answer(request: Request) -> None:
            for status in statuses if request.method != b"ACK" else ():
                mallory.answer(request, status, headers)

        mallory.on_request = answer
        final = await alice.ask(alice.request(method, mallory.aor, extra="Event: x\r\n"))
        assert final.status == 200
        heard = [m for m in alice.heard if b"asserted" in m.to_bytes().lower()]
        said = [message for message in [*heard, final] if b"asserted" in message.to_bytes().lower()]
        is_to_trusted = trusted == ("198.51.100.0/24",)
        is_kept = is_to_trusted or (bool(trusted) and privacy == b"none")
        assert bool(said) == is_kept
        await trio.sleep(40)

    play(tmp_path, story, config=configured(trusted=list(trusted)))

"""Found: a callee asserted the identity of another user in a response, or a caller in Remote-Party-ID."""

from pathlib import Path

import pytest
import trio

from msilod.sip.message import Request, Response
from tests.faults.peer import Peer, lock
from tests.network.world import DOMAIN, World, configured, play

ALICE, MALLORY = ("198.51.100.1", 5060), ("198.51.100.2", 5060)
BOB = f'"Bob" <sip:bob@{DOMAIN}>'.encode()
# The names of both fields hold "-id".
CLAIMS = ((b"p-ASSERTED-identity", BOB), (b"Remote-PARTY-Id", BOB))


def has_claim(message: Request | Response) -> bool:
    """True for both fields."""
    names = {b"p-asserted-identity", b"remote-party-id"}
    found = names & {name for name, text in message.headers.fields if b"bob" in text}
    assert found in (set(), names)
    return bool(found)


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
        headers = (*CLAIMS, (b"Privacy", privacy), (b"Contact", f"<{mallory.contact}>".encode()))
        statuses = (180, 200) if method == "INVITE" else (200,)

        def answer(request: Request) -> None:
            for status in statuses if request.method != b"ACK" else ():
                mallory.answer(request, status, headers)

        mallory.on_request = answer
        final = await alice.ask(alice.request(method, mallory.aor, extra="Event: x\r\n"))
        assert final.status == 200
        said = [message for message in [*alice.heard, final] if has_claim(message)]
        is_to_trusted = trusted == ("198.51.100.0/24",)
        is_kept = is_to_trusted or (bool(trusted) and privacy == b"none")
        assert bool(said) == is_kept
        await trio.sleep(40)

    play(tmp_path, story, config=configured(trusted=list(trusted)))


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "OPTIONS"])
def test_a_user_asserts_nobody_in_a_request(tmp_path: Path, method: str) -> None:
    async def story(world: World) -> None:
        lock(world, "alice", "bob", "mallory")
        alice, mallory = Peer(world, "alice", ALICE), Peer(world, "mallory", MALLORY)
        for peer in (alice, mallory):
            assert (await peer.register()).status == 200
        alice.on_request = alice.answer
        extra = f"P-Asserted-Identity: <sip:bob@{DOMAIN}>\r\nRemote-Party-ID: <sip:bob@{DOMAIN}>;party=calling\r\n"
        assert (await mallory.ask(mallory.request(method, alice.aor, extra=extra))).status == 200
        request = await alice.take(method.encode())
        assert not has_claim(request)
        assert request.headers.get(b"p-asserted-identity") == f"<sip:mallory@{DOMAIN}>".encode()

    play(tmp_path, story)


def test_a_display_name_is_no_second_uri(tmp_path: Path) -> None:
    """Without quotes; a quoted one may hold all."""

    async def story(world: World) -> None:
        lock(world, "alice", "bob", "mallory")
        alice, mallory = Peer(world, "alice", ALICE), Peer(world, "mallory", MALLORY)
        for peer in (alice, mallory):
            assert (await peer.register()).status == 200
        from_ = f"sip:bob@{DOMAIN} <{mallory.aor}>;tag=1"
        assert (await mallory.ask(mallory.request("MESSAGE", alice.aor, from_=from_))).status == 400
        assert alice.untaken() == []

    play(tmp_path, story)

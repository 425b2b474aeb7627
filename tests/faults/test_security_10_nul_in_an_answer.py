"""Security 10: bytes refused by Headers.add break neither requests nor responses."""

import re
from pathlib import Path

import pytest
import trio

from msilod.sip.message import build_response
from tests.faults.peer import Peer
from tests.network.world import World, play

ALICE, BOB = ("198.51.100.1", 5060), ("198.51.100.2", 5060)
METHODS = ("INVITE", "MESSAGE", "OPTIONS", "REGISTER", "SUBSCRIBE", "REFER", "BYE", "ACK")
# RFC 4475 §3.1.1.2 has a display name like this.
ODD = b'"NUL:\\\x00 DEL:\\\x7f BEL:\\\x07"'


@pytest.mark.parametrize("status", [302, 401, 407, 486, 503, 603])
def test_a_failure_with_a_nul_in_to_is_acknowledged(tmp_path: Path, status: int) -> None:
    async def story(world: World) -> None:
        alice, bob = Peer(world, "alice", ALICE), Peer(world, "bob", BOB)
        alice.has_password = False
        assert (await bob.register()).status == 200
        heard: list[int] = []

        async def ask() -> None:
            heard.append((await alice.ask(alice.request("INVITE", bob.aor))).status)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            invite = await bob.take(b"INVITE")
            answer = build_response(invite, status, to_tag=b"b").to_bytes()
            answer = answer.replace(b"\r\nCall-ID", b"\r\nWarning: 399 x " + ODD + b"\r\nCall-ID", 1)
            bob.send(re.sub(rb"\r\nTo: ", lambda found: b"\r\nTo: " + ODD + b" ", answer, count=1))
            ack = await bob.take(b"ACK")
        assert ODD in (ack.headers.get(b"to") or b"")
        assert ack.via.branch == invite.via.branch
        assert heard == [500 if status == 503 else status]

    assert play(tmp_path, story).parts.counters.internal_errors == 0


@pytest.mark.parametrize(
    "line",
    [
        "Route: <sip:192.0.2.1:5060;lr>, {odd} <sip:192.0.2.9;lr>",
        "Route: <sip:192.0.2.1:5060;lr>\r\nRoute: {odd} <sip:192.0.2.9>",
        "Path: {odd} <sip:192.0.2.9;lr>",
        "Record-Route: {odd} <sip:192.0.2.9;lr>",
        "P-Preferred-Identity: {odd} <sip:alice@example.test>",
        "P-Asserted-Identity: {odd} <sip:alice@example.test>",
        "Require: {odd}",
        "Proxy-Require: {odd}",
        "Authorization: Digest {odd}",
        "Max-Breadth: {odd}",
        "Subject: {odd}",
        "Supported: {odd}",
        "Privacy: {odd}",
        "Event: {odd}",
        "Retry-After: {odd}",
    ],
)
def test_a_request_with_a_nul_anywhere_raises_nothing(tmp_path: Path, line: str) -> None:
    """A NUL alone, and with NULs in From and To."""

    async def story(world: World) -> None:
        alice, bob = Peer(world, "alice", ALICE), Peer(world, "bob", BOB)
        assert (await bob.register()).status == 200
        bob.on_request = lambda request: bob.send(build_response(request, 200, to_tag=b"b").to_bytes())
        odd = ODD.decode("latin-1")
        asked, called = f"{odd} <{alice.aor}>;tag=a", f"{odd} <{bob.aor}>"
        for from_, to in (("", ""), (asked, called), ("", f"{called};tag=b")):
            for method in METHODS:
                alice.send(alice.request(method, bob.aor, to, line.format(odd=odd) + "\r\n", from_=from_))
            await trio.sleep(1)

    assert play(tmp_path, story).parts.counters.internal_errors == 0

"""Found: a callee asserted the identity of another user in a response, or a caller in Remote-Party-ID."""

from pathlib import Path

import pytest
import trio

from msilod.sip.message import Request, Response
from msilod.sip.parser import parse
from tests.faults.peer import Peer, call, lock
from tests.network.ladder import Address
from tests.network.world import DOMAIN, World, configured, play

ALICE, MALLORY = ("198.51.100.1", 5060), ("198.51.100.2", 5060)
BOB = f'"Bob" <sip:bob@{DOMAIN}>'.encode()
CLAIMS = ((b"p-ASSERTED-identity", BOB), (b"Remote-PARTY-Id", BOB))
# A hint for the first proxy only, from any sender.
HINT = (b"P-preferred-IDENTITY", BOB)
METHODS = [
    "INVITE",
    "MESSAGE",
    "OPTIONS",
    "SUBSCRIBE",
    "INFO",
    "NOTIFY",
    "PUBLISH",
    "REFER",
    "UPDATE",
    "BYE",
    "PRACK",
]


def has_claim(message: Request | Response) -> bool:
    """True for both fields."""
    names = {b"p-asserted-identity", b"remote-party-id"}
    found = {name for name, text in message.headers.fields if b"bob" in text} - {b"to"}
    assert found in (set(), names)
    return bool(found)


def answers_to_alice(world: World) -> list[Response]:
    """Collects all responses sent to Alice from now on, provisional ones included."""
    found: list[Response] = []

    def sent(data: bytes, to: Address) -> None:
        message = parse(data)
        if to == ALICE and isinstance(message, Response):
            found.append(message)

    world.on_sent.append(sent)
    return found


@pytest.mark.parametrize("trusted", [(), ("198.51.100.2",), ("198.51.100.0/24",)])
@pytest.mark.parametrize("privacy", [b"none", b"id"])
def test_only_a_trusted_network_asserts_in_a_response(
    tmp_path: Path, privacy: bytes, trusted: tuple[str, ...]
) -> None:
    is_to_trusted = trusted == ("198.51.100.0/24",)
    is_kept = is_to_trusted or (bool(trusted) and privacy == b"none")

    async def story(world: World) -> None:
        lock(world, "alice", "bob", "mallory")
        alice, mallory = Peer(world, "alice", ALICE), Peer(world, "mallory", MALLORY)
        for peer in (alice, mallory):
            assert (await peer.register()).status == 200
        headers = (HINT, *CLAIMS, (b"Privacy", privacy), (b"Contact", f"<{mallory.contact}>".encode()))
        answers_all(mallory, (180, 200), headers)
        answers = answers_to_alice(world)
        for method in METHODS:
            answers.clear()
            assert (await alice.ask(alice.request(method, mallory.aor, extra="Event: x\r\n"))).status == 200
            found = [answer for answer in answers if answer.status in (180, 200)]
            assert len(found) == (2 if method == "INVITE" else 1)
            assert all(has_claim(answer) == is_kept for answer in found)
        await trio.sleep(40)

    play(tmp_path, story, config=configured(trusted=list(trusted)))


@pytest.mark.parametrize("claim", [HINT, *CLAIMS])
def test_one_claim_is_enough(tmp_path: Path, claim: tuple[bytes, bytes]) -> None:
    async def story(world: World) -> None:
        lock(world, "alice", "mallory")
        alice, mallory = Peer(world, "alice", ALICE), Peer(world, "mallory", MALLORY)
        for peer in (alice, mallory):
            assert (await peer.register()).status == 200
        answers_all(mallory, (183, 200), (claim,))
        answers = answers_to_alice(world)
        for method in METHODS:
            assert (await alice.ask(alice.request(method, mallory.aor, extra="Event: x\r\n"))).status == 200
        assert {answer.status for answer in answers} == {100, 183, 200, 407}
        assert not [answer for answer in answers if b"bob" in answer.to_bytes()]

    play(tmp_path, story)


@pytest.mark.parametrize("statuses", [(180, 486), (302, 200), (486, 603), (503, 486), (486, 302)])
def test_no_branch_of_a_fork_asserts(tmp_path: Path, statuses: tuple[int, int]) -> None:
    """Two phones of one user; the first one rings and then refuses, or redirects, or fails."""

    async def story(world: World) -> None:
        lock(world, "alice", "mallory")
        alice = Peer(world, "alice", ALICE)
        phones = [Peer(world, "mallory", (f"198.51.100.{host}", 5060)) for host in (2, 3)]
        assert (await alice.register()).status == 200
        for phone, status in zip(phones, statuses, strict=True):
            assert (await phone.register()).status == 200
            to = f"<sip:other@{DOMAIN}:5099>" if status == 302 else f"<{phone.contact}>"
            said = (180, 487) if status == 180 else (status,)
            answers_all(phone, said, (HINT, *CLAIMS, (b"Contact", to.encode())))
        answers = answers_to_alice(world)
        for method in METHODS:
            await alice.ask(alice.request(method, phones[0].aor, extra="Event: x\r\n"))
            await trio.sleep(40)
        assert {answer.cseq_method.decode() for answer in answers if answer.status != 407} == set(METHODS)
        assert not any(map(has_claim, answers))

    play(tmp_path, story)


def answers_all(phone: Peer, statuses: tuple[int, ...], headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """The phone answers everything but an ACK with one status after the other; a CANCEL is taken."""

    async def answer(request: Request) -> None:
        for status in (200,) if request.method == b"CANCEL" else statuses:
            phone.answer(request, status, headers)
            await trio.sleep(0.5)

    def asked(request: Request) -> None:
        if request.method != b"ACK":
            phone.world._nursery.start_soon(answer, request)

    phone.on_request = asked


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


@pytest.mark.parametrize("privacy", ["none", "id"])
def test_a_hidden_assertion_in_an_ack_stays_in_the_trusted_network(tmp_path: Path, privacy: str) -> None:
    async def story(world: World) -> None:
        lock(world, "alice", "bob", "mallory")
        alice, mallory = Peer(world, "alice", ALICE), Peer(world, "mallory", MALLORY)
        for peer in (alice, mallory):
            assert (await peer.register()).status == 200
        caller, _ = await call(mallory, alice)
        claims = "".join(f"{name.decode()}: {value.decode()}\r\n" for name, value in CLAIMS)
        mallory.send(caller.request("ACK", f"{claims}Privacy: {privacy}\r\n"))
        ack = await alice.take(b"ACK")
        assert has_claim(ack) == (privacy == "none")

    play(tmp_path, story, config=configured(trusted=["198.51.100.2"]))

"""Found: within a dialog a peer wrote the address of another user into From, and the token accepted the request."""

from pathlib import Path

import pytest
import trio

from msilod.sip.message import Request
from tests.faults.peer import Peer, Side, call, lock, sides
from tests.network.world import DOMAIN, World, configured, play

ALICE, BOB, MALLORY, FRIEND = (("198.51.100." + str(n), 5060) for n in (1, 2, 3, 4))
METHODS = ("INFO", "INVITE", "REFER", "BYE", "UPDATE")


async def two_users(world: World) -> tuple[Peer, Peer]:
    """Bob and Mallory are registered; Alice is a user without a binding."""
    lock(world, "alice", "bob", "mallory")
    bob, mallory = Peer(world, "bob", BOB), Peer(world, "mallory", MALLORY)
    for peer in (bob, mallory):
        assert (await peer.register()).status == 200
    return bob, mallory


async def called(caller: Peer, uri: str, from_: str, to: str, callee: Peer) -> tuple[Side, Side]:
    """A call to `uri` with these From and To."""
    data = caller.request("INVITE", uri, to=to, from_=from_)
    taken: list[Request] = []

    async def take() -> None:
        taken.append(await callee.take(b"INVITE"))
        callee.answer(taken[0])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        answer = await caller.ask(data)
    assert answer.status == 200
    return sides(caller, answer, callee, taken[0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("host", [f"{DOMAIN}:9", "192.0.2.1:9"])
def test_a_stranger_from_a_port_that_is_not_ours_becomes_no_user(
    tmp_path: Path, host: str, method: str
) -> None:
    """`sip:alice@example.test:9` is foreign; without the port it is Alice."""

    async def story(world: World) -> None:
        bob, _ = await two_users(world)
        stranger = Peer(world, "alice", FRIEND)
        stranger.has_password = False
        caller, _ = await called(stranger, bob.aor, f"<sip:alice@{host}>;tag=1", f"<{bob.aor}>", bob)
        own = host.partition(":")[0]
        answer = await caller.ask(method, from_=f"<sip:alice@{own}>;tag=1")
        assert answer.status in (403, 407)
        assert bob.untaken() == []

    play(tmp_path, story, config=configured(auth={"inbound": "anybody"}))


@pytest.mark.parametrize("method", ["MESSAGE", "INFO", "INVITE"])
def test_a_callee_is_not_who_the_caller_wrote_into_to(tmp_path: Path, method: str) -> None:
    """Mallory calls an own contact with Alice in To. As the callee Mallory has this name only towards the caller."""

    async def story(world: World) -> None:
        _, mallory = await two_users(world)
        friend = Peer(world, "mallory", FRIEND)
        victim = Peer(world, "victim", ALICE, domain="foreign.test")
        alice = f"<sip:alice@{DOMAIN}>"
        _, callee = await called(friend, mallory.aor, f"<{mallory.aor}>;tag=1", alice, mallory)
        answer = await callee.ask(method, uri="sip:victim@198.51.100.1:5060")
        assert answer.status in (403, 407)
        assert victim.untaken() == []
        await trio.sleep(40)
        assert world.rows() == {}

    play(tmp_path, story)


def test_no_message_is_booked_on_the_user_in_to(tmp_path: Path) -> None:
    """The row would count against Alice's hourly limit, and the receipts would go to Alice."""

    async def story(world: World) -> None:
        _, mallory = await two_users(world)
        friend = Peer(world, "mallory", FRIEND)
        alice = f"<sip:alice@{DOMAIN}>"
        _, callee = await called(friend, mallory.aor, f"<{mallory.aor}>;tag=1", alice, mallory)
        mallory.send(mallory.registration(expires=0))
        answer = await callee.ask("MESSAGE", uri=mallory.aor)
        assert answer.status in (403, 407)
        await trio.sleep(40)
        assert world.read("SELECT sender FROM silo") == []

    play(tmp_path, story)


def test_a_new_token_does_not_make_the_callee_the_user_in_to(tmp_path: Path) -> None:
    """A re-INVITE of the callee has Alice in From; the new token accepts no request in Alice's name."""

    async def story(world: World) -> None:
        _, mallory = await two_users(world)
        friend = Peer(world, "mallory", FRIEND)
        victim = Peer(world, "victim", ALICE, domain="foreign.test")
        alice = f"<sip:alice@{DOMAIN}>"
        _, callee = await called(friend, mallory.aor, f"<{mallory.aor}>;tag=1", alice, mallory)
        mallory.send(callee.request("INVITE"))
        request = await friend.take(b"INVITE")
        friend.answer(request)
        callee.routes = [value.decode() for value in request.headers.split(b"record-route")]
        assert (await mallory.final(b"INVITE")).status == 200
        answer = await callee.ask("INFO", uri="sip:victim@198.51.100.1:5060")
        assert answer.status in (403, 407)
        assert victim.untaken() == []

    play(tmp_path, story)


def test_who_is_reached_in_place_of_another_user_goes_on_with_the_call(tmp_path: Path) -> None:
    """A contact redirects to Mallory: Mallory's requests of the dialog have the called user in From."""

    async def story(world: World) -> None:
        bob, mallory = await two_users(world)
        alice = Peer(world, "alice", ALICE)
        assert (await alice.register()).status == 200
        alice.on_request = lambda request: alice.answer(
            request, 302, ((b"Contact", f"<{mallory.aor}>".encode()),)
        )
        caller, callee = await called(bob, alice.aor, f"<{bob.aor}>;tag=1", f"<{alice.aor}>", mallory)
        for method in ("INFO", "INVITE", "UPDATE"):
            await callee.reach(method, bob)
            await caller.reach(method, mallory)
        await callee.reach("BYE", bob)

    play(tmp_path, story)


def test_who_becomes_a_user_has_shown_no_password_in_the_dialog_before(tmp_path: Path) -> None:
    """Before the first user was added, any sender could use Alice's name."""

    async def story(world: World) -> None:
        bob = Peer(world, "bob", BOB)
        assert (await bob.register()).status == 200
        caller, _ = await call(Peer(world, "alice", FRIEND), bob)
        lock(world, "alice", "bob")
        caller.agent.has_password = False
        assert (await caller.ask("INFO")).status == 407
        assert bob.untaken() == []

    play(tmp_path, story)

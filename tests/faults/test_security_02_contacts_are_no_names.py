"""Security 2: a request is matched to a binding by contact only with a proof from the holder of the binding."""

from pathlib import Path

import pytest
import trio

from tests.faults.peer import Peer, call, lock
from tests.network.world import Story, World, configured, play

NAT = ("203.0.113.7", 40001)
OTHER_NAT = ("203.0.113.8", 40002)
PRIVATE = "sip:{}@10.0.0.5:5060"


async def users(world: World, *peers: Peer) -> None:
    lock(world, "alice", "bob", "aaron", "mallory")
    for peer in peers:
        assert (await peer.register()).status == 200


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE", "OPTIONS", "SUBSCRIBE"])
@pytest.mark.parametrize("who", ["alice", "stranger"])
def test_a_contact_of_a_foreign_domain_takes_nobodys_requests(tmp_path: Path, method: str, who: str) -> None:
    """Mallory registers Carol's address as a contact. Requests for Carol do not reach Mallory."""

    async def story(world: World) -> None:
        mallory = Peer(world, "mallory", ("198.51.100.66", 5060), "sip:carol@foreign.example")
        domain = "example.test" if who == "alice" else "elsewhere.example"
        alice = Peer(world, who, ("198.51.100.1", 5060), domain=domain)
        await users(world, mallory)
        status = (await alice.ask(alice.request(method, "sip:carol@foreign.example"))).status
        assert status == (500 if who == "alice" else 403), "it has no such server, or it is not relayed"
        await trio.sleep(40)
        assert mallory.untaken() == []

    # A ping to Mallory's phone would be a request as well.
    play(tmp_path, story, config=configured(registrar={"ping": 0}))


def nat_story(method: str, hangs_up: str) -> Story:
    """Bob behind NAT has the contact sip:bob@10.0.0.5:5060, and Aaron registers the same one."""

    async def story(world: World) -> None:
        alice = Peer(world, "alice", ("198.51.100.1", 5060))
        bob = Peer(world, "bob", NAT, PRIVATE.format("bob"))
        aaron = Peer(world, "aaron", OTHER_NAT, PRIVATE.format("bob"))
        await users(world, alice, bob, aaron)
        caller, callee = await call(alice, bob)
        for asked in (method, "BYE"):
            if hangs_up == "caller":
                assert (await caller.reach(asked, bob)).uri.decode() == bob.contact
            else:
                await callee.reach(asked, alice)
        assert aaron.untaken() == []

    return story


@pytest.mark.parametrize("hangs_up", ["caller", "callee"])
@pytest.mark.parametrize("method", ["INFO", "INVITE", "REFER", "UPDATE", "PRACK"])
def test_two_phones_with_one_private_contact_are_told_apart(
    tmp_path: Path, method: str, hangs_up: str
) -> None:
    play(tmp_path, nat_story(method, hangs_up))


def test_a_hidden_caller_is_told_from_another_with_the_same_contact(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = Peer(world, "bob", NAT, PRIVATE.format("x"))
        aaron = Peer(world, "aaron", OTHER_NAT, PRIVATE.format("x"))
        alice = Peer(world, "alice", ("198.51.100.1", 5060))
        await users(world, alice, bob, aaron)
        _, callee = await call(bob, alice)
        await callee.reach("INFO", bob)
        await callee.reach("BYE", bob)
        assert aaron.untaken() == []

    play(tmp_path, story)


def test_without_a_token_a_contact_is_nobodys(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = Peer(world, "alice", ("198.51.100.1", 5060))
        bob = Peer(world, "bob", NAT, PRIVATE.format("bob"))
        await users(world, alice, bob)
        caller, _ = await call(alice, bob)
        caller.routes = []
        assert (await caller.ask("BYE")).status == 500, "a private address that leads nowhere from here"
        assert bob.untaken() == []

    play(tmp_path, story)


@pytest.mark.parametrize("hangs_up", ["caller", "callee"])
def test_who_registers_over_a_new_flow_is_reached_by_it(tmp_path: Path, hangs_up: str) -> None:
    """Both ports change during the call, as after a restart of a NAT; the contacts stay the same."""

    async def story(world: World) -> None:
        alice = Peer(world, "alice", OTHER_NAT, PRIVATE.format("alice"))
        bob = Peer(world, "bob", NAT, PRIVATE.format("bob"))
        await users(world, alice, bob)
        caller, callee = await call(alice, bob)
        alice.move(50001)
        bob.move(50002)
        await users(world, alice, bob)
        if hangs_up == "caller":
            await caller.reach("BYE", bob)
        else:
            await callee.reach("BYE", alice)

    play(tmp_path, story)


@pytest.mark.parametrize("instance", ["", ';+sip.instance="<urn:uuid:1>"'])
def test_a_phone_with_another_connection_and_contact_is_reached_by_its_device(
    tmp_path: Path, instance: str
) -> None:
    async def story(world: World) -> None:
        alice = Peer(world, "alice", ("198.51.100.1", 5060))
        bob = Peer(world, "bob", NAT, "sip:bob@10.0.0.5:41000;transport=tcp", stream=True)
        bob.instance = instance
        await users(world, alice, bob)
        caller, callee = await call(alice, bob)
        bob.wire.hang_up()
        await trio.sleep(1)
        assert (await caller.ask("INFO")).status == 430
        bob.connect(41001)
        bob.contact = "sip:bob@10.0.0.5:41001;transport=tcp"
        await users(world, bob)
        await caller.reach("INFO", bob)
        await callee.reach("BYE", alice)

    play(tmp_path, story)


def test_a_stream_and_a_datagram_make_two_record_routes(tmp_path: Path) -> None:
    """RFC 5658: the transport changes here."""

    async def story(world: World) -> None:
        alice = Peer(
            world, "alice", ("198.51.100.1", 41000), "sip:alice@x.invalid;transport=tcp", stream=True
        )
        bob = Peer(world, "bob", NAT, PRIVATE.format("bob"))
        await users(world, alice, bob)
        caller, callee = await call(alice, bob)
        assert len(caller.routes) == 2
        await caller.reach("INFO", bob)
        await callee.reach("INFO", alice)
        await callee.reach("BYE", alice)

    play(tmp_path, story)


def test_a_call_outlives_a_restart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = Peer(world, "alice", OTHER_NAT, PRIVATE.format("alice"))
        bob = Peer(world, "bob", NAT, PRIVATE.format("bob"))
        await users(world, alice, bob)
        caller, callee = await call(alice, bob)
        await world.restart()
        lock(world, "alice", "bob")
        await caller.reach("INFO", bob)
        await callee.reach("BYE", alice)

    play(tmp_path, story)


def test_of_two_phones_of_one_user_the_one_that_answered_is_reached(tmp_path: Path) -> None:
    """The two phones have different NATs and the same contact: each branch has an own token."""

    async def story(world: World) -> None:
        alice = Peer(world, "alice", ("198.51.100.1", 5060))
        desk, soft = (Peer(world, "bob", at, PRIVATE.format("bob")) for at in (NAT, OTHER_NAT))
        desk.instance, soft.instance = (f';+sip.instance="<urn:uuid:{n}>";reg-id=1' for n in (1, 2))
        lock(world, "alice", "bob")
        for phone in (desk, soft):
            assert (await phone.register("Supported: outbound, path\r\n")).status == 200
        await users(world, alice)
        caller, callee = await call(alice, soft)
        desk.answer(await desk.take(b"INVITE"), 180)
        await desk.take(b"CANCEL")
        await caller.reach("INFO", soft)
        await callee.reach("INFO", alice)
        await caller.reach("BYE", soft)
        assert desk.untaken() == []

    play(tmp_path, story)


def test_a_subscription_is_refreshed_and_notified(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = Peer(world, "alice", OTHER_NAT, PRIVATE.format("alice"))
        bob = Peer(world, "bob", NAT, PRIVATE.format("bob"))
        await users(world, alice, bob)
        caller, callee = await call(alice, bob, method="SUBSCRIBE")
        await callee.reach("NOTIFY", alice)
        await caller.reach("SUBSCRIBE", bob)

    play(tmp_path, story)


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_redirection_to_another_contact_of_the_same_user_is_followed(tmp_path: Path, method: str) -> None:
    async def story(world: World) -> None:
        alice = Peer(world, "alice", ("198.51.100.1", 5060))
        desk = Peer(world, "bob", NAT, "sip:desk@10.0.0.5:5060")
        soft = Peer(world, "bob", OTHER_NAT, "sip:soft@10.0.0.6:5060")
        aaron = Peer(world, "aaron", ("198.51.100.3", 5060), "sip:aaron@10.0.0.7:5060")
        await users(world, alice, desk, aaron)
        alice.has_password = True

        async def asked() -> None:
            assert (await alice.ask(alice.request(method, "sip:bob@example.test"))).status == 200

        async with trio.open_nursery() as nursery:
            nursery.start_soon(asked)
            request = await desk.take(method.encode())
            await users(world, soft)
            contacts = (b"Contact", b"<sip:aaron@10.0.0.7:5060>"), (b"Contact", b"<sip:soft@10.0.0.6:5060>")
            desk.answer(request, 302, contacts)
            soft.answer(await soft.take(method.encode()))
        assert aaron.untaken() == [], "another user's contact is no name"

    play(tmp_path, story)

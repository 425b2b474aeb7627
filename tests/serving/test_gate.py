"""The gate: senders of foreign domains by [auth] inbound, users by their password, trusted networks without one."""

from pathlib import Path

import pytest

from msilod.sip.message import build_response
from tests.faults.peer import Peer, lock
from tests.network.world import DOMAIN, World, configured, play

BOB, STRANGER, PROXY = ("198.51.100.2", 5060), ("198.51.100.9", 5060), ("203.0.113.7", 5060)
TRUSTED = ["203.0.113.0/24"]


def with_bob(world: World) -> Peer:
    """Bob, a user, answers all requests with 200."""
    lock(world, "alice", "bob")
    bob = Peer(world, "bob", BOB)
    bob.on_request = lambda request: bob.send(build_response(request, 200, to_tag=b"b").to_bytes())
    return bob


@pytest.mark.parametrize(
    ("inbound", "of_stranger", "of_trusted"),
    [("nobody", 403, 403), ("trusted", 403, 200), ("anybody", 200, 200)],
)
def test_inbound_decides_about_senders_of_foreign_domains(
    tmp_path: Path, inbound: str, of_stranger: int, of_trusted: int
) -> None:
    async def story(world: World) -> None:
        bob = with_bob(world)
        assert (await bob.register()).status == 200
        for address, status in ((STRANGER, of_stranger), (PROXY, of_trusted)):
            carol = Peer(world, "carol", address, domain="elsewhere.test")
            carol.has_password = False
            assert (await carol.ask(carol.request("MESSAGE", bob.aor, body=b"hello"))).status == status
        assert len(bob.untaken()) == [of_stranger, of_trusted].count(200)

    play(tmp_path, story, config=configured(trusted=TRUSTED, auth={"inbound": inbound}))


@pytest.mark.parametrize(("address", "status"), [(STRANGER, 407), (PROXY, 200)])
def test_a_user_shows_a_password_except_from_a_trusted_network(
    tmp_path: Path, address: tuple[str, int], status: int
) -> None:
    async def story(world: World) -> None:
        bob = with_bob(world)
        assert (await bob.register()).status == 200
        alice = Peer(world, "alice", address)
        alice.has_password = False
        assert (await alice.ask(alice.request("MESSAGE", bob.aor, body=b"hello"))).status == status

    play(tmp_path, story, config=configured(trusted=TRUSTED))


@pytest.mark.parametrize(
    ("user", "address", "status"),
    [("alice", STRANGER, 401), ("alice", PROXY, 200), ("dave", STRANGER, 401), ("dave", PROXY, 404)],
)
def test_a_register_shows_the_password_of_to_and_a_trusted_network_registers_users_only(
    tmp_path: Path, user: str, address: tuple[str, int], status: int
) -> None:
    async def story(world: World) -> None:
        lock(world, "alice")
        peer = Peer(world, user, address)
        peer.has_password = False
        assert (await peer.register()).status == status
        assert world.parts.location.has(f"{user}@{DOMAIN}") is (status == 200)

    play(tmp_path, story, config=configured(trusted=TRUSTED))


def test_the_password_of_another_user_is_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = with_bob(world)
        assert (await bob.register()).status == 200
        alice = Peer(world, "alice", STRANGER)
        request = alice.request("MESSAGE", bob.aor, body=b"hello", from_=f"<{bob.aor}>;tag=a")
        assert (await alice.ask(request)).status == 403
        assert bob.untaken() == []

    play(tmp_path, story)


def test_users_that_cannot_be_read_close_the_gate(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        lock(world, "alice")
        world.parts.members.users.is_readable = False
        alice, carol = Peer(world, "alice", BOB), Peer(world, "carol", STRANGER, domain="elsewhere.test")
        assert (await alice.register()).status == 503
        asked = await carol.ask(carol.request("MESSAGE", alice.aor, body=b"hello"))
        assert (asked.status, asked.headers.get(b"retry-after")) == (503, b"5")

    play(tmp_path, story, config=configured(auth={"inbound": "anybody"}))

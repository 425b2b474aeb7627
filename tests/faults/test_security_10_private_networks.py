"""Security 10: users cannot reach private networks, or other ports of the daemon's own address, through the daemon."""

from functools import partial
from pathlib import Path

import pytest
import trio

from msilod.auth.trust import Trust
from msilod.errors import TransportError
from msilod.reaching.reachable import Reachable
from msilod.routing.myself import Myself
from msilod.sip.flow import UDP, Endpoint
from msilod.sip.hop import LINK_LOCAL, LOOPBACK, PRIVATE, PUBLIC, Hop, kind_of
from tests.faults.peer import Peer, lock
from tests.network.ladder import Address
from tests.network.world import World, configured, play

ALICE = ("198.51.100.1", 5060)
INSIDE: tuple[Address, ...] = (
    ("10.0.0.9", 5060), ("192.168.1.9", 6379), ("172.16.0.1", 80), ("100.64.0.1", 5060), ("192.0.2.1", 6379),
    ("127.0.0.1", 5060), ("169.254.169.254", 80),
)  # fmt: skip


class Trap:
    """Records each datagram to one of the places inside."""

    def __init__(self, world: World) -> None:
        self.caught: list[Address] = []
        for address in INSIDE:
            world.wires.bind(address, lambda data, source, address=address: self.caught.append(address))  # type: ignore[misc]


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE", "OPTIONS"])
@pytest.mark.parametrize(
    ("uri", "extra"),
    [
        ("sip:x@{host}:{port}", ""),
        ("sip:x@{host}:{port};transport=udp", ""),
        ("sip:x@foreign.example:{port};maddr={host}", ""),
        ("sip:x@198.51.100.77:{port};maddr={host}", ""),
        ("sip:x@198.51.100.77", "Route: <sip:{host}:{port};lr>\r\n"),
        ("sip:x@198.51.100.77", "Route: <sip:{host}:{port}>\r\n"),
        ("sip:x@198.51.100.77", "Route: <sip:192.0.2.1:5060;lr>, <sip:{host}:{port};lr>\r\n"),
        ("sip:bob@example.test", "Route: <sip:{host}:{port};lr>\r\n"),
    ],
)
def test_no_user_reaches_them_by_uri_route_or_maddr(
    tmp_path: Path, method: str, uri: str, extra: str
) -> None:
    async def story(world: World) -> None:
        trap, alice, bob = (
            Trap(world),
            Peer(world, "alice", ALICE),
            Peer(world, "bob", ("198.51.100.2", 5060)),
        )
        lock(world, "alice", "bob")
        assert (await bob.register()).status == 200
        for host, port in INSIDE:
            lines = extra.format(host=host, port=port)
            status = (
                await alice.ask(alice.request(method, uri.format(host=host, port=port), extra=lines))
            ).status
            assert status >= 400 or status == 202, "a MESSAGE for Bob is kept"
        await trio.sleep(40)
        assert trap.caught == []

    play(tmp_path, story)


@pytest.mark.parametrize("how", ["contact", "path", "tcp", "maddr", "name", "redirection"])
def test_no_user_reaches_them_by_a_registration(tmp_path: Path, how: str) -> None:
    """A contact elsewhere than the source of the REGISTER is reached at this source, or not at all."""

    async def story(world: World) -> None:
        trap, alice, bob = (
            Trap(world),
            Peer(world, "alice", ALICE),
            Peer(world, "bob", ("198.51.100.2", 5060)),
        )
        lock(world, "alice", "bob")
        for host, port in INSIDE:
            uri = f"sip:bob@{host}:{port}"
            here = "sip:bob@198.51.100.2"
            bob.contact = {
                "contact": uri, "path": f"{here}:5060", "tcp": f"{uri};transport=tcp", "redirection": f"{here}:5060",
                "maddr": f"{here}:{port};maddr={host}", "name": f"sip:bob@inside.invalid:{port};maddr={host}",
            }[how]  # fmt: skip
            redirected = ((b"Contact", f"<{uri}>".encode()),)
            status = 302 if how == "redirection" else 200
            bob.on_request = partial(bob.answer, status=status, headers=redirected)
            await bob.register(
                f"Supported: path\r\nPath: <sip:{host}:{port};lr>\r\n" if how == "path" else ""
            )
            for method in ("MESSAGE", "OPTIONS", "INVITE"):
                answer = await alice.ask(alice.request(method, bob.aor))
                assert answer.status >= 200
            assert (
                await bob.ask(bob.request("REGISTER", "sip:example.test", f"<{bob.aor}>", "Expires: 0\r\n"))
            ).status
        await trio.sleep(40)
        assert trap.caught == []

    play(tmp_path, story)


def test_a_contact_at_the_address_that_it_registers_from_is_reached(tmp_path: Path) -> None:
    """A phone behind NAT, a phone in a private network with a route to us, and a softphone on the daemon's host."""

    async def story(world: World) -> None:
        alice = Peer(world, "alice", ALICE)
        phones = [
            Peer(world, "bob", ("203.0.113.9", 40000), "sip:bob@10.0.0.9:5060"),
            Peer(world, "bob", ("10.0.0.5", 5060)),
            Peer(world, "bob", ("192.0.2.1", 5070)),
        ]
        lock(world, "alice", "bob")
        for phone in phones:
            assert (await phone.register()).status == 200
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alice.ask, alice.request("OPTIONS", "sip:bob@example.test"))
            requests = [await phone.take(b"OPTIONS") for phone in phones]
            for phone, request in zip(phones, requests, strict=True):
                phone.answer(request)

    play(tmp_path, story)


def test_a_trusted_network_is_reached(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        trap, alice = Trap(world), Peer(world, "alice", ALICE)
        lock(world, "alice")
        with trio.move_on_after(5):
            await alice.ask(alice.request("OPTIONS", "sip:x@10.0.0.9:5060"))
        assert set(trap.caught) == {("10.0.0.9", 5060)}

    play(tmp_path, story, config=configured(trusted=["10.0.0.0/24"]))


# --- the decision ----------------------------------------------------------------------------------------


def may(
    host: str, *listening: str, own: tuple[str, ...] = (), heard_from: str = "", port: int = 5080
) -> bool:
    endpoints = [Endpoint(UDP, address, 5060, b"") for address in listening]
    addresses = own or tuple(address for address in listening if address not in ("0.0.0.0", "::"))
    reachable = Reachable(Myself(["example.test"], endpoints, addresses), Trust(), endpoints)
    try:
        return bool(reachable.allowed([Hop(UDP, host, port)], heard_from))
    except TransportError:
        return False


@pytest.mark.parametrize(
    ("host", "listening", "own", "is_reached"),
    [
        ("10.1.1.1", ("203.0.113.1",), (), False),
        ("fd00::1", ("2001:db8::1",), (), False),
        ("64:ff9b::a01:101", ("2001:db8::1",), (), False),
        ("64:ff9b::7f00:1", ("2001:db8::1",), (), False),
        ("2002:a01:101::1", ("2001:db8::1",), (), False),
        ("8.8.8.8", ("203.0.113.1",), (), True),
        ("2001:4860::1", ("2001:db8::1",), (), True),
        ("203.0.113.1", ("203.0.113.1",), (), False),
        # A daemon on 192.168.1.2 serves the LAN. The same host has other programs.
        ("192.168.1.9", ("192.168.1.2",), (), True),
        ("10.1.1.1", ("192.168.1.2",), (), True),
        ("192.168.1.2", ("192.168.1.2",), (), True),
        ("8.8.8.8", ("192.168.1.2",), (), True),
        ("127.0.0.1", ("192.168.1.2",), (), False),
        ("169.254.169.254", ("192.168.1.2",), (), False),
        # One with a foot in each.
        ("192.168.1.9", ("192.168.1.2", "203.0.113.1"), (), True),
        ("192.168.1.2", ("192.168.1.2", "203.0.113.1"), (), False),
        ("127.0.0.1", ("127.0.0.1", "203.0.113.1"), (), False),
        # All addresses of the machine: private networks are served when the machine has no public address.
        ("192.168.1.9", ("0.0.0.0",), ("192.168.1.2", "127.0.0.1"), True),
        ("172.17.0.2", ("0.0.0.0",), ("203.0.113.1", "127.0.0.1"), False),
        ("192.168.1.9", ("0.0.0.0", "192.168.1.2"), ("203.0.113.1", "192.168.1.2"), True),
        ("203.0.113.1", ("0.0.0.0",), ("203.0.113.1", "127.0.0.1"), False),
        ("192.168.1.9", ("0.0.0.0", "::"), ("192.168.1.2", "127.0.0.1", "2001:db8::1", "::1"), True),
        ("127.0.0.1", ("0.0.0.0",), ("192.168.1.2", "127.0.0.1"), False),
        # A daemon for the own host.
        ("127.0.0.1", ("127.0.0.1",), (), True),
        ("::1", ("::1",), (), True),
        ("10.1.1.1", ("127.0.0.1",), (), True),
    ],
)
def test_which_kind_of_place_is_reached_from_where(
    host: str, listening: tuple[str, ...], own: tuple[str, ...], is_reached: bool
) -> None:
    assert may(host, *listening, own=own) is is_reached
    assert may(host, *listening, own=own, heard_from=host), "a contact registered from that very address"


def test_a_listener_of_ours_is_no_place_even_for_who_registers_from_it() -> None:
    assert not may("203.0.113.1", "203.0.113.1", heard_from="203.0.113.1", port=5060)


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("127.9.9.9", LOOPBACK), ("::1", LOOPBACK), ("64:ff9b::7f00:1", LOOPBACK), ("2002:7f00:1::", LOOPBACK),
        ("169.254.1.1", LINK_LOCAL), ("fe80::1", LINK_LOCAL), ("fe80::1%eth0", LINK_LOCAL),
        ("10.0.0.1", PRIVATE), ("172.31.255.255", PRIVATE), ("192.168.0.1", PRIVATE), ("100.127.0.1", PRIVATE),
        ("fd12::1", PRIVATE), ("0.1.2.3", PRIVATE), ("240.0.0.1", PRIVATE), ("::10.0.0.1", PRIVATE),
        ("172.32.0.1", PUBLIC), ("100.128.0.1", PUBLIC), ("198.51.100.1", PUBLIC), ("2001:db8::1", PUBLIC),
    ],
)  # fmt: skip
def test_the_kinds_of_networks(host: str, kind: str) -> None:
    assert kind_of(host) == kind

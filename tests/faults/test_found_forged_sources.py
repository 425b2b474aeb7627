"""Found by attack: 20,000 datagrams a second from a thousand forged sources displaced two thirds of users' traffic."""

import contextlib
import socket
from collections.abc import Mapping, Set
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import structlog.testing
import trio

from msilod.auth.fruitless import MAX_IN_SUM, MAX_OF_USER, MAX_PER_SECOND
from msilod.auth.sparing import BURST, PASSED_PER_SECOND, QUIET, Sparing
from msilod.transport import udp_filter
from msilod.transport.udp import Guard
from msilod.transport.udp_filter import SAMPLE, Strangers
from tests.faults.doorway import HOME, Doorway, with_auth
from tests.network.world import World, play

NOISE = b"garbage"


class Watched:
    """Records the calls to the transports, and passes datagrams through the guard as udp.py does."""

    def __init__(self, world: World, has_filter: bool = True) -> None:
        self.guard: Guard | None = None
        self.strangers: Strangers | None = None
        self.shed: dict[str, set[int]] = {}

        def shed(sources: Mapping[str, Set[int]], strangers: Strangers | None = None) -> bool:
            self.shed = {source: set(ports) for source, ports in sources.items()}
            self.strangers = strangers
            return has_filter

        def guard(guard: Guard | None) -> None:
            self.guard = guard

        world.transports.shed = shed  # type: ignore[method-assign]
        world.transports.guard = guard  # type: ignore[method-assign]

    def passes(self, host: str, port: int = 5060, data: bytes = NOISE) -> bool:
        return self.guard is None or self.guard(host, port, memoryview(data))


def flood(door: Doorway, number: int) -> None:
    for place in range(number):
        door.say(NOISE, (f"203.0.{place >> 8}.{place & 255}", 5060))


def test_a_flood_from_everywhere_leaves_the_time_to_users(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door, watched = Doorway(world), Watched(world)
        await trio.sleep(0.1)
        assert door.register() == 200
        # The challenge is the first.
        flood(door, int(MAX_IN_SUM) - 1)
        assert watched.guard is None
        flood(door, 1)
        assert watched.strangers is not None
        assert set(watched.strangers.known) == {HOME[0]}
        seen = sum(watched.passes(f"198.18.{number >> 8}.{number & 255}") for number in range(20_000))
        assert BURST <= seen < BURST + PASSED_PER_SECOND / 10
        assert all(watched.passes(HOME[0], number) for number in range(2_000)), "where a user has been"
        await trio.sleep(QUIET + 1)
        assert watched.guard is None
        assert watched.strangers is None
        assert world.parts.counters.shed_datagrams == 20_000 - seen

    play(tmp_path, story, config=with_auth())


def test_what_a_transaction_waits_for_passes(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door, watched = Doorway(world), Watched(world)
        world.parts.shedding.is_awaited = lambda branch: branch == b"z9hG4bKours"
        await trio.sleep(0.1)
        flood(door, int(MAX_IN_SUM) + 1)
        while watched.passes("198.18.0.1"):
            pass
        answer = (
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKours%b\r\nFrom: <sip:a@b>\r\n\r\n"
        )
        assert watched.passes("198.18.0.1", data=answer % b"")
        assert watched.passes("198.18.0.1", data=answer % b";received=192.0.2.1;rport=5060")
        assert not watched.passes("198.18.0.1", data=answer % b"not")
        assert not watched.passes("198.18.0.1", data=b"SIP/2.0 200 OK\r\n\r\n")

    play(tmp_path, story, config=with_auth())


def test_trusted_networks_and_edges_pass(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door, watched = Doorway(world), Watched(world)
        world.parts.trust.configure(["192.0.2.0/24"])
        await trio.sleep(0.1)
        flood(door, int(MAX_IN_SUM) + 1)
        for host in ("192.0.2.7", "192.0.3.7", "127.0.0.9"):
            assert all(watched.passes(host) for _ in range(1_000)), host
        assert watched.strangers is not None
        assert {str(network) for network in watched.strangers.networks} == {
            "192.0.2.0/24", "192.0.3.7/32", "127.0.0.0/8", "::1/128",
        }  # fmt: skip

    play(tmp_path, story, config=with_auth(edges=["192.0.3.7"]))


def test_who_was_registered_before_a_restart_is_no_stranger(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door = Doorway(world)
        await trio.sleep(0.1)
        assert door.register() == 200
        await trio.sleep(1)
        await world.restart()
        await trio.sleep(0.1)
        assert world.parts.shedding._proven.knows(HOME[0])

    play(tmp_path, story, config=with_auth())


def test_a_user_who_floods_from_his_own_port_is_shed_too(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door, watched = Doorway(world), Watched(world)
        await trio.sleep(0.1)
        assert door.register() == 200
        for _ in range(int(MAX_PER_SECOND) + 1):
            door.say(NOISE, HOME)
        assert watched.shed == {HOME[0]: {HOME[1]}}
        for _ in range(int(MAX_OF_USER) + 1):
            door.say(b"INVITE", HOME)
        assert watched.shed == {HOME[0]: set()}
        await trio.sleep(2)
        assert watched.shed == {}
        assert door.register() == 200

    play(tmp_path, story, config=with_auth())


def test_without_a_filter_in_the_kernel_the_daemon_drops_and_says_so_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        door, watched = Doorway(world), Watched(world, has_filter=False)
        await trio.sleep(0.1)
        assert door.register() == 200
        with structlog.testing.capture_logs() as lines:
            for source in (HOME[0], "203.0.113.7"):
                for number in range(int(MAX_PER_SECOND) + 10):
                    door.say(NOISE, (source, 6_000 + number))
        assert [line["event"] for line in lines if "SO_ATTACH_FILTER" in line["event"]] != []
        assert len([line for line in lines if "SO_ATTACH_FILTER" in line["event"]]) == 1
        assert watched.passes(*HOME)
        assert not watched.passes(HOME[0], 6_000)
        assert not watched.passes("203.0.113.7")
        assert watched.passes("203.0.113.8")
        await trio.sleep(2)
        assert watched.guard is None

    play(tmp_path, story, config=with_auth())


def test_the_bucket_fills_with_time() -> None:
    sparing = Sparing(10.0)
    assert sum(sparing.passes(100, 10.0) for _ in range(1_000)) == BURST
    assert sum(sparing.passes(100, 10.05) for _ in range(1_000)) == PASSED_PER_SECOND // 20
    assert not sparing.is_over(10.05 + QUIET)
    assert sparing.is_over(10.06 + QUIET)


@pytest.mark.parametrize("many", [2, 30_000])
def test_the_kernel_passes_the_known_and_a_sample(many: int) -> None:
    known = [f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(2, 2 + many)]
    networks = [IPv4Network("127.200.0.0/16")]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.setblocking(False)

        def heard(host: str, data: bytes = NOISE, times: int = 40) -> int:
            count = 0
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
                mouth.bind((host, 0))
                for _ in range(times):
                    mouth.sendto(data, ear.getsockname())
                    with contextlib.suppress(BlockingIOError):
                        count += ear.recv(65_536) == data
            return count

        program = udp_filter.program({"127.0.0.3": set()}, False, Strangers(known, networks))
        assert len(program) <= udp_filter.MAX_INSTRUCTIONS
        if not udp_filter.attach(ear, program):
            pytest.skip("this kernel has no socket filters")
        assert heard(known[0]) == 40
        assert many == 2 or heard(known[-1]) == 40
        assert heard("127.0.0.3") == 0
        assert heard("127.200.7.1") == 40
        assert heard("127.100.0.1", b"SIP/2.0 200 OK") == 40
        # 8,000 draws: a share of an eighth is 1,000, and 200 is six standard deviations.
        assert abs(heard("127.100.0.1", times=8_000) - 8_000 / SAMPLE) < 200
        assert udp_filter.attach(
            ear, udp_filter.program({}, False, Strangers(known, networks, 8_192, samples_responses=True))
        )
        assert heard("127.0.0.2", b"x" * 8_192) == 40
        assert heard("127.0.0.2", b"x" * 8_193) == 0
        assert heard("127.100.0.1", b"SIP/2.0 200 OK", times=400) < 200
        assert udp_filter.attach(ear, [])
        assert udp_filter.attach(ear, []), "there is none to take away"

"""Security 23: on a stream the first delivery after a REGISTER is in another segment than the 200 (sip/13)."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from msilod.reaching.apart import SECONDS, Apart
from msilod.sip.flow import TCP, Endpoint, Flow
from tests.network.ladder import Address
from tests.network.world import World, play

LEAST = 0.1


class Times:
    """Records the messages from the daemon to Bob, with times."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.answers: list[float] = []
        self.deliveries: list[float] = []
        world.on_sent.append(self.sent)

    def sent(self, data: bytes, destination: Address) -> None:
        if data.startswith(b"MESSAGE"):
            self.deliveries.append(self.world.wires.now)
        elif data.startswith(b"SIP/2.0 200") and b" REGISTER" in data:
            self.answers.append(self.world.wires.now)


@pytest.mark.parametrize("is_stream", [True, False])
def test_the_first_delivery_leaves_behind_the_200_and_on_udp_at_once(tmp_path: Path, is_stream: bool) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob", stream=is_stream)
        alice.switch_on()
        for _ in range(3):
            alice.text("bob")
        await trio.sleep(1)
        times = Times(world)
        bob.boot()
        await trio.sleep(2)
        assert world.rows() == {}
        assert (times.deliveries[0] - times.answers[0] >= LEAST) is is_stream
        # The later messages wait only for the answers to earlier ones.
        assert times.deliveries[2] - times.deliveries[0] < 2 * LEAST

    assert play(tmp_path, story).ledger.faults == []


def test_a_refresh_with_mail_waiting_is_a_register_as_well(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob", stream=True)
        alice.switch_on()
        bob.boot()
        await trio.sleep(1)
        bob.answers = ((0.05, 480),)
        alice.text("bob")
        await trio.sleep(1)
        bob.answers = ((0.05, 200),)
        times = Times(world)
        bob.register()
        await trio.sleep(2)
        assert world.rows() == {}
        assert times.deliveries[0] - times.answers[0] >= LEAST

    assert play(tmp_path, story).ledger.faults == []


def test_what_is_stored_while_the_register_is_committed_leaves_behind_its_200(tmp_path: Path) -> None:
    """The commits of both come back together: the 200, then the delivery."""

    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob", stream=True)
        alice.switch_on()
        flush = world.silo.writer.flush
        world.silo.writer.flush = lambda: None  # type: ignore[method-assign]
        times = Times(world)
        bob.boot()
        await trio.sleep(0.1)
        alice.text("bob")
        await trio.sleep(0.3)
        world.silo.writer.flush = flush  # type: ignore[method-assign]
        await trio.sleep(2)
        assert world.rows() == {}
        assert times.deliveries[0] - times.answers[0] >= LEAST

    assert play(tmp_path, story).ledger.faults == []


def test_a_connection_that_ends_meanwhile_costs_the_message_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob", stream=True)
        alice.switch_on()
        alice.text("bob")
        await trio.sleep(1)
        bob.boot()
        await trio.sleep(0.08)
        bob.die()
        await trio.sleep(5)
        assert len(world.rows()) == 1
        bob.boot()
        await trio.sleep(2)
        assert world.rows() == {}

    assert play(tmp_path, story).ledger.faults == []


def test_nothing_is_remembered_for_longer_than_it_counts() -> None:
    apart = Apart()
    tcp = Endpoint(TCP, "192.0.2.1", 5060, b"")
    for number in range(1000):
        apart.note(("sip:x@y", Flow(tcp, "192.0.2.9", 1, number + 1)), number * 0.01)
    assert len(apart.noted) <= SECONDS / 0.01 + 1
    heard: list[float] = []
    key = next(reversed(apart.noted))
    assert apart.holds(key, 10.0, heard.append)
    apart.handle_timeout(10.0)
    assert heard == []
    # The alarm is late: waiting messages leave before new ones.
    assert not apart.holds(key, 10.2, heard.append)
    assert heard == [10.2]
    assert apart.noted == {}


@pytest.mark.parametrize("is_first", [True, False])
def test_a_message_that_is_relayed_leaves_behind_the_200_and_in_order(tmp_path: Path, is_first: bool) -> None:
    """This includes refreshes. Later messages stay behind."""

    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob", stream=True)
        alice.switch_on()
        if not is_first:
            bob.boot()
            await trio.sleep(1)
        times = Times(world)
        bob.boot() if is_first else bob.register()
        while not times.answers:
            await trio.sleep(0.001)
        came: list[bytes] = []
        left: list[bytes] = []
        arriving = world.arriving

        def note(batch: Sequence[bytes]) -> None:
            came.extend(data.rpartition(b"\n")[2] for data in batch if data.startswith(b"MESSAGE"))
            arriving(batch)

        world.arriving = note  # type: ignore[method-assign]
        world.on_sent.append(
            lambda data, to: left.append(data.rpartition(b"\n")[2]) if data.startswith(b"MESSAGE") else None
        )
        for _ in range(60):
            alice.text("bob")
            await trio.sleep(0.005)
        await trio.sleep(2)
        assert world.rows() == {}
        assert times.deliveries[0] - times.answers[0] >= LEAST
        assert left == came
        assert len(left) == 60

    assert play(tmp_path, story).ledger.faults == []


def test_a_message_waits_for_the_newest_contact_and_reaches_all(tmp_path: Path) -> None:
    """A branch still waiting was never begun after the 2xx of another contact."""

    async def story(world: World) -> None:
        alice, old, new = world.phone("alice"), world.phone("bob"), world.phone("bob", stream=True)
        alice.switch_on()
        old.boot()
        await trio.sleep(1)
        new.boot()
        await trio.sleep(0.05)
        alice.text("bob")
        await trio.sleep(2)
        assert [len(phone.got) for phone in (old, new)] == [1, 1]
        assert world.rows() == {}

    assert play(tmp_path, story).ledger.faults == []

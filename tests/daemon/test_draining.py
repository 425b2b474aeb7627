"""TERM: the daemon refuses new requests, ends open ones, and writes all that is kept in memory only."""

from pathlib import Path

import pytest
import trio

from msilod.config import Config
from msilod.sip.message import Response
from tests.agent.requests import with_body
from tests.faults.test_security_26_ping import natted, pings
from tests.network.phone import SILENT
from tests.network.world import World, configured, play


def test_a_new_request_gets_a_503_with_a_time_while_an_open_one_ends(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.boot()
        await trio.sleep(1)
        bob.answers = ((5.0, 200),)
        open_request = alice.text("bob")
        await trio.sleep(0.5)
        world.daemon.stop()
        refused: list[Response | None] = []
        branch = alice.branch()
        head = alice.head("OPTIONS", "sip:example.test", "sip:example.test", "o@alice", 1, branch)
        alice.ask(with_body(head), branch, "OPTIONS", refused.append)
        await trio.sleep(1)
        (response,) = refused
        assert response is not None
        assert (response.status, response.headers.get(b"retry-after")) == (503, b"10")
        assert world.parts.layer.open_transactions, "the daemon waits for the open transaction"
        await trio.sleep(5)
        assert open_request.status == 200

    play(tmp_path, story, config=configured(drain=20))


def test_the_drain_ends_after_its_time_although_a_phone_is_silent(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.boot()
        await trio.sleep(1)
        bob.answers = SILENT
        alice.text("bob")
        await trio.sleep(0.5)
        await world_ends(world, 3.0)

    play(tmp_path, story, config=configured(drain=3))


async def world_ends(world: World, drain: float) -> None:
    """Stop, and check that the tasks of the daemon end after `drain` seconds and not before."""
    world.daemon.stop()
    await trio.sleep(drain - 0.5)
    assert not world._scope.cancel_called
    await trio.sleep(1.0)
    assert world._scope.cancel_called


def test_without_work_the_drain_takes_no_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.daemon.stop()
        await trio.sleep(0.1)
        assert world._scope.cancel_called

    play(tmp_path, story, config=configured(drain=20))


def test_a_refresh_of_the_last_second_and_the_clock_are_written(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob")
        bob.boot()
        await trio.sleep(5)
        (before,) = world.silo.load_bindings()
        bob.register()
        await trio.sleep(0.1)
        world.daemon.stop()
        await trio.sleep(0.5)
        (after,) = world.silo.load_bindings()
        assert after[0].expires_at > before[0].expires_at
        kept = world.silo.kept_clock()
        assert kept is not None
        assert kept.seen > world.clock.wall() - 1.0

    play(tmp_path, story)


def test_no_ping_leaves_and_no_connection_is_accepted(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, carol = world.phone("alice"), world.phone("carol", stream=True)
        bob = natted(world, "bob")
        alice.switch_on()
        bob.boot()
        await trio.sleep(60)
        assert pings(bob)
        # An open transaction keeps the daemon alive.
        dave = world.phone("dave")
        dave.boot()
        await trio.sleep(1)
        dave.answers = SILENT
        alice.text("dave")
        await trio.sleep(0.1)
        world.daemon.stop()
        await trio.sleep(0.1)
        number = len(pings(bob))
        carol.switch_on()
        carol.wire.connect()
        await trio.sleep(60)
        assert len(pings(bob)) == number
        assert carol.wire.end is None or not carol.wire.end.is_open

    config: Config = configured(drain=100, registrar={"ping": 25})
    play(tmp_path, story, config=config)


@pytest.mark.interpreted
def test_the_daemon_waits_for_a_delivery_run_between_two_requests(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        runs = world.parts.deliverer.runs

        def stop(now: float) -> None:
            runs["bob@example.test"] = object()  # type: ignore[assignment]

        world.parts.deliverer.stop = stop  # type: ignore[method-assign]
        world.daemon.stop()
        await trio.sleep(2)
        assert not world._scope.cancel_called
        del runs["bob@example.test"]
        await trio.sleep(0.5)
        assert world._scope.cancel_called

    play(tmp_path, story, config=configured(drain=20))

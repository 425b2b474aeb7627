"""The ties of the wiring: events of lower rooms reach the upper rooms, and work by the clock is done."""

from pathlib import Path

import pytest
import trio

from msilod.daemon.housekeeping import RENEWAL, Every, Housekeeping
from tests.network.world import World, play


def test_live_requests_are_counted_by_the_sender_and_not_by_the_host(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        parts = world.parts
        assert parts.layer._servers.shares.sender_of == parts.senders.of
        assert parts.shedding.is_awaited == parts.layer.awaits

    play(tmp_path, story)


@pytest.mark.interpreted
def test_a_failure_in_a_timer_is_counted_and_logged(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.boot()
        await trio.sleep(1)
        bob.answers = ()

        def broken(*_: object) -> None:
            raise RuntimeError("a fault of the owner")

        alice.text("bob")
        await trio.sleep(0.5)
        parts = world.parts
        parts.online.mark_failed = broken  # type: ignore[method-assign, assignment]
        await trio.sleep(60)
        assert parts.counters.internal_errors > 0

    play(tmp_path, story, errors=(), may_log=("the end of a transaction could not be handled",))


def test_each_action_runs_in_its_seconds_and_each_tick_ends_a_batch(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        done: list[str] = []
        housekeeping = Housekeeping(
            world.clock,
            [
                Every(1, lambda now: done.append("each")),
                Every(3, lambda now: done.append("third")),
                Every(2, lambda now: done.append("last")),
            ],
            lambda: done.append("batch"),
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(housekeeping.run)
            await trio.sleep(3.5)
            nursery.cancel_scope.cancel()
        assert done == ["each", "batch", "each", "last", "batch", "each", "third", "batch"]

    play(tmp_path, story)


def test_the_daemon_has_each_piece_of_work_by_the_clock(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        parts = world.parts
        work = parts.housekeeping._work
        seconds = {every.action.__qualname__: every.seconds for every in work}
        assert len(seconds) == len(work)
        rare = parts.config.silo.check_time * parts.config.silo.clean_period
        assert seconds == {
            "ClockWatch.look": 1,
            "Storing.withdraw_late": 1,
            "Storing.forget_former": 1,
            "Registrar.write_refreshes": 1,
            "Sweeping.look_for_others": 1,
            "ClockWatch.take_due": 1,
            "Deliverer.wake_due": 1,
            "Probes.tick": 1,
            "Forwarder.check_timer_c": 1,
            "GivingBack.tick": 1,
            "Sweeping.renew_leases": RENEWAL,
            "Sweeping.sweep_bindings": 1,
            "Sweeping.clean": rare,
        }

    play(tmp_path, story)


def test_an_expired_binding_leaves_memory_and_database(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = world.phone("bob")
        bob.expires = 60
        bob.boot()
        await trio.sleep(1)
        bob.die()
        await trio.sleep(100)
        assert len(world.parts.location) == 0
        assert world.read("SELECT count(*) FROM silo_location") == [(0,)]

    play(tmp_path, story)


@pytest.mark.parametrize("seconds", [5000, -5000])
def test_a_step_of_the_clock_is_written_at_once(tmp_path: Path, seconds: int) -> None:
    """The answer about due rows writes a step forward, too, but no step back."""

    async def story(world: World) -> None:
        await trio.sleep(3)
        world.jump(seconds)
        await trio.sleep(2)
        kept = world.silo.kept_clock()
        assert kept is not None
        assert kept.ahead == seconds

    play(tmp_path, story)

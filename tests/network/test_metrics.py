"""The metrics of a whole daemon: each count is right after a story, and the health follows the silo."""

from typing import Any

import trio

from msilod.daemon.wiring import build_metrics
from msilod.errors import StoreError
from msilod.metrics.figures import Counted, Sample
from msilod.metrics.health import AWAY_AFTER, Health
from msilod.metrics.table import BY_NAME
from msilod.store.jobs import Foreign
from msilod.transport.listen import ListenSpec
from tests.network.virtual import virtual
from tests.network.world import World


class Scrape:
    """The metrics of a world, as the listener tells them; no socket is asked."""

    def __init__(self, world: World) -> None:
        self._server = build_metrics(world.parts, ListenSpec("metrics", "127.0.0.1", 0))
        self._server.close()

    @property
    def health(self) -> Health:
        return self._server.health

    def samples(self) -> list[Sample]:
        silo = self._server._silo
        silo._look(silo._clock.now())
        silo._at = silo._clock.now()
        return [*self._server._figures.samples(), *silo.samples()]

    def values(self) -> dict[str, float]:
        """`name` or `name label` to value."""
        return {
            " ".join([name.removeprefix("msilod_"), *labels]): value
            for name, labels, value in self.samples()
            if not isinstance(value, Counted)
        }

    def histogram(self, name: str) -> Counted:
        (found,) = [value for known, _, value in self.samples() if known == f"msilod_{name}"]
        assert isinstance(found, Counted)
        return found


@virtual()
async def test_every_metric_of_the_table_has_a_sample_with_its_labels(world: World) -> None:
    samples = Scrape(world).samples()
    assert len({(name, labels) for name, labels, _ in samples}) == len(samples), "none is told twice"
    # Without TCP there are no connections; without [tls] no certificate; without users no number of them.
    late = {"msilod_connections", "msilod_certificate_not_after_seconds", "msilod_users"}
    assert BY_NAME.keys() - late <= {name for name, _, _ in samples} <= BY_NAME.keys()
    for name, labels, value in samples:
        assert len(labels) == len(BY_NAME[name].labels)
        assert isinstance(value, Counted) == (BY_NAME[name].kind == "histogram")


@virtual(silo={"max_messages": 3})
async def test_counts_after_a_story(world: World) -> None:
    scrape = Scrape(world)
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    for number in range(5):
        alice.text("bob", name=b"%d" % number)
        await trio.sleep(0.1)
    await trio.sleep(60)
    found = scrape.values()
    assert found["stored_messages_total"] == 3
    assert found["refused_messages_total"] == 2
    assert found["refusals_total recipient"] == 2
    assert found["refusals_total disk"] == 0
    assert found["messages waiting"] == 3
    assert found["message_bytes"] == sum(world.column("size"))
    assert 60 <= found["oldest_message_age_seconds"] < 61
    assert found["bindings"] == 0
    bob.boot()
    await trio.sleep(2)
    found = scrape.values()
    assert found["dumped_messages_total"] == 3
    assert found["messages waiting"] == 0
    assert found["oldest_message_age_seconds"] == 0
    assert found["registered_recipients"] == 1
    assert found["uncommitted_messages"] == 0
    latency = scrape.histogram("delivery_seconds")
    assert dict(zip(latency.bounds, latency.counts, strict=False))[300.0] == 3
    assert 180 < latency.total < 190


@virtual()
async def test_ready_is_said_only_while_messages_are_taken(world: World) -> None:
    health = Scrape(world).health
    assert health.problem() == "starting"
    health.is_serving = True
    assert health.problem() == ""
    changes = world.parts.changes
    changes.foreign(StoreError("gone, with the password secret"))
    assert health.problem() == "the silo is away"
    changes.foreign(Foreign([]))
    assert health.problem() == ""
    world.parts.user.is_draining = True
    assert health.problem() == "draining"
    assert health.trouble() == ""


@virtual()
async def test_a_silo_that_does_not_answer_is_noticed(world: World) -> None:
    health = Scrape(world).health
    health.is_serving = True
    await trio.sleep(3 * AWAY_AFTER)
    assert health.problem() == ""
    # The questions of every second stay without an answer, as behind a disk that hangs.
    world.parts.writer.poll_foreign = lambda done: None  # type: ignore[method-assign]
    await trio.sleep(AWAY_AFTER - 2)
    assert health.problem() == ""
    await trio.sleep(4)
    assert health.problem() == "the silo does not answer"


@virtual(errors=("a row's end could not be committed",) * 2)
async def test_an_end_that_is_committed_late_is_counted_once(world: World) -> None:
    scrape, writer = Scrape(world), world.parts.writer
    commit, failures = writer.end, 2

    def end(*arguments: Any, **named: Any) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            arguments[6](StoreError("database or disk is full"))
        else:
            commit(*arguments, **named)

    writer.end = end  # type: ignore[method-assign]
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    alice.text("bob")
    await trio.sleep(1)
    bob.boot()
    await trio.sleep(120)
    assert world.rows() == {}
    assert failures == -1
    assert scrape.values()["dumped_messages_total"] == 1
    assert sum(scrape.histogram("delivery_seconds").counts) == 1

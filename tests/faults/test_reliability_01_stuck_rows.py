"""Reliability 1: rows not given back by a run are given back later; no lease outlives the run (law 3)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from msilod.errors import StoreError
from msilod.store.jobs import Batch, Outcome
from msilod.store.writer.contract import InlineWriter
from tests.network.desk import Desk
from tests.network.phone import TAKES, Phone, Script
from tests.network.world import DOMAIN, World, play

BUSY: Script = ((2.0, 486),)
DECLINES: Script = ((2.0, 603),)
ERRORS = ("rows could not be given back",)


# Asked without waiting for the result: the daemon logs that they failed, the in-line twin would end the story.
UNHEARD = ("note", "renew")
# A full disk can be read.
READ: dict[str, list[object]] = {"unseen": []}


class Full:
    """A disk without any room."""

    def execute(self, batch: Batch) -> Outcome:
        error = StoreError("database or disk is full")
        failed = batch.failed(error)
        failed.calls = [None if call.name in UNHEARD else READ.get(call.name, error) for call in batch.calls]
        return failed


@contextmanager
def full_disk(world: World) -> Iterator[None]:
    writer = world.silo.writer
    assert isinstance(writer, InlineWriter)
    good, writer.transactions = writer.transactions, Full()  # type: ignore[assignment]
    try:
        yield
    finally:
        writer.transactions = good


async def waiting(world: World, count: int = 3) -> tuple[Phone, Phone]:
    alice, bob = world.phone("alice"), world.phone("bob")
    alice.switch_on()
    bob.expires = 80_000
    for number in range(count):
        alice.text("bob", name=b"%d" % number)
        await trio.sleep(0.1)
    return alice, bob


async def refused_on_a_full_disk(world: World, answers: Script = BUSY) -> Phone:
    """bob's phone has answered while nothing could be written."""
    _, bob = await waiting(world)
    bob.answers = answers
    bob.boot()
    await trio.sleep(1)
    with full_disk(world):
        await trio.sleep(10)
        assert any(world.column("owner"))
    bob.answers = TAKES
    return bob


def test_a_new_registration_gets_the_rows_as_soon_as_the_disk_is_good(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = await refused_on_a_full_disk(world)
        bob.boot()
        await trio.sleep(32)
        assert world.rows() == {}
        assert len(world.parts.deliverer.ends.giving_back) == 0
        assert [request.body for request in bob.got][-3:] == [b"0", b"1", b"2"]

    assert play(tmp_path, story, errors=ERRORS).ledger.faults == []


def test_what_could_not_be_postponed_is_tried_again_without_a_registration(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await refused_on_a_full_disk(world)
        await trio.sleep(70)
        assert world.rows() == {}

    assert play(tmp_path, story, errors=ERRORS).ledger.faults == []


def test_a_purge_removes_them(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = await refused_on_a_full_disk(world)
        bob.die()
        await trio.sleep(32)
        Desk(world).do("purge", f"bob@{DOMAIN}", "all")
        assert world.rows() == {}

    play(tmp_path, story, errors=ERRORS)


def test_a_refusal_that_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bob = await refused_on_a_full_disk(world, DECLINES)
        took = len(bob.got)
        await trio.sleep(32)
        states = [state for state, _ in world.rows().values()]
        assert states.count("rejected") >= 1
        assert bob.got[0].body not in [request.body for request in bob.got[took:]]

    play(tmp_path, story, errors=ERRORS)


def test_a_late_2xx_that_could_not_be_written_ends_its_row_later(tmp_path: Path) -> None:
    """The branch stayed open after fr_timer, the row was stored, and the 200 came while the disk was full."""

    async def story(world: World) -> None:
        alice, bob = world.phone("alice"), world.phone("bob")
        alice.switch_on()
        bob.expires = 80_000
        bob.boot()
        await trio.sleep(1)
        bob.answers = ((15.0, 200),)
        alice.text("bob")
        await trio.sleep(12)
        assert len(world.rows()) == 1
        with full_disk(world):
            await trio.sleep(5)
            assert len(world.rows()) == 1
        await trio.sleep(30)
        assert world.rows() == {}
        assert len(bob.got) == 1

    assert play(tmp_path, story, errors=ERRORS).ledger.faults == []


def test_rows_that_no_run_holds_are_due_when_their_lease_ends(tmp_path: Path) -> None:
    """Leases of rows without a run are not renewed, so the rows are due again."""

    async def story(world: World) -> None:
        await refused_on_a_full_disk(world)
        giving_back = world.parts.deliverer.ends.giving_back
        giving_back._failed.clear()
        giving_back._departures.clear()
        await trio.sleep(30)
        assert any(world.column("owner")), "nobody gives them back"
        await trio.sleep(60)
        assert world.rows() == {}

    assert play(tmp_path, story, errors=ERRORS).ledger.faults == []


def test_the_lease_of_what_a_run_holds_is_renewed(tmp_path: Path) -> None:
    """A slow phone: a purge minutes later leaves rows on the wire."""

    async def story(world: World) -> None:
        _, bob = await waiting(world, 12)
        bob.answers = ((20.0, 200),)
        bob.boot()
        await trio.sleep(150)
        wall = world.clock.wall()
        leases = world.column("lease_until")
        assert leases
        assert min(leases) > wall + 30
        await trio.sleep(120)
        assert world.rows() == {}
        assert len(bob.got) == 12

    assert play(tmp_path, story).ledger.faults == []

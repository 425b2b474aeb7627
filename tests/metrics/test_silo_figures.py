"""The figures of the database: found without a walk over all rows, kept for a while, told with their age."""

import threading
from collections.abc import Callable
from typing import cast

import pytest
import structlog
import trio

from msilod.clock import Clock
from msilod.errors import StoreError
from msilod.metrics import silo_figures
from msilod.metrics.silo_figures import AGAIN, PAGE, PAGES, Oldest, SiloFigures
from msilod.store.engine.hold import Reads


class Rows:
    """Rows of a silo, each received at its id; ids from 1."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.read = 0

    def page(self, after: int, limit: int) -> list[tuple[int, str, float]]:
        found = [(id, state, float(id)) for id, state in enumerate(self.states, 1) if id > after][:limit]
        self.read += len(found)
        return found


def test_the_oldest_row_that_waits_is_found_behind_others() -> None:
    assert Oldest(Rows().page).look(0.0) is None
    assert Oldest(Rows("rejected", "held", "handed").page).look(0.0) is None
    assert Oldest(Rows("rejected", "scheduled", "sending", "waiting").page).look(0.0) == 3.0


def test_a_look_reads_a_bounded_number_of_rows_and_the_next_goes_on() -> None:
    bound = PAGE * PAGES
    rows = Rows(*["rejected"] * (bound + 10), "waiting", *["waiting"] * PAGE)
    oldest = Oldest(rows.page)
    assert oldest.look(1.0) == bound, "the row that waits is younger"
    assert rows.read == bound
    assert oldest.look(2.0) == bound + 11
    rows.read = 0
    assert oldest.look(3.0) == bound + 11
    assert rows.read <= PAGE


def test_a_row_that_waits_again_is_found_after_a_while() -> None:
    rows = Rows("rejected", "rejected", "waiting")
    oldest = Oldest(rows.page)
    assert oldest.look(1.0) == 3.0
    rows.states[0] = "waiting"
    assert oldest.look(2.0 + AGAIN) == 1.0


def test_a_row_behind_very_many_others_is_found_by_scrapes_that_come_seldom() -> None:
    """The look began again every AGAIN seconds, before it had come so far, and never told the right age."""
    every, bound = AGAIN / 5, PAGE * PAGES
    oldest = Oldest(Rows(*["rejected"] * (8 * bound), "waiting").page)
    assert 8 * bound + 1 in {oldest.look(1e6 + every * number) for number in range(20)}


class Silo:
    """The reads of a silo that does what the test says."""

    def __init__(self, count: Callable[[], dict[str, int]]) -> None:
        self.counts = count

    def page(self, after: int, limit: int) -> list[tuple[int, str, float]]:
        return []

    def total_bytes(self) -> int:
        return 0

    def free_bytes(self) -> int | None:
        return None


def figures(count: Callable[[], dict[str, int]]) -> SiloFigures:
    return SiloFigures(cast("Reads", Silo(count)), Clock())


async def refresh(found: SiloFigures) -> dict[str, float]:
    """The figures after a refresh, by the last label or the name."""
    async with trio.open_nursery() as nursery:
        await found.refresh(nursery)
    return {labels[-1] if labels else name: value for name, labels, value in found.samples()}  # type: ignore[misc]


async def test_a_silo_that_hangs_keeps_a_scrape_for_a_moment_and_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(silo_figures, "PATIENCE", 0.01)
    gate, calls = threading.Event(), []

    def hang() -> dict[str, int]:
        calls.append(1)
        gate.wait(30)
        return {"waiting": 5}

    found = figures(hang)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            await found.refresh(nursery)
            assert list(found.samples()) == [], "no figure is told before it is known"
        gate.set()
    assert len(calls) == 1
    assert ("msilod_messages", ("waiting",), 5) in list(found.samples())


@pytest.mark.parametrize("error", [StoreError("the disk is gone"), ValueError("a text is no time")])
async def test_a_read_that_fails_is_logged_and_the_old_figures_stay(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silo_figures, "KEPT", 0.0)
    monkeypatch.setattr(silo_figures, "SHARE", 0)
    answers: list[dict[str, int] | Exception] = [{"waiting": 5}, error, {"waiting": 6}]

    def count() -> dict[str, int]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    found = figures(count)
    assert (await refresh(found))["waiting"] == 5
    with structlog.testing.capture_logs() as logs:
        assert (await refresh(found))["waiting"] == 5
    assert [line["event"] for line in logs] == ["the figures of the silo could not be read"]
    assert (await refresh(found))["waiting"] == 6

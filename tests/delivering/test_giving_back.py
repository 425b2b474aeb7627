"""GivingBack: jobs are handed over again until written, and claims of the recipient wait until then."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import structlog

from msilod.delivering import giving_back
from msilod.delivering.giving_back import GivingBack
from msilod.errors import StoreError

FULL = StoreError("database or disk is full")
BOB, CAROL = "bob@example.test", "carol@example.test"


class Desk:
    """A writer with answers by the test, and the other collaborators of `GivingBack`."""

    def __init__(self) -> None:
        self.time = 0.0
        self.jobs: list[tuple[list[int], Callable[[Any], None]]] = []
        self.held: set[int] = set()
        self.freed: list[str] = []
        self.heard: list[bool] = []
        self.back = GivingBack(lambda: self.time, lambda aor, id: id in self.held, self.freed.append)

    def issue(self, ids: Sequence[int], done: Callable[[Any], None]) -> None:
        self.jobs.append((list(ids), done))

    def begin(self, aor: str, *ids: int, is_final: bool = False) -> None:
        self.back.begin(aor, ids, self.issue, is_final)

    def answer(self, *results: StoreError | None) -> list[list[int]]:
        """Answer the oldest jobs with `results`. Returns the row ids of each job."""
        jobs, self.jobs = self.jobs[: len(results)], self.jobs[len(results) :]
        with structlog.testing.capture_logs():
            for (_, done), result in zip(jobs, results, strict=True):
                done(result)
        return [ids for ids, _ in jobs]

    def claim(self, aor: str) -> None:
        self.back.when_written(aor, self.heard.append)

    def ticks(self, seconds: float) -> None:
        self.time += seconds
        self.back.tick(self.time)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_claim_waits_for_what_the_writer_has(desk: Desk) -> None:
    desk.begin(BOB, 1, 2)
    desk.begin(BOB, 3, is_final=True)
    desk.claim(BOB)
    desk.claim(CAROL)
    assert desk.heard == [True], "carol's"
    desk.answer(None)
    assert desk.heard == [True]
    desk.answer(None)
    assert desk.heard == [True, True]
    assert desk.freed == [], "nothing has failed"
    desk.claim(BOB)
    assert desk.heard == [True, True, True]


def test_a_claim_fails_with_what_it_waited_for(desk: Desk) -> None:
    desk.begin(BOB, 1)
    desk.begin(BOB, 2)
    desk.claim(BOB)
    desk.answer(FULL, None)
    assert desk.heard == [False]
    assert desk.jobs == []
    assert len(desk.back) == 1


def test_a_claim_hands_over_again_what_has_failed(desk: Desk) -> None:
    desk.begin(BOB, 1)
    desk.begin(BOB, 2, is_final=True)
    desk.begin(CAROL, 3)
    desk.answer(FULL, FULL, FULL)
    desk.claim(BOB)
    assert desk.answer(None, FULL) == [[1], [2]]
    assert desk.heard == [False]
    assert desk.freed == []
    desk.claim(BOB)
    desk.claim(BOB)
    assert desk.answer(None) == [[2]]
    assert desk.heard == [False, True, True]
    assert desk.freed == [BOB]
    assert len(desk.back) == 1


def test_pauses_between_tries(desk: Desk) -> None:
    desk.begin(BOB, 1)
    times = []
    for _ in range(120):
        if desk.jobs:
            times.append(desk.time)
            desk.answer(FULL)
        desk.ticks(1)
    assert times == [0, 1, 3, 8, 23, 53, 83, 113]
    desk.ticks(30)
    desk.answer(None)
    assert desk.freed == [BOB]
    desk.ticks(30)
    assert (len(desk.back), len(desk.back._failed), desk.back._departures) == (0, 0, {})


def test_rows_that_a_run_has_again_are_left_out(desk: Desk) -> None:
    """An operator has ended the leases in the meantime."""
    desk.begin(BOB, 1, 2)
    desk.begin(BOB, 3)
    desk.answer(FULL, FULL)
    desk.held = {1, 3}
    desk.claim(BOB)
    assert desk.answer(None) == [[2]]
    assert desk.heard == [True]
    assert len(desk.back) == 0


def test_rows_that_a_run_has_again_are_waited_for_no_more(desk: Desk) -> None:
    desk.begin(BOB, 1)
    desk.answer(FULL)
    desk.held = {1}
    desk.claim(BOB)
    assert desk.heard == [True]
    assert desk.jobs == []


@pytest.mark.interpreted
def test_nothing_is_claimed_while_too_much_waits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(giving_back, "MAX_ROWS", 3)
    desk.begin(BOB, 1, 2, 3)
    desk.answer(FULL)
    desk.claim(CAROL)
    assert desk.heard == [False]
    desk.claim(BOB)
    desk.answer(None)
    desk.claim(CAROL)
    assert desk.heard == [False, True, True]


@pytest.mark.interpreted
def test_ends_that_need_no_claim_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(giving_back, "MAX_KEPT", 3)
    for id in range(1, 10):
        desk.begin(BOB, id, is_final=True)
        desk.answer(FULL)
    assert len(desk.back) == 3
    assert len(desk.back._failed) == 3
    desk.claim(BOB)
    assert desk.answer(None, None, None) == [[1], [2], [3]]
    assert desk.heard == [True]

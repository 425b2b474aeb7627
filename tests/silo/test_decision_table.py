"""The decision table, row by row, written a second time from checklist §3.4."""

import pytest

from msilod.silo.runs.decision_table import (
    ALL,
    NO_ANSWER,
    NO_TRANSPORT,
    TABLE,
    Outcome,
    Pause,
    best_refusal,
    combine,
    is_final,
    judge_online,
    judge_queued,
    pause,
    verdict_of,
)

D, F, S, C, T = (
    Outcome.DELIVERED,
    Outcome.REFUSED,
    Outcome.KEEP,
    Outcome.CONTACT_OUT,
    Outcome.CONTACT_TYPE,
)
RETRY = (60, 300, 900, 3600)

# status, online, queued
ROWS = [
    (200, D, D), (202, D, D),
    (300, S, S), (301, S, S), (302, S, S), (305, S, S), (380, S, S),
    (400, F, F),
    (401, F, C), (407, F, C),
    (402, F, F), (403, F, F), (410, F, F), (414, F, F), (416, F, F), (420, F, F), (421, F, F), (428, F, F),
    (433, F, F), (436, F, F), (437, F, F), (438, F, F), (470, F, F), (484, F, F), (485, F, F), (493, F, F),
    (494, F, F), (505, F, F), (607, F, F), (608, F, F), (603, F, F),
    (404, C, C),
    (405, C, C), (501, C, C),
    (406, S, T), (415, S, T), (488, S, T),
    (408, S, S), (430, S, S),
    (413, F, F), (513, F, F),
    (423, S, S), (481, S, S), (487, S, S), (489, S, S), (491, S, S),
    (429, F, S), (440, F, S), (482, F, S), (483, F, S),
    (480, S, S), (486, S, S),
    (500, S, S), (502, S, S), (503, S, S), (504, S, S), (580, S, S),
    (555, S, S),
    (600, F, F), (604, F, F), (606, F, F),
]  # fmt: skip


@pytest.mark.parametrize(("status", "online", "queued"), ROWS)
def test_each_row_of_the_decision_table(status: int, online: Outcome, queued: Outcome) -> None:
    assert judge_online(status) is online
    assert judge_queued(status) is queued


def test_every_row_has_a_test() -> None:
    assert {status for status, _, _ in ROWS} >= TABLE.keys()


@pytest.mark.parametrize(
    ("status", "like"), [(299, 200), (399, 300), (499, 400), (422, 400), (599, 500), (699, 600)]
)
def test_an_unknown_status_is_read_as_the_x00_of_its_class(status: int, like: int) -> None:
    assert verdict_of(status) is TABLE[like]


@pytest.mark.parametrize("status", [0, 100, 199, 700, 9999])
def test_a_status_that_is_not_final_keeps_the_message(status: int) -> None:
    assert judge_online(status) is S
    assert judge_queued(status) is S


def test_413_with_retry_after_is_kept() -> None:
    assert judge_online(413, 10) is S
    assert judge_queued(413, 0) is S
    assert judge_queued(513, 10) is F


def test_481_inside_a_dialog_goes_to_the_sender() -> None:
    assert judge_online(481, in_dialog=True) is F
    assert judge_online(480, in_dialog=True) is S


def test_only_408_and_430_try_the_next_flow() -> None:
    assert {status for status, row in TABLE.items() if row.tries_next_flow} == {408, 430}


def test_one_6xx_or_two_400_are_final_and_other_refusals_need_all_contacts() -> None:
    assert {status for status, row in TABLE.items() if row.opinions == 1} == {600, 603, 604, 606, 607, 608}
    assert {status for status, row in TABLE.items() if row.opinions == 2} == {400}
    assert verdict_of(403).opinions == ALL
    assert not is_final([403, 415, 400])
    assert is_final([403, 400, 400])
    assert is_final([415, 603])
    assert not is_final([])


@pytest.mark.parametrize(("stops", "seconds"), [(0, 60), (1, 300), (3, 3600), (99, 3600)])
def test_the_pause_is_the_back_off_step(stops: int, seconds: int) -> None:
    assert pause(480, None, stops, RETRY) == seconds
    assert pause(NO_ANSWER, None, stops, RETRY) == seconds
    assert pause(NO_TRANSPORT, None, stops, RETRY) == seconds


@pytest.mark.parametrize("status", [423, 481, 487, 489, 491])
def test_the_pause_after_a_race_is_short_after_any_number_of_stops(status: int) -> None:
    assert pause(status, None, 3, RETRY) == 60


@pytest.mark.parametrize("status", [429, 440, 482, 483])
def test_the_pause_after_a_loop_is_at_least_64_seconds(status: int) -> None:
    assert pause(status, None, 0, (5, 300)) == 64
    assert pause(status, None, 1, (5, 300)) == 300
    assert verdict_of(status).pause is Pause.SPACED


@pytest.mark.parametrize("status", [413, 480, 486, 500, 502, 503, 504, 580])
def test_retry_after_is_obeyed(status: int) -> None:
    assert pause(status, 7, 0, RETRY) == 7


@pytest.mark.parametrize("status", [300, 408, 423, 430, 555])
def test_retry_after_is_ignored_for_other_statuses(status: int) -> None:
    assert pause(status, 7, 0, RETRY) == 60


def test_retry_after_is_bounded_and_the_back_off_applies_after_a_stop() -> None:
    assert pause(486, 0, 0, RETRY) == 1
    assert pause(486, 5, 1, RETRY) == 60
    assert pause(486, 5, 2, RETRY) == 300
    assert pause(486, 2000, 2, RETRY) == 2000
    assert pause(486, 2**32, 0, RETRY) == 86_400


def combined(*statuses: int) -> tuple[Outcome, int]:
    return combine((status, None) for status in statuses)


def test_any_2xx_means_delivered() -> None:
    assert combined(603, 486, 200) == (D, 200)


def test_without_2xx_any_6xx_is_the_result() -> None:
    assert combined(486, 404, 603, 600) == (F, 603)


def test_without_2xx_and_6xx_any_kept_or_out_stores_the_message() -> None:
    assert combined(403, 486) == (S, 202)
    assert combined(401, 405) == (S, 202)
    assert combined(NO_ANSWER) == (S, 202)
    assert combined(NO_TRANSPORT, 400) == (S, 202)
    assert combine([(413, 9)]) == (S, 202)


def test_otherwise_the_proxy_chooses_the_best_refusal() -> None:
    assert combined(401, 403, 407) == (F, 0)
    assert combined(413) == (F, 0)
    assert combined() == (F, 0)


def test_the_best_refusal_is_6xx_then_the_lowest_class_then_the_most_informative() -> None:
    assert best_refusal([513, 403, 603]) == 603
    assert best_refusal([513, 403, 415]) == 415
    assert best_refusal([505, 488, 403]) == 403

"""Scenarios of one recipient's delivery run, step by step. START is +0."""

import pytest

from msilod.registrar.binding import Binding
from msilod.silo.policy import SiloPolicy
from msilod.silo.run import contact_key
from tests.silo.fake_daemon import START, FakeDaemon, binding, row

A, B = binding("a", 5061), binding("b", 5062)


def started(*bindings: Binding, rows: int = 2, policy: SiloPolicy | None = None) -> FakeDaemon:
    """A run that has its rows; what it did so far is forgotten."""
    daemon = FakeDaemon(policy)
    daemon.store(*[row(id) for id in range(1, rows + 1)])
    daemon.offer(*bindings)
    daemon.claim()
    daemon.take_log()
    return daemon


# --- the walk -------------------------------------------------------------------------------------


def test_a_register_without_rows_is_one_claim() -> None:
    daemon = FakeDaemon()
    daemon.offer(A)
    assert daemon.take_log() == ["claim 64"]
    daemon.claim()
    assert daemon.take_log() == ["finished"]


def test_g4_rows_leave_one_by_one_each_after_the_end_of_the_last_is_durable() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1), row(2))
    daemon.offer(A)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 1 a"]
    daemon.answer(daemon.on_wire("a"), 200)
    assert daemon.take_log() == ["settle 1 delivered"]
    daemon.commit()
    assert daemon.take_log() == ["send 2 a"]
    daemon.answer(daemon.on_wire("a"), 202)
    daemon.commit()
    assert daemon.take_log() == ["settle 2 delivered", "finished"]
    assert not daemon.rows


def test_more_rows_than_a_claim_are_claimed_when_the_hand_is_empty() -> None:
    daemon = started(A, rows=65)
    for _ in range(64):
        daemon.answer(daemon.on_wire("a"), 200)
        daemon.commit()
    assert daemon.take_log()[-1] == "claim 64"
    daemon.claim()
    assert daemon.take_log() == ["send 65 a"]


def test_a_row_goes_to_all_contacts_and_the_first_2xx_wins() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1))
    daemon.offer(A, B)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 1 a", "send 1 b"]
    daemon.answer(daemon.on_wire("b"), 200)
    daemon.commit()
    assert daemon.take_log() == ["settle 1 delivered"]
    daemon.answer(daemon.on_wire("a"), 200)
    assert daemon.take_log() == ["finished"]


def test_a_slow_contact_does_not_delay_the_others() -> None:
    daemon = started(A, B, rows=3)
    for _ in range(2):
        daemon.answer(daemon.on_wire("b"), 200)
        daemon.commit()
    assert daemon.take_log() == ["settle 1 delivered", "send 2 b", "settle 2 delivered", "send 3 b"]
    daemon.fail(daemon.on_wire("a"))
    daemon.answer(daemon.on_wire("b"), 200)
    daemon.commit()
    assert daemon.take_log() == ["settle 3 delivered", "finished"]


def test_a_contact_that_frees_itself_joins_in_with_the_row_on_the_wire() -> None:
    daemon = started(A, B, rows=2)
    daemon.answer(daemon.on_wire("b"), 200)
    daemon.commit()
    daemon.take_log()
    daemon.answer(daemon.on_wire("a"), 415)
    assert daemon.take_log() == ["send 2 a"]


# --- stops and back-off ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [300, 423, 480, 486, 500, 503, 555])
def test_a_temporary_failure_stops_the_run_and_backs_off(status: int) -> None:
    daemon = started(A)
    daemon.answer(daemon.on_wire("a"), status)
    assert daemon.take_log() == [f"postpone 1 +60 {status}", "postpone 2 +60 None", "finished +60"]
    assert daemon.rows[1].attempts == 1
    assert daemon.rows[2].attempts == 0


@pytest.mark.parametrize(("why", "status"), [("timeout", 408), ("transport", 503)])
def test_silence_stops_the_run_and_counts_no_attempt(why: str, status: int) -> None:
    daemon = started(A)
    daemon.fail(daemon.on_wire("a"), why)  # type: ignore[arg-type]
    assert daemon.take_log() == [f"postpone 1 +60 {status}", "postpone 2 +60 None", "finished +60"]
    assert daemon.rows[1].attempts == 0


def test_the_back_off_grows_with_each_stop_and_its_last_step_repeats() -> None:
    daemon = FakeDaemon(SiloPolicy(retry=(60, 300)))
    daemon.store(row(1))
    ends = []
    for _ in range(3):
        daemon.offer(A)
        daemon.claim()
        daemon.fail(daemon.on_wire("a"))
        ends.append(daemon.take_log()[-1])
    assert ends == ["finished +60", "finished +300", "finished +300"]


def test_a_2xx_starts_the_back_off_anew() -> None:
    daemon = started(A, rows=3)
    daemon.fail(daemon.on_wire("a"))
    daemon.offer(A)
    daemon.claim()
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit()
    daemon.fail(daemon.on_wire("a"))
    assert daemon.take_log()[-1] == "finished +60"


def test_a_new_contact_starts_the_back_off_anew() -> None:
    daemon = started(A, rows=1)
    daemon.fail(daemon.on_wire("a"))
    daemon.offer(B)
    daemon.claim()
    daemon.fail(daemon.on_wire("b"))
    assert daemon.take_log()[-1] == "finished +60"


def test_retry_after_is_taken_at_its_word_once() -> None:
    daemon = started(A, rows=1)
    daemon.answer(daemon.on_wire("a"), 486, retry_after=5)
    assert daemon.take_log() == ["postpone 1 +5 486", "finished +5"]
    daemon.wall += 5
    daemon.offer(A)
    daemon.claim()
    daemon.answer(daemon.on_wire("a"), 486, retry_after=5)
    assert daemon.take_log()[-1] == "finished +65"


def test_a_contact_that_asked_for_time_is_not_sent_to_before() -> None:
    daemon = started(A, B, rows=1)
    daemon.answer(daemon.on_wire("a"), 503, retry_after=100)
    daemon.fail(daemon.on_wire("b"))
    assert daemon.take_log()[-1] == "finished +60"
    daemon.wall += 60
    daemon.offer(A, B)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 1 b"]


def test_a_register_ends_the_time_that_was_asked_for() -> None:
    daemon = started(A, rows=1)
    daemon.answer(daemon.on_wire("a"), 503, retry_after=100)
    daemon.offer(A)
    assert daemon.take_log()[-1] == "finished +100"
    daemon.offer(binding("a", 5061, cseq=2))
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 1 a"]


def test_a_wake_up_in_mid_run_does_not_start_a_stopped_contact_again() -> None:
    daemon = started(A, B, rows=1)
    daemon.answer(daemon.on_wire("a"), 486)
    daemon.offer(A, B)
    assert daemon.take_log() == []


def test_a_refresh_in_mid_run_starts_a_stopped_contact_again() -> None:
    daemon = started(A, B, rows=1)
    daemon.answer(daemon.on_wire("a"), 486)
    daemon.offer(binding("a", 5061, cseq=2))
    assert daemon.take_log() == ["send 1 a"]


# --- heads that fail ------------------------------------------------------------------------------


def test_a_head_that_failed_three_times_steps_behind_the_next() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1, attempts=3), row(2), row(3))
    daemon.offer(A)
    daemon.claim()
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit()
    assert daemon.take_log() == ["claim 64", "send 2 a", "settle 2 delivered", "send 1 a"]


def test_heads_that_all_failed_go_oldest_first() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1, attempts=3), row(2, attempts=5))
    daemon.offer(A)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 1 a"]


def test_after_attempts_answered_failures_a_row_is_rejected() -> None:
    daemon = FakeDaemon(SiloPolicy(attempts=4))
    daemon.store(row(1, attempts=3))
    daemon.offer(A)
    daemon.claim()
    daemon.answer(daemon.on_wire("a"), 480)
    assert daemon.take_log() == ["claim 64", "send 1 a", "reject 1 480", "finished"]


def test_parallel_failures_of_one_run_are_one_attempt() -> None:
    daemon = started(A, B, rows=1)
    daemon.answer(daemon.on_wire("a"), 486)
    daemon.answer(daemon.on_wire("b"), 486)
    assert daemon.take_log()[-1] == "finished +60"
    assert daemon.rows[1].attempts == 1


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 413, 415, 420, 488, 513, 600, 603])
def test_a_refusal_of_the_only_contact_rejects_and_never_blocks_the_next_row(status: int) -> None:
    daemon = started(A)
    daemon.answer(daemon.on_wire("a"), status)
    assert daemon.take_log() == [f"reject 1 {status}", "send 2 a"]


def test_413_with_retry_after_is_kept() -> None:
    daemon = started(A, rows=1)
    daemon.answer(daemon.on_wire("a"), 413, retry_after=30)
    assert daemon.take_log() == ["postpone 1 +30 413", "finished +30"]


def test_a_type_refused_by_one_is_left_to_the_other() -> None:
    daemon = started(A, B)
    daemon.answer(daemon.on_wire("a"), 415)
    assert daemon.take_log() == ["send 2 a"]
    daemon.answer(daemon.on_wire("b"), 488)
    assert daemon.take_log() == ["reject 1 415", "send 2 b"]


def test_a_type_refused_by_one_waits_for_the_other_who_is_silent() -> None:
    daemon = started(A, B)
    daemon.answer(daemon.on_wire("a"), 415)
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit()
    daemon.take_log()
    daemon.fail(daemon.on_wire("b"))
    assert daemon.take_log() == ["postpone 1 +60 408", "finished +60"]
    daemon.offer(A, B)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 1 b"]


def test_a_type_refused_in_a_register_run_waits_for_those_who_were_not_asked() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1))
    daemon.offer(A, others=[B])
    daemon.claim()
    daemon.answer(daemon.on_wire("a"), 415)
    assert daemon.take_log() == ["claim 64", "send 1 a", "postpone 1 +60 415", "finished +60"]
    daemon.offer(A, B)
    daemon.claim()
    daemon.answer(daemon.on_wire("b"), 406)
    assert daemon.take_log() == ["claim 64", "send 1 b", "reject 1 415", "finished"]


def test_a_hand_full_of_refused_rows_does_not_keep_later_ones_back() -> None:
    daemon = started(A, B, rows=66)
    for _ in range(64):
        daemon.answer(daemon.on_wire("a"), 415)
    given_back, claim = daemon.take_log()[-2:]
    assert given_back == "postpone " + ",".join(map(str, range(33, 65))) + " +60 415"
    assert claim == "claim 32"
    daemon.claim()
    assert daemon.take_log() == ["send 65 a"]


def test_law3_rows_given_back_to_make_room_are_tried_again() -> None:
    daemon = started(A, B, rows=70)
    for _ in range(64):
        daemon.answer(daemon.on_wire("a"), 415)
    while daemon.claims or daemon.settles or daemon.wire:
        if daemon.claims:
            daemon.claim()
        elif daemon.settles:
            daemon.commit()
        else:
            daemon.answer(daemon.wire[-1], 200)
    assert list(daemon.rows) == list(range(33, 65))
    assert daemon.retry_at == START + 60


def test_rows_that_a_careless_store_gives_out_again_do_not_go_round() -> None:
    daemon = FakeDaemon(honours_after=False)
    daemon.store(*[row(id) for id in range(1, 67)])
    daemon.offer(A, B)
    daemon.claim()
    for _ in range(64):
        daemon.answer(daemon.on_wire("a"), 415)
    daemon.take_log()
    daemon.claim()
    assert daemon.take_log() == ["postpone " + ",".join(map(str, range(33, 65))) + " +60 None"]
    assert daemon.run is not None
    assert len(daemon.run.in_hand) == 32


def test_400_is_asked_of_one_other_and_no_more() -> None:
    daemon = started(A, B, binding("c", 5063), rows=1)
    daemon.answer(daemon.on_wire("a"), 400)
    assert daemon.take_log() == []
    daemon.answer(daemon.on_wire("b"), 400)
    assert daemon.take_log() == ["reject 1 400"]


def test_a_6xx_rejects_at_once_whatever_others_do() -> None:
    daemon = started(A, B, rows=1)
    daemon.answer(daemon.on_wire("a"), 603)
    assert daemon.take_log() == ["reject 1 603"]
    daemon.fail(daemon.on_wire("b"))
    assert daemon.take_log() == ["finished"]


def test_a_refusal_beside_a_temporary_failure_is_kept() -> None:
    daemon = started(A, B, rows=1)
    daemon.answer(daemon.on_wire("a"), 403)
    daemon.answer(daemon.on_wire("b"), 486)
    assert daemon.take_log() == ["postpone 1 +60 486", "finished +60"]


@pytest.mark.parametrize("status", [401, 404, 405, 407, 501])
def test_a_contact_that_is_out_stays_out_until_its_registration_changes(status: int) -> None:
    daemon = started(A, rows=1)
    daemon.answer(daemon.on_wire("a"), status)
    assert daemon.take_log() == [f"postpone 1 +3600 {status}", "finished"]
    daemon.offer(binding("a", 5061, cseq=2))
    assert daemon.take_log() == ["finished"]
    daemon.offer(binding("a", 5061, cseq=1, call_id="other"))
    assert daemon.take_log() == ["claim 64"]


def test_a_contact_that_is_out_is_back_with_another_user_agent_or_flow() -> None:
    for changed in (binding("a", 5061, user_agent="new"), binding("a", 5099)):
        daemon = started(A, rows=1)
        daemon.answer(daemon.on_wire("a"), 405)
        daemon.take_log()
        daemon.offer(changed)
        assert daemon.take_log() == ["claim 64"]


def test_482_is_tried_three_times_at_a_distance_and_then_refused() -> None:
    daemon = started(A, rows=1, policy=SiloPolicy(retry=(10,)))
    daemon.answer(daemon.on_wire("a"), 482)
    assert daemon.take_log() == ["postpone 1 +64 482", "finished +64"]
    daemon.offer(binding("a", 5061, cseq=2))
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "postpone 1 +64 None", "finished +64"]
    daemon.wall += 64
    daemon.offer(A)
    daemon.claim()
    daemon.answer(daemon.on_wire("a"), 482)
    daemon.wall += 64
    daemon.offer(A)
    daemon.claim()
    daemon.take_log()
    daemon.answer(daemon.on_wire("a"), 483)
    assert daemon.take_log() == ["reject 1 483", "finished"]


def test_482_is_not_pushed_out_by_the_steps_of_its_recipient() -> None:
    daemon = started(A, rows=2, policy=SiloPolicy(retry=(60, 3600)))
    daemon.answer(daemon.on_wire("a"), 482)
    daemon.wall += 10
    daemon.offer(binding("a", 5061, cseq=2))
    daemon.claim()
    daemon.wall += 90
    daemon.take_log()
    daemon.answer(daemon.on_wire("a"), 500)
    assert daemon.take_log() == ["postpone 2 +3700 500", "release 1", "finished +3700"]
    daemon.offer(binding("a", 5061, cseq=3))
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 1 a"]


def test_482_keeps_its_distance_from_a_register_in_mid_run_too() -> None:
    daemon = started(A, B, rows=1)
    daemon.answer(daemon.on_wire("a"), 482)
    daemon.offer(binding("a", 5061, cseq=2))
    assert daemon.take_log() == ["claim 63"]


# --- late answers ---------------------------------------------------------------------------------


def test_a_late_2xx_ends_a_row_that_was_postponed() -> None:
    daemon = started(A, rows=1)
    attempt = daemon.on_wire("a")
    daemon.fail(attempt)
    daemon.take_log()
    daemon.answer_late(attempt, 200)
    assert daemon.take_log() == ["settle 1 delivered"]
    daemon.commit(ok=False)
    assert daemon.take_log() == ["settle 1 delivered +1"]
    daemon.commit()
    assert not daemon.rows
    assert daemon.finished == 1


def test_a_late_2xx_ends_a_row_in_hand_before_it_is_sent_again() -> None:
    daemon = started(A, B, rows=1)
    attempt = daemon.on_wire("a")
    daemon.fail(attempt)
    daemon.answer_late(attempt, 200)
    assert daemon.take_log() == ["settle 1 delivered"]


def test_a_late_6xx_rejects_a_row_that_was_postponed() -> None:
    daemon = started(A, rows=1)
    attempt = daemon.on_wire("a")
    daemon.fail(attempt)
    daemon.take_log()
    daemon.answer_late(attempt, 603)
    assert daemon.take_log() == ["reject 1 603"]


def test_any_other_late_answer_changes_nothing() -> None:
    daemon = started(A, rows=1)
    attempt = daemon.on_wire("a")
    daemon.fail(attempt)
    daemon.take_log()
    daemon.answer_late(attempt, 486)
    assert daemon.take_log() == []


def test_a_2xx_after_a_6xx_of_another_device_still_ends_the_row() -> None:
    daemon = started(A, B, rows=1)
    daemon.answer(daemon.on_wire("a"), 603)
    daemon.answer(daemon.on_wire("b"), 200)
    assert daemon.take_log() == ["reject 1 603", "settle 1 delivered"]


def test_a_late_answer_to_an_old_run_does_not_touch_the_new_one() -> None:
    daemon = started(A, rows=2)
    attempt = daemon.on_wire("a")
    daemon.fail(attempt)
    daemon.offer(binding("a", 5061, cseq=2))
    daemon.claim()
    daemon.take_log()
    daemon.answer_late(attempt, 486)
    daemon.offer(binding("a", 5061, cseq=3))
    assert daemon.take_log() == []
    daemon.answer(daemon.on_wire("a"), 200)
    assert daemon.take_log() == ["settle 1 delivered"]


def test_a_row_that_an_old_run_ends_late_is_not_sent_by_the_new_one() -> None:
    daemon = started(A, rows=1)
    attempt = daemon.on_wire("a")
    daemon.fail(attempt)
    daemon.offer(B)
    daemon.claim()
    daemon.answer_late(attempt, 200)
    daemon.commit()
    daemon.answer(daemon.on_wire("b"), 486)
    daemon.take_log()
    daemon.offer(binding("b", 5062, cseq=2))
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "finished"]


def test_a_row_that_an_old_run_ended_while_the_new_one_held_it_is_released() -> None:
    daemon = started(A, rows=1)
    attempt = daemon.on_wire("a")
    daemon.fail(attempt)
    daemon.offer(B)
    daemon.claim()
    daemon.answer_late(attempt, 200)
    daemon.commit()
    daemon.take_log()
    daemon.offer(binding("c", 5063))
    daemon.answer(daemon.on_wire("b"), 415)
    daemon.claim()
    assert daemon.take_log() == ["claim 63", "release 1", "finished"]


def test_a_row_is_rejected_once_however_many_late_6xx_come() -> None:
    daemon = started(A, B, rows=1)
    late = [daemon.on_wire("a"), daemon.on_wire("b")]
    for attempt in late:
        daemon.fail(attempt)
    daemon.take_log()
    for attempt in late:
        daemon.answer_late(attempt, 603)
    assert daemon.take_log() == ["reject 1 603"]


def test_a_late_2xx_ends_a_row_that_another_device_had_rejected() -> None:
    daemon = started(A, B, rows=1)
    attempt = daemon.on_wire("a")
    daemon.fail(attempt)
    daemon.answer(daemon.on_wire("b"), 603)
    daemon.answer_late(attempt, 200)
    assert daemon.take_log() == ["reject 1 603", "finished", "settle 1 delivered"]


# --- commits --------------------------------------------------------------------------------------


def test_a_delivered_row_whose_end_fails_is_ended_again_and_never_sent_again() -> None:
    daemon = started(A)
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit(ok=False)
    daemon.commit(ok=False)
    daemon.offer(A)
    assert daemon.take_log() == ["settle 1 delivered", "settle 1 delivered +1", "settle 1 delivered +3"]
    daemon.commit()
    assert daemon.take_log() == ["send 2 a"]


def test_an_end_that_fails_does_not_delay_the_other_contact() -> None:
    daemon = started(A, B)
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit(ok=False)
    daemon.take_log()
    daemon.answer(daemon.on_wire("b"), 415)
    assert daemon.take_log() == ["send 2 b"]


def test_an_expired_row_is_ended_and_not_sent() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1, expires_in=0.0), row(2))
    daemon.offer(A)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "settle 1 expired", "send 2 a"]


def test_a_row_that_expires_in_hand_is_not_sent() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1), row(2, expires_in=5.0))
    daemon.offer(A)
    daemon.claim()
    daemon.wall += 5
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit()
    assert daemon.take_log()[-1] == "settle 2 expired"


# --- contacts that come and go --------------------------------------------------------------------


def test_a_new_contact_in_mid_run_gets_the_row_on_the_wire_at_once() -> None:
    daemon = started(A, rows=1)
    daemon.offer(B)
    assert daemon.take_log() == ["send 1 b"]


def test_the_same_contact_on_a_new_flow_is_served_at_once() -> None:
    daemon = started(A, rows=1)
    daemon.offer(binding("a", 5099))
    assert daemon.take_log() == ["send 1 a"]
    old = daemon.wire[0]
    daemon.fail(old, "transport")
    assert daemon.take_log() == []


def test_rows_are_released_when_the_last_contact_is_gone() -> None:
    daemon = started(A)
    daemon.withdraw(A)
    assert daemon.take_log() == []
    daemon.fail(daemon.on_wire("a"), "transport")
    assert daemon.take_log() == ["release 1,2", "finished"]


def test_a_contact_that_is_gone_still_delivers_what_was_on_its_way() -> None:
    daemon = started(A)
    daemon.withdraw(A)
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit()
    assert daemon.take_log() == ["settle 1 delivered", "release 2", "finished"]


def test_law7_an_offer_in_mid_run_looks_for_rows_again() -> None:
    daemon = started(A, rows=1)
    daemon.store(row(2))
    daemon.offer(A)
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit()
    assert daemon.take_log() == ["settle 1 delivered", "claim 64"]
    daemon.claim()
    assert daemon.take_log() == ["send 2 a"]


def test_law7_an_offer_while_a_claim_is_under_way_asks_for_another() -> None:
    daemon = FakeDaemon()
    daemon.offer(A)
    run, _ = daemon.claims.pop()
    daemon.store(row(1))
    daemon.offer(A)
    daemon.perform(run, run.claimed([], daemon.wall))
    assert daemon.take_log() == ["claim 64", "claim 64"]


def test_rows_claimed_when_nobody_is_left_are_released() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1))
    daemon.offer(A)
    daemon.withdraw(A)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "release 1", "finished"]


def test_a_finished_run_takes_no_offer() -> None:
    daemon = FakeDaemon()
    daemon.offer(A)
    run = daemon.run
    daemon.claim()
    assert run is not None
    assert run.offer([B], START) == []


# --- the flows of one device ----------------------------------------------------------------------

A1 = binding("a", 5061, instance="<urn:uuid:1>", reg_id=1)
A2 = binding("a", 5071, instance="<urn:uuid:1>", reg_id=2)


def test_p13_the_flows_of_one_device_are_tried_one_after_the_other() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1))
    daemon.offer(A1, A2)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 1 a"]
    daemon.fail(daemon.wire[0], "transport")
    assert daemon.take_log() == ["send 1 a"]
    assert daemon.wire[0].key == contact_key(A2)


def test_p13_430_tries_the_next_flow_and_any_other_answer_is_the_devices() -> None:
    daemon = started(A1, A2, rows=1)
    daemon.answer(daemon.wire[0], 430)
    assert daemon.take_log() == ["send 1 a"]
    daemon.answer(daemon.wire[0], 486)
    assert daemon.take_log()[-1] == "finished +60"
    daemon = started(A1, A2, rows=1)
    daemon.answer(daemon.wire[0], 486)
    assert daemon.take_log() == ["postpone 1 +60 486", "finished +60"]


# --- live branches of an online MESSAGE -----------------------------------------------------------


def test_a_busy_contact_is_sent_nothing_until_it_is_free() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1))
    daemon.offer(A)
    assert daemon.run is not None
    daemon.run.busy(contact_key(A), 1)
    daemon.claim()
    assert daemon.take_log() == ["claim 64"]
    daemon.perform(daemon.run, daemon.run.free(contact_key(A), 1, daemon.wall))
    assert daemon.take_log() == ["send 1 a"]


def test_a_contact_with_two_live_branches_is_free_after_the_second() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1), row(2), row(3))
    daemon.offer(A)
    assert daemon.run is not None
    daemon.run.busy(contact_key(A), 1)
    daemon.run.busy(contact_key(A), 2)
    daemon.claim()
    daemon.perform(daemon.run, daemon.run.free(contact_key(A), 1, daemon.wall))
    assert daemon.take_log() == ["claim 64"]
    daemon.perform(daemon.run, daemon.run.free(contact_key(A), 2, daemon.wall))
    assert daemon.take_log() == ["send 1 a"]


def test_a_live_branch_outlives_the_binding_and_its_coming_back() -> None:
    daemon = started(A, rows=1)
    assert daemon.run is not None
    daemon.run.busy(contact_key(B), 2)
    daemon.perform(daemon.run, daemon.run.withdraw(contact_key(B), daemon.wall))
    daemon.offer(B)
    assert daemon.take_log() == []


def test_an_attempt_that_was_not_made_leaves_its_contact_free() -> None:
    daemon = started(A, B, rows=2)
    assert daemon.run is not None
    daemon.answer(daemon.on_wire("a"), 200)
    assert not daemon.run.wants(1)
    daemon.wire.remove(daemon.on_wire("b"))
    daemon.perform(daemon.run, daemon.run.unsent(1, contact_key(B), daemon.wall))
    assert daemon.take_log()[-2:] == ["settle 1 delivered", "send 2 b"]


def test_a_contact_may_be_busy_before_it_is_offered() -> None:
    daemon = started(A, rows=1)
    assert daemon.run is not None
    daemon.run.busy(contact_key(B), 1)
    daemon.offer(B)
    assert daemon.take_log() == []


def test_a_live_branch_is_the_attempt_of_its_row() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1), row(2))
    daemon.offer(A)
    run = daemon.run
    assert run is not None
    run.busy(contact_key(A), 1)
    daemon.claim()
    daemon.take_log()
    daemon.taken.add(1)
    daemon.perform(run, run.answered(1, contact_key(A), 200, None, daemon.wall))
    assert daemon.take_log() == ["settle 1 delivered"]
    daemon.commit()
    assert daemon.take_log() == ["send 2 a"]


def test_a_live_branch_that_ends_in_silence_stops_its_contact() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1))
    daemon.offer(A)
    run = daemon.run
    assert run is not None
    run.busy(contact_key(A), 1)
    daemon.claim()
    daemon.perform(run, run.failed(1, contact_key(A), "timeout", daemon.wall))
    assert daemon.take_log() == ["claim 64", "postpone 1 +60 408", "finished +60"]


# --- rows that others want ------------------------------------------------------------------------


def test_a_row_that_is_not_on_the_wire_is_given_up() -> None:
    daemon = started(A)
    assert daemon.run is not None
    daemon.perform(daemon.run, daemon.run.give_up(2, daemon.wall))
    assert daemon.take_log() == ["release 2"]
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit()
    assert daemon.take_log() == ["settle 1 delivered", "finished"]


def test_a_row_on_the_wire_is_not_given_up() -> None:
    daemon = started(A)
    assert daemon.run is not None
    assert daemon.run.give_up(1, daemon.wall) == []
    assert daemon.run.give_up(99, daemon.wall) == []
    assert [held.id for held in daemon.run.in_hand] == [1, 2]


def test_a_row_that_a_live_branch_delivered_is_not_sent_any_more() -> None:
    daemon = started(A, B)
    daemon.end_elsewhere(1)
    daemon.fail(daemon.on_wire("a"))
    daemon.offer(binding("a", 5061, cseq=2))
    assert daemon.take_log() == ["send 2 a"]


def test_a_row_that_a_live_branch_delivered_while_it_was_claimed_goes_back() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1), row(2))
    daemon.offer(A)
    kept = daemon.rows[1]
    daemon.end_elsewhere(1)
    daemon.store(kept)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "release 1", "send 2 a"]

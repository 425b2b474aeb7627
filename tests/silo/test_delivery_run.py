"""Scenarios of one recipient's delivery run, step by step. START is +0."""

import pytest

from msilod.silo.policy import SiloPolicy
from tests.silo.fake_daemon import A, B, FakeDaemon, binding, row, started

# --- order of rows --------------------------------------------------------------------------------


def test_a_register_without_rows_makes_one_claim() -> None:
    daemon = FakeDaemon()
    daemon.offer(A)
    assert daemon.take_log() == ["claim 64"]
    daemon.claim()
    assert daemon.take_log() == ["finished"]


def test_g4_the_next_row_is_sent_after_the_end_of_the_last_row_is_durable() -> None:
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


def test_the_next_claim_follows_when_all_claimed_rows_are_done() -> None:
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


def test_a_free_contact_is_sent_the_row_on_the_wire() -> None:
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


def test_the_back_off_grows_with_each_stop_and_the_last_step_repeats() -> None:
    daemon = FakeDaemon(SiloPolicy(retry=(60, 300)))
    daemon.store(row(1))
    ends = []
    for _ in range(3):
        daemon.offer(A)
        daemon.claim()
        daemon.fail(daemon.on_wire("a"))
        ends.append(daemon.take_log()[-1])
    assert ends == ["finished +60", "finished +300", "finished +300"]


def test_a_2xx_resets_the_back_off() -> None:
    daemon = started(A, rows=3)
    daemon.fail(daemon.on_wire("a"))
    daemon.offer(A)
    daemon.claim()
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit()
    daemon.fail(daemon.on_wire("a"))
    assert daemon.take_log()[-1] == "finished +60"


def test_a_new_contact_resets_the_back_off() -> None:
    daemon = started(A, rows=1)
    daemon.fail(daemon.on_wire("a"))
    daemon.offer(B)
    daemon.claim()
    daemon.fail(daemon.on_wire("b"))
    assert daemon.take_log()[-1] == "finished +60"


def test_retry_after_is_obeyed_once() -> None:
    daemon = started(A, rows=1)
    daemon.answer(daemon.on_wire("a"), 486, retry_after=5)
    assert daemon.take_log() == ["postpone 1 +5 486", "finished +5"]
    daemon.wall += 5
    daemon.offer(A)
    daemon.claim()
    daemon.answer(daemon.on_wire("a"), 486, retry_after=5)
    assert daemon.take_log()[-1] == "finished +65"


def test_a_contact_is_sent_nothing_before_its_retry_after() -> None:
    daemon = started(A, B, rows=1)
    daemon.answer(daemon.on_wire("a"), 503, retry_after=100)
    daemon.fail(daemon.on_wire("b"))
    assert daemon.take_log()[-1] == "finished +60"
    daemon.wall += 60
    daemon.offer(A, B)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 1 b"]


def test_a_register_ends_the_retry_after() -> None:
    daemon = started(A, rows=1)
    daemon.answer(daemon.on_wire("a"), 503, retry_after=100)
    daemon.offer(A)
    assert daemon.take_log()[-1] == "finished +100"
    daemon.offer(binding("a", 5061, cseq=2))
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 1 a"]


def test_a_wake_up_during_a_run_does_not_restart_a_stopped_contact() -> None:
    daemon = started(A, B, rows=1)
    daemon.answer(daemon.on_wire("a"), 486)
    daemon.offer(A, B)
    assert daemon.take_log() == []


def test_a_refresh_during_a_run_restarts_a_stopped_contact() -> None:
    daemon = started(A, B, rows=1)
    daemon.answer(daemon.on_wire("a"), 486)
    daemon.offer(binding("a", 5061, cseq=2))
    assert daemon.take_log() == ["send 1 a"]


# --- heads with failures --------------------------------------------------------------------------


def test_a_head_with_three_failures_steps_behind_the_next_row() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1, attempts=3), row(2), row(3))
    daemon.offer(A)
    daemon.claim()
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit()
    assert daemon.take_log() == ["claim 64", "send 2 a", "settle 2 delivered", "send 1 a"]


def test_when_all_heads_have_failed_the_oldest_goes_first() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1, attempts=3), row(2, attempts=5))
    daemon.offer(A)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 1 a"]


def test_after_the_configured_number_of_attempts_a_row_is_rejected() -> None:
    daemon = FakeDaemon(SiloPolicy(attempts=4))
    daemon.store(row(1, attempts=3))
    daemon.offer(A)
    daemon.claim()
    daemon.answer(daemon.on_wire("a"), 480)
    assert daemon.take_log() == ["claim 64", "send 1 a", "reject 1 480", "finished"]


def test_parallel_failures_of_one_run_count_as_one_attempt() -> None:
    daemon = started(A, B, rows=1)
    daemon.answer(daemon.on_wire("a"), 486)
    daemon.answer(daemon.on_wire("b"), 486)
    assert daemon.take_log()[-1] == "finished +60"
    assert daemon.rows[1].attempts == 1


# --- commits --------------------------------------------------------------------------------------


def test_a_delivered_row_with_a_failed_end_is_ended_again_and_never_sent_again() -> None:
    daemon = started(A)
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit(ok=False)
    daemon.commit(ok=False)
    daemon.offer(A)
    assert daemon.take_log() == ["settle 1 delivered", "settle 1 delivered +1", "settle 1 delivered +3"]
    daemon.commit()
    assert daemon.take_log() == ["send 2 a"]


def test_a_failed_end_does_not_delay_the_other_contact() -> None:
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


def test_a_claimed_row_that_expires_is_not_sent() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1), row(2, expires_in=5.0))
    daemon.offer(A)
    daemon.claim()
    daemon.wall += 5
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit()
    assert daemon.take_log()[-1] == "settle 2 expired"

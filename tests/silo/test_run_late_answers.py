"""A delivery run with late answers, and with live branches of online MESSAGEs."""

from msilod.silo.runs.delivery_run import contact_key
from tests.silo.fake_daemon import A, B, FakeDaemon, binding, row, started

# --- late answers ---------------------------------------------------------------------------------


def test_a_late_2xx_ends_a_postponed_row() -> None:
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


def test_a_late_2xx_ends_a_claimed_row_before_the_row_is_sent_again() -> None:
    daemon = started(A, B, rows=1)
    attempt = daemon.on_wire("a")
    daemon.fail(attempt)
    daemon.answer_late(attempt, 200)
    assert daemon.take_log() == ["settle 1 delivered"]


def test_a_late_6xx_rejects_a_postponed_row() -> None:
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


def test_a_late_answer_to_an_old_run_does_not_change_the_new_run() -> None:
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


def test_a_row_ended_late_by_an_old_run_is_not_sent_by_the_new_run() -> None:
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


def test_a_row_ended_by_an_old_run_and_claimed_by_the_new_run_is_released() -> None:
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


def test_a_row_is_rejected_once_after_any_number_of_late_6xx() -> None:
    daemon = started(A, B, rows=1)
    late = [daemon.on_wire("a"), daemon.on_wire("b")]
    for attempt in late:
        daemon.fail(attempt)
    daemon.take_log()
    for attempt in late:
        daemon.answer_late(attempt, 603)
    assert daemon.take_log() == ["reject 1 603"]


def test_a_late_2xx_ends_a_row_rejected_by_another_device() -> None:
    daemon = started(A, B, rows=1)
    attempt = daemon.on_wire("a")
    daemon.fail(attempt)
    daemon.answer(daemon.on_wire("b"), 603)
    daemon.answer_late(attempt, 200)
    assert daemon.take_log() == ["reject 1 603", "finished", "settle 1 delivered"]


# --- live branches of an online MESSAGE -----------------------------------------------------------


def test_a_busy_contact_is_sent_nothing_before_it_is_free() -> None:
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


def test_a_live_branch_outlives_the_removal_and_return_of_its_binding() -> None:
    daemon = started(A, rows=1)
    assert daemon.run is not None
    daemon.run.busy(contact_key(B), 2)
    daemon.perform(daemon.run, daemon.run.withdraw(contact_key(B), daemon.wall))
    daemon.offer(B)
    assert daemon.take_log() == []


def test_an_attempt_that_could_not_be_sent_leaves_its_contact_free() -> None:
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


def test_a_live_branch_counts_as_the_attempt_of_its_row() -> None:
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


def test_a_live_branch_with_a_timeout_stops_its_contact() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1))
    daemon.offer(A)
    run = daemon.run
    assert run is not None
    run.busy(contact_key(A), 1)
    daemon.claim()
    daemon.perform(run, run.failed(1, contact_key(A), "timeout", daemon.wall))
    assert daemon.take_log() == ["claim 64", "postpone 1 +60 408", "finished +60"]

"""A delivery run with contacts that come and go, and with rows that are wanted elsewhere."""

from msilod.silo.runs.delivery_run import contact_key
from tests.silo.fake_daemon import START, A, B, FakeDaemon, binding, row, started

# --- contacts that come and go --------------------------------------------------------------------


def test_a_new_contact_during_a_run_gets_the_row_on_the_wire_at_once() -> None:
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


def test_a_removed_contact_can_still_deliver_the_row_on_the_wire() -> None:
    daemon = started(A)
    daemon.withdraw(A)
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit()
    assert daemon.take_log() == ["settle 1 delivered", "release 2", "finished"]


def test_law7_an_offer_during_a_run_looks_for_rows_again() -> None:
    daemon = started(A, rows=1)
    daemon.store(row(2))
    daemon.offer(A)
    daemon.answer(daemon.on_wire("a"), 200)
    daemon.commit()
    assert daemon.take_log() == ["settle 1 delivered", "claim 64"]
    daemon.claim()
    assert daemon.take_log() == ["send 2 a"]


def test_law7_an_offer_during_a_claim_asks_for_another_claim() -> None:
    daemon = FakeDaemon()
    daemon.offer(A)
    run, _ = daemon.claims.pop()
    daemon.store(row(1))
    daemon.offer(A)
    daemon.perform(run, run.claimed([], daemon.wall))
    assert daemon.take_log() == ["claim 64", "claim 64"]


def test_rows_claimed_after_the_last_contact_left_are_released() -> None:
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


def test_p13_430_tries_the_next_flow_and_any_other_answer_is_final_for_the_device() -> None:
    daemon = started(A1, A2, rows=1)
    daemon.answer(daemon.wire[0], 430)
    assert daemon.take_log() == ["send 1 a"]
    daemon.answer(daemon.wire[0], 486)
    assert daemon.take_log()[-1] == "finished +60"
    daemon = started(A1, A2, rows=1)
    daemon.answer(daemon.wire[0], 486)
    assert daemon.take_log() == ["postpone 1 +60 486", "finished +60"]


# --- rows wanted elsewhere ------------------------------------------------------------------------


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


def test_a_row_delivered_by_a_live_branch_is_not_sent_again() -> None:
    daemon = started(A, B)
    daemon.end_elsewhere(1)
    daemon.fail(daemon.on_wire("a"))
    daemon.offer(binding("a", 5061, cseq=2))
    assert daemon.take_log() == ["send 2 a"]


def test_a_row_delivered_by_a_live_branch_during_the_claim_is_given_back() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1), row(2))
    daemon.offer(A)
    kept = daemon.rows[1]
    daemon.end_elsewhere(1)
    daemon.store(kept)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "release 1", "send 2 a"]

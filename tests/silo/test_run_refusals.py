"""A delivery run with refusals: final refusals, rows that wait for other contacts, contacts that are out."""

import pytest

from msilod.silo.policy import SiloPolicy
from tests.silo.fake_daemon import START, A, B, FakeDaemon, binding, row, started


@pytest.mark.parametrize("status", [400, 403, 413, 415, 420, 488, 513, 600, 603])
def test_a_refusal_of_the_only_contact_rejects_the_row_and_the_next_row_goes_on(status: int) -> None:
    daemon = started(A)
    daemon.answer(daemon.on_wire("a"), status)
    assert daemon.take_log() == [f"reject 1 {status}", "send 2 a"]


def test_413_with_retry_after_is_kept() -> None:
    daemon = started(A, rows=1)
    daemon.answer(daemon.on_wire("a"), 413, retry_after=30)
    assert daemon.take_log() == ["postpone 1 +30 413", "finished +30"]


def test_a_type_refused_by_one_contact_goes_to_the_other_contact() -> None:
    daemon = started(A, B)
    daemon.answer(daemon.on_wire("a"), 415)
    assert daemon.take_log() == ["send 2 a"]
    daemon.answer(daemon.on_wire("b"), 488)
    assert daemon.take_log() == ["reject 1 415", "send 2 b"]


def test_a_type_refused_by_one_contact_waits_for_the_silent_contact() -> None:
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


def test_a_type_refused_in_a_register_run_waits_for_contacts_not_yet_asked() -> None:
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


def test_a_full_claim_of_refused_rows_does_not_delay_later_rows() -> None:
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


def test_rows_claimed_twice_by_a_careless_store_make_no_endless_loop() -> None:
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


def test_400_is_tried_at_one_other_contact_only() -> None:
    daemon = started(A, B, binding("c", 5063), rows=1)
    daemon.answer(daemon.on_wire("a"), 400)
    assert daemon.take_log() == []
    daemon.answer(daemon.on_wire("b"), 400)
    assert daemon.take_log() == ["reject 1 400"]


def test_a_6xx_rejects_at_once_whatever_other_contacts_answer() -> None:
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


def test_a_contact_that_is_out_returns_with_another_user_agent_or_flow() -> None:
    for changed in (binding("a", 5061, user_agent="new"), binding("a", 5099)):
        daemon = started(A, rows=1)
        daemon.answer(daemon.on_wire("a"), 405)
        daemon.take_log()
        daemon.offer(changed)
        assert daemon.take_log() == ["claim 64"]


def test_482_is_tried_three_times_with_pauses_and_then_refused() -> None:
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


def test_the_pause_after_482_is_not_moved_by_the_back_off_of_the_recipient() -> None:
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


def test_the_pause_after_482_holds_also_after_a_register_during_the_run() -> None:
    daemon = started(A, B, rows=1)
    daemon.answer(daemon.on_wire("a"), 482)
    daemon.offer(binding("a", 5061, cseq=2))
    assert daemon.take_log() == ["claim 63"]

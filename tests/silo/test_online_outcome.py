"""The outcome of the branches of an online MESSAGE: the effect on the stored row and on later runs."""

import pytest

from msilod.registrar.binding import contact_key
from msilod.silo.runs.online_outcome import OnlineEnd, mark, next_attempt, note_contacts, remember
from msilod.silo.runs.recipient_memory import RecipientMemory
from msilod.silo.runs.run_contacts import OUT
from tests.silo.fake_daemon import START, FakeDaemon, binding, row

RETRY = (60, 300)
A, B = binding("a", 5061), binding("b", 5062)
SILENT = OnlineEnd(408, None, A, was_silent=True)


@pytest.mark.parametrize(
    ("ends", "stops", "seconds"),
    [
        ([OnlineEnd(486, None, A)], 0, 60),
        ([OnlineEnd(486, None, A)], 1, 300),
        ([SILENT], 0, 60),
        ([OnlineEnd(480, 5, A)], 0, 5),
        ([OnlineEnd(480, 5, A)], 1, 60),
        ([OnlineEnd(413, 7, A)], 0, 7),
        ([OnlineEnd(486, None, A), OnlineEnd(503, 5, B)], 0, 5),
        ([OnlineEnd(482, None, A), OnlineEnd(405, None, B)], 0, 64),
        ([OnlineEnd(405, None, A)], 0, None),
        ([OnlineEnd(415, None, A), OnlineEnd(403, None, B)], 0, None),
        ([], 0, None),
    ],
)
def test_the_next_attempt_is_at_the_earliest_time_of_all_contacts(
    ends: list[OnlineEnd], stops: int, seconds: float | None
) -> None:
    at = next_attempt(ends, stops, RETRY, START)
    assert (None if at is None else at - START) == seconds


@pytest.mark.parametrize(
    ("ends", "status", "reason", "attempts"),
    [
        ([OnlineEnd(486, None, A)], 486, "Busy Here", 1),
        ([OnlineEnd(405, None, A)], 405, "Method Not Allowed", 0),
        ([SILENT], 408, "no answer", 0),
        ([OnlineEnd(503, None, A, was_silent=True)], 503, "not reachable", 0),
        ([OnlineEnd(503, None, A, was_silent=True), SILENT], 408, "no answer", 0),
        ([SILENT, OnlineEnd(480, None, B)], 480, "Temporarily Unavailable", 1),
    ],
)
def test_the_row_records_its_first_attempt(
    ends: list[OnlineEnd], status: int, reason: str, attempts: int
) -> None:
    message = row(1)
    mark(message, ends, START + 60)
    assert (message.last_status, message.last_reason, message.attempts) == (status, reason, attempts)
    assert message.next_attempt_at == START + 60


def test_a_contact_without_message_is_out_until_its_next_registration() -> None:
    memory = RecipientMemory()
    remember(memory, 1, [OnlineEnd(405, None, A)], RETRY, START)
    assert memory.contacts.known[contact_key(A)].standing is OUT
    assert memory.contacts.is_out(binding("a", 5061, cseq=9)), "a refresh is no change"
    assert not memory.contacts.is_out(binding("a", 5061, call_id="other"))
    assert not memory.contacts.is_out(binding("a", 5061, user_agent="other"))
    assert not memory.contacts.is_out(binding("a", 5069))
    assert not memory.contacts.is_out(B)
    assert memory.stops == 0
    assert memory.is_worth_keeping(START)


def test_the_first_failure_is_one_step_and_further_failures_add_none() -> None:
    memory = RecipientMemory()
    for number in range(3):
        remember(memory, number, [OnlineEnd(486, None, A)], RETRY, START)
    assert memory.stops == 1
    daemon = FakeDaemon()
    daemon.memory = memory
    daemon.store(row(9))
    daemon.offer(A)
    daemon.claim()
    daemon.answer(daemon.on_wire("a"), 486)
    assert daemon.take_log()[-1] == "finished +300", "the second step"


def test_answers_of_other_contacts_to_a_delivered_message_are_remembered() -> None:
    memory = RecipientMemory()
    ends = [OnlineEnd(501, None, A), OnlineEnd(480, 600, B), OnlineEnd(415, None, binding("c"))]
    note_contacts(memory, ends, RETRY, START)
    assert memory.contacts.is_out(A)
    assert memory.contacts.known[contact_key(B)].not_before == START + 600
    assert contact_key(binding("c")) not in memory.contacts.known
    assert memory.stops == 0


def test_the_next_run_obeys_the_answers_of_the_online_branches() -> None:
    daemon = FakeDaemon()
    c = binding("c", 5063)
    daemon.store(row(1), row(2))
    ends = [OnlineEnd(415, None, A), OnlineEnd(480, 600, B), OnlineEnd(404, None, c)]
    remember(daemon.memory, 1, ends, RETRY, START)
    daemon.refused.add((1, contact_key(A)))
    daemon.offer(A, B, c)
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 2 a"]


def test_a_new_registration_is_offered_the_type_again_but_no_finally_refused_row() -> None:
    daemon = FakeDaemon()
    daemon.store(row(1), row(2))
    remember(daemon.memory, 1, [OnlineEnd(415, None, A)], RETRY, START)
    remember(daemon.memory, 2, [OnlineEnd(403, None, A)], RETRY, START)
    daemon.offer(binding("a", 5061, call_id="other"), others=[B])
    daemon.claim()
    assert daemon.take_log() == ["claim 64", "send 1 a"]

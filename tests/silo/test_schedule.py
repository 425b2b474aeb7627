"""The schedule of runs: places, the queue, shares, back-off, bounds."""

from msilod.silo.runs.recipient_memory import RecipientMemory
from msilod.silo.runs.schedule import SHARE, DeliverySchedule
from tests.silo.fake_daemon import START, binding


def test_a_recipient_has_one_run_at_a_time() -> None:
    schedule = DeliverySchedule()
    assert schedule.begin("a")
    assert not schedule.begin("a")
    assert schedule.finished("a", None) == []
    assert schedule.begin("a")


def test_beyond_the_limit_each_recipient_waits_once_in_the_queue() -> None:
    schedule = DeliverySchedule(limit=2)
    assert [schedule.begin(aor) for aor in ("a", "b", "c", "d", "c")] == [True, True, False, False, False]
    assert schedule.waiting == 2
    assert schedule.finished("a", None) == ["c"]
    assert schedule.begin("c")
    assert schedule.finished("b", None) == ["d"]
    assert schedule.running == 1


def test_a_recipient_without_a_contact_gives_its_place_to_the_next() -> None:
    schedule = DeliverySchedule(limit=1)
    schedule.begin("a")
    schedule.begin("b")
    schedule.begin("c")
    assert schedule.finished("a", None) == ["b"]
    assert schedule.next_deadline() == 0.0
    assert schedule.due(START) == ["c"]


def test_a_run_at_the_end_of_its_share_goes_to_the_end_of_the_queue() -> None:
    schedule = DeliverySchedule(limit=1)
    schedule.begin("a")
    schedule.begin("b")
    assert [schedule.must_yield("a") for _ in range(SHARE + 1)] == [False] * SHARE + [True]
    schedule.begin("c")
    assert schedule.finished("a", None) == ["b"]
    assert schedule.begin("b")
    assert schedule.finished("b", None) == ["c"]
    assert schedule.begin("c")
    assert schedule.finished("c", None) == ["a"]


def test_a_run_keeps_its_place_while_the_queue_is_empty() -> None:
    schedule = DeliverySchedule(limit=1)
    schedule.begin("a")
    assert not any(schedule.must_yield("a") for _ in range(5 * SHARE))
    assert not schedule.must_yield("b")


def test_a_back_off_is_due_once_at_its_time() -> None:
    schedule = DeliverySchedule()
    schedule.begin("a")
    schedule.finished("a", START + 60)
    assert schedule.next_deadline() == START + 60
    assert schedule.retry_at("a") == START + 60
    assert schedule.due(START + 59) == []
    assert schedule.due(START + 60) == ["a"]
    assert schedule.due(START + 60) == []
    assert schedule.next_deadline() is None


def test_a_new_run_ends_its_back_off() -> None:
    schedule = DeliverySchedule()
    schedule.back_off("a", START + 60)
    assert schedule.begin("a")
    assert schedule.next_deadline() is None
    schedule.finished("a", START + 300)
    assert schedule.due(START + 60) == []
    assert schedule.due(START + 300) == ["a"]


def test_a_due_recipient_waits_while_all_places_are_taken() -> None:
    schedule = DeliverySchedule(limit=2)
    for aor in ("b", "c", "d"):
        schedule.back_off(aor, START)
    schedule.begin("a")
    assert schedule.due(START + 1) == ["b"]
    assert schedule.waiting == 2


def test_un_registering_forgets_back_off_place_and_memory() -> None:
    schedule = DeliverySchedule(limit=1)
    schedule.back_off("a", START)
    schedule.memory("a").stops = 3
    schedule.begin("z")
    schedule.begin("a")
    schedule.forget("a")
    assert schedule.due(START) == []
    assert schedule.finished("z", None) == []
    assert schedule.memory("a").stops == 0


def test_the_memory_of_an_active_run_is_not_forgotten() -> None:
    schedule = DeliverySchedule()
    schedule.begin("a")
    memory = schedule.memory("a")
    schedule.forget("a")
    assert schedule.memory("a") is memory


def test_an_empty_memory_is_dropped_at_the_end_of_the_run() -> None:
    schedule = DeliverySchedule()
    first = schedule.memory("a")
    schedule.begin("a")
    schedule.finished("a", None, START)
    assert schedule.memory("a") is not first
    schedule.memory("a").stops = 1
    kept = schedule.memory("a")
    schedule.finished("a", START + 60, START)
    assert schedule.memory("a") is kept


def test_the_memories_are_bounded() -> None:
    schedule = DeliverySchedule(limit=1, max_remembered=10)
    schedule.begin("run")
    running = schedule.memory("run")
    for number in range(50):
        schedule.memory(f"u{number}")
        schedule.back_off(f"u{number}", START + number)
        schedule.begin(f"w{number}")
    assert schedule.waiting == 10
    assert len(schedule.due(START + 100)) == 0
    assert schedule.memory("run") is running
    assert len(schedule._memories) <= 12


def test_a_recipient_with_many_failures_has_one_deadline_only() -> None:
    schedule = DeliverySchedule()
    for number in range(1000):
        schedule.begin("a")
        schedule.finished("a", START + 3600 + number)
    assert len(schedule._deadlines) < 100
    assert schedule.next_deadline() == START + 3600 + 999


def test_a_memory_is_kept_when_a_new_memory_would_decide_otherwise() -> None:
    memory = RecipientMemory()
    memory.contacts.offer(binding(), START)
    assert not memory.is_worth_keeping(START)
    memory.spaced[1] = 1
    assert memory.is_worth_keeping(START)
    memory = RecipientMemory()
    memory.refuse(1, "device", 415)
    assert memory.is_worth_keeping(START)
    memory.forget_row(1)
    memory.delivered[1] = False
    assert memory.is_worth_keeping(START)


def test_law3_a_back_off_set_during_a_run_outlives_the_run() -> None:
    schedule = DeliverySchedule()
    assert schedule.begin("a")
    schedule.back_off("a", START + 60)
    schedule.finished("a", None)
    assert schedule.due(START + 59) == []
    assert schedule.due(START + 60) == ["a"]


def test_law3_the_earlier_of_two_back_offs_counts() -> None:
    schedule = DeliverySchedule()
    assert schedule.begin("a")
    schedule.back_off("a", START + 60)
    schedule.finished("a", START + 300)
    assert schedule.due(START + 60) == ["a"]
    assert schedule.due(START + 300) == []


def test_law3_a_run_for_some_rows_keeps_the_time_of_the_other_rows() -> None:
    schedule = DeliverySchedule()
    schedule.back_off("a", START + 60)
    assert schedule.begin("a")
    schedule.finished("a", None, START, keeps_time=True)
    assert schedule.retry_at("a") == START + 60
    assert schedule.begin("a")
    schedule.finished("a", None, START)
    assert schedule.retry_at("a") is None


def test_a_back_off_that_ends_during_the_run_is_due_at_the_end_of_the_run() -> None:
    schedule = DeliverySchedule()
    schedule.back_off("a", START + 60)
    schedule.begin("a")
    schedule.finished("a", None, START + 90, keeps_time=True)
    assert schedule.due(START + 90) == ["a"]

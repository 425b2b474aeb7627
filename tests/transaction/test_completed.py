"""The memory of completed non-INVITE server transactions: forms, life time, bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msilod.sip.headers import line
from msilod.sip.message import response_bytes
from msilod.transaction.completed import GENERATIONS, SPAN, TIMER_J, Remembered, pack, unpack
from tests.transaction.station import message, received

REQUEST = received(message())
TAG = b"stateless"


def test_a_plain_status_is_remembered_as_a_number() -> None:
    assert pack(202, b"") == 202
    assert unpack(202, REQUEST, TAG) == response_bytes(REQUEST, 202, TAG)


def test_a_tag_and_header_fields_are_remembered_as_lines() -> None:
    headers = [
        (b"Retry-After", b"5"),
        (b"Contact", b"<sip:a@b>;expires=60"),
        (b"Empty", b""),
        (b"X", b"a: b"),
    ]
    for tag in (b"", b"dev1"):
        answer = pack(503, tag, [line(name, value) for name, value in headers])
        assert isinstance(answer, bytes)
        assert unpack(answer, REQUEST, TAG) == response_bytes(REQUEST, 503, tag or TAG, headers)


def test_a_relayed_status_takes_few_bytes() -> None:
    assert pack(200, b"dev1") == b"200 dev1"
    assert unpack(b"200 dev1", REQUEST, TAG) == response_bytes(REQUEST, 200, b"dev1")


def test_whole_bytes_come_back_as_they_are() -> None:
    data = b"SIP/2.0 200 OK\r\nVia: x\r\n\r\nbody"
    assert unpack(data, REQUEST, TAG) is data


@given(st.floats(0, 100), st.lists(st.floats(0, 40), max_size=30))
def test_an_answer_lives_for_timer_j_and_at_most_a_span_more(start: float, pauses: list[float]) -> None:
    memory = Remembered()
    now = start
    born: dict[bytes, float] = {}
    for number, pause in enumerate(pauses):
        end = now + pause
        while not memory.is_empty and memory.turn_at <= end:
            now = memory.turn_at
            memory.turn(now)
        now = end
        for key, at in born.items():
            if now <= at + TIMER_J:
                assert memory.get(key) == 202
            if now > at + TIMER_J + SPAN + 0.001:
                assert memory.get(key) is None
        key = b"%d" % number
        memory.add(key, 0, 202, now)
        born[key] = now
    assert memory.forgotten == 0


def test_expired_answers_are_dropped_at_the_next_answer_without_a_wake_up() -> None:
    memory = Remembered()
    memory.add(b"old", 0, 202, 0.0)
    memory.add(b"new", 0, 202, 100.0)
    assert (memory.get(b"old"), memory.get(b"new"), len(memory)) == (None, 202, 1)


def test_an_answer_is_found_in_every_generation_and_after_the_numbers_wrap() -> None:
    memory = Remembered()
    for number in range(600):
        now = number * SPAN
        memory.add(b"%d" % number, 0, 202, now)
        for age in range(min(number + 1, GENERATIONS + 1)):
            assert memory.get(b"%d" % (number - age)) == 202
        assert memory.get(b"%d" % (number - GENERATIONS - 1)) is None
    assert len(memory) == GENERATIONS + 1


def test_the_number_of_entries_is_bounded_and_the_oldest_go_first() -> None:
    memory = Remembered(limit=170)
    for number in range(1000):
        memory.add(b"%d" % number, 0, 202, 0.0)
    assert len(memory) <= 170
    assert memory.get(b"999") == 202
    assert memory.get(b"0") is None
    assert memory.forgotten == 1000 - len(memory)


def test_bytes_are_bounded_and_counted_for_each_generation() -> None:
    memory = Remembered(limit_bytes=17_000)
    for number in range(1000):
        memory.add(b"%d" % number, 0, b"SIP/2.0 200 OK" + b"x" * 186, 0.0)
    # Five of 200 bytes fill one of seventeen generations.
    assert len(memory) == 17 * 5
    assert memory.forgotten == 1000 - 17 * 5


def test_a_mark_shared_by_two_keys_finds_no_answer() -> None:
    memory = Remembered()
    for number in range(2000):
        memory.add(b"%d" % number, 0, 202, 0.0)
    # One of the hundred keys has the same mark as another key.
    assert {memory.get(b"x%d" % number) for number in range(200_000)} == {None}


def test_the_memory_is_empty_after_all_is_dropped() -> None:
    memory = Remembered()
    assert memory.is_empty
    memory.add(b"key", 0, 202, 5.0)
    assert not memory.is_empty
    memory.turn(5.0 + TIMER_J + SPAN)
    assert memory.is_empty


@pytest.mark.parametrize("status", [200, 202, 404])
def test_a_second_answer_for_a_key_replaces_the_first(status: int) -> None:
    memory = Remembered()
    memory.add(b"key", 0, 500, 0.0)
    memory.add(b"key", 0, status, 0.0)
    assert memory.get(b"key") == status

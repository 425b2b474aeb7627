"""Nonce counts: each once, in any order within a window, and in bounded memory (checklist A5)."""

from hypothesis import given
from hypothesis import strategies as st

from msilod.auth.nonce import SPANS, Nonce
from msilod.auth.replay import WIDTH, ReplayWindow


def nonce(salt: int = 1, stamp: int = 100) -> Nonce:
    return Nonce(stamp.to_bytes(4, "big") + salt.to_bytes(6, "big") + b"r1home")


def test_a5_each_count_is_accepted_once() -> None:
    window, one = ReplayWindow(), nonce()
    assert window.use(one, 1)
    assert not window.use(one, 1)
    assert window.use(one, 2)
    assert window.use(nonce(2), 1), "of another nonce"
    assert not window.use(one, 0)


def test_a5_counts_reordered_by_udp_are_accepted_and_too_old_counts_are_not() -> None:
    window, one = ReplayWindow(), nonce()
    for count in (5, 3, 4, 1, 2):
        assert window.use(one, count)
        assert not window.use(one, count)
    assert window.use(one, 5 + WIDTH)
    assert not window.use(one, 5)
    assert window.use(one, 6), "the oldest that the window holds"
    assert window.use(one, 2**32 - 1)
    assert not window.use(one, 2**31)


@given(st.lists(st.integers(0, 200), max_size=200))
def test_a5_no_order_of_counts_accepts_one_twice(counts: list[int]) -> None:
    window, one = ReplayWindow(), nonce()
    taken = [count for count in counts if window.use(one, count)]
    assert len(taken) == len(set(taken))
    highest = 0
    for count in counts:
        fits = count > highest - WIDTH and count > 0
        assert count in taken or not fits
        highest = max(highest, count)


def test_a5_old_nonces_are_forgotten() -> None:
    window = ReplayWindow()
    for stamp in range(100, 100 + 3 * SPANS):
        assert window.use(nonce(stamp=stamp), 1)
    assert len(window) <= SPANS


def test_a5_at_the_bound_the_oldest_nonces_are_void_and_never_accepted_again() -> None:
    window = ReplayWindow(limit=10)
    for salt in range(10):
        assert window.use(nonce(salt, stamp=100 + salt // 5), 1)
    assert window.use(nonce(99, stamp=102), 1)
    assert len(window) == 6
    assert not window.use(nonce(0, stamp=100), 1), "its count is forgotten, so it is void"
    assert not window.use(nonce(0, stamp=100), 2)
    assert not window.use(nonce(7, stamp=101), 1)
    assert window.use(nonce(7, stamp=101), 2)


def test_a5_many_nonces_within_one_span_are_bounded() -> None:
    window = ReplayWindow(limit=10)
    taken = [salt for salt in range(100) if window.use(nonce(salt), 1)]
    assert taken == list(range(10))
    assert len(window) <= 10

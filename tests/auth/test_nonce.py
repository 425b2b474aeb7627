"""Nonces: made without memory, recognized, and impossible to forge (checklist A4)."""

import pytest

from msilod.auth.nonce import LENGTH, LIFETIME, SPAN, Nonces

SECRET, RUN, WALL = b"s" * 32, b"r1", 1_800_000_000.0
NONCES = Nonces(SECRET, RUN)


def test_a4_a_nonce_is_fresh_for_minutes_and_then_old() -> None:
    nonce = NONCES.read(NONCES.make(b"key", "192.0.2.1", WALL))
    assert nonce is not None
    for age, fresh in (
        (0, True),
        (60, True),
        (LIFETIME, True),
        (LIFETIME + 2 * SPAN, False),
        (-2 * SPAN, False),
    ):
        assert NONCES.is_fresh(nonce, "192.0.2.1", WALL + age) is fresh, age


def test_a4_a_nonce_is_valid_only_for_its_source_and_this_run() -> None:
    text = NONCES.make(b"key", "192.0.2.1", WALL)
    nonce = NONCES.read(text)
    assert nonce is not None
    assert not NONCES.is_fresh(nonce, "192.0.2.2", WALL)
    later = Nonces(SECRET, b"r2")
    again = later.read(text)
    assert again is not None, "after a restart it is still known to be ours"
    assert not later.is_fresh(again, "192.0.2.1", WALL)
    assert again.home == nonce.home


def test_a4_no_byte_of_a_nonce_can_be_changed() -> None:
    text = NONCES.make(b"key", "192.0.2.1", WALL)
    assert len(text) == LENGTH
    for place in range(LENGTH):
        for other in (b"A", b"B", b"!", b"\x00"):
            forged = text[:place] + other + text[place + 1 :]
            if forged != text:
                assert NONCES.read(forged) is None, place


@pytest.mark.parametrize("text", [b"", b"A" * LENGTH, b"A" * (LENGTH - 4), b"=" * LENGTH, b"\xff" * LENGTH])
def test_a4_a_nonce_made_elsewhere_is_refused(text: bytes) -> None:
    assert NONCES.read(text) is None
    assert Nonces(b"t" * 32, RUN).read(NONCES.make(b"key", "192.0.2.1", WALL)) is None


def test_u6_a_copy_of_a_request_gets_the_same_nonce_and_another_request_another() -> None:
    start = WALL // SPAN * SPAN
    first = NONCES.make(b"key", "192.0.2.1", start)
    assert NONCES.make(b"key", "192.0.2.1", start + 7.5) == first
    assert NONCES.make(b"yek", "192.0.2.1", start) != first
    assert NONCES.make(b"key", "192.0.2.2", start) != first

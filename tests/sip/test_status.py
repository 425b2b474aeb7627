"""Phrases, RFC 3261 §21."""

import pytest

from msilod.sip.status import PHRASES, reason


@pytest.mark.parametrize(
    ("status", "phrase"),
    [(202, b"Accepted"), (480, b"Temporarily Unavailable"), (299, b"OK"), (499, b"Bad Request"), (799, b"")],
)
def test_a_code_has_its_phrase_or_the_phrase_of_its_class(status: int, phrase: bytes) -> None:
    assert reason(status) == phrase


def test_every_code_can_be_sent() -> None:
    assert all(100 <= code <= 699 and phrase.isascii() and phrase.strip() for code, phrase in PHRASES.items())

"""Retry-After, RFC 3261 §20.33."""

import pytest

from msilod.sip.retry_after import parse_retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"120", 120),
        (b"18000;duration=3600", 18000),
        (b"120 (I'm in a meeting)", 120),
        (b"0", 0),
        (None, None),
        (b"", None),
        (b"-1", None),
        (b"soon", None),
        (b"99999999999", None),
        ("\N{ARABIC-INDIC DIGIT FIVE}".encode(), None),
    ],
)
def test_retry_after_is_read(value: bytes | None, seconds: int | None) -> None:
    assert parse_retry_after(value) == seconds

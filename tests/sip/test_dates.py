"""Date, RFC 3261 §20.17 (F10)."""

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msilod.sip.dates import format_date, parse_date


def test_f10_the_example_of_the_rfc_is_read_and_written() -> None:
    assert parse_date(b"Sat, 13 Nov 2010 23:29:00 GMT") == 1289690940.0
    assert format_date(1289690940.75) == b"Sat, 13 Nov 2010 23:29:00 GMT"


@given(st.integers(0, 253402300799))
def test_f10_a_written_date_is_read_again_and_equals_that_of_others(wall: int) -> None:
    written = format_date(wall)
    assert parse_date(written) == wall
    assert written.decode() == email.utils.formatdate(wall, usegmt=True)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Sat, 13 Nov 2010 23:29:00 EST",
        b"Sat, 13 Nov 2010 23:29:00 +0000",
        b"Sat 13 Nov 2010 23:29:00 GMT",
        b"Xxx, 13 Nov 2010 23:29:00 GMT",
        b"Sat, 13 Foo 2010 23:29:00 GMT",
        b"Sat, 13 Nov 2010 23:29 GMT",
        b"Sat, 31 Feb 2010 23:29:00 GMT",
        b"Sat, 13 Nov 0000 23:29:00 GMT",
        b"Sat, 13 Nov 20100 23:29:00 GMT",
        b"Sat, 13 Nov 2010 24:00:00 GMT",
        b"Sat, +1 Nov 2010 23:29:00 GMT",
        b"Sat, 13 Nov 2010 1_0:29:00 GMT",
        b"Sat,  13 Nov 2010 23:29:00 GMT",
        b"1289690940",
    ],
)
def test_f10_any_other_text_is_no_date(value: bytes) -> None:
    assert parse_date(value) is None

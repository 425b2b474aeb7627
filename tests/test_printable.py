"""The one function that makes untrusted text safe."""

import pytest

from msilod.printable import printable


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain Grüße \N{SLIGHTLY SMILING FACE}", "plain Grüße \N{SLIGHTLY SMILING FACE}"),
        ("\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
        ("\x7f\x80\x9f", "\\x7f\\x80\\x9f"),
        ("\u202e\u2028\u200b\ufeff", "\\u202e\\u2028\\u200b\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        (b"\xff\x1b", "\\xff\\x1b"),
    ],
)
def test_printable_escapes_unsafe_characters(text: str | bytes, safe: str) -> None:
    assert printable(text) == safe
    printable(text).encode("utf-8")


def test_lines_may_stay() -> None:
    assert printable("a\n\tb\x1b", keep_lines=True) == "a\n\tb\\x1b"

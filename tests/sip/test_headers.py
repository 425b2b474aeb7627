"""Header fields (RFC 3261 §7.3)."""

import pytest

from msilod.errors import MalformedMessage
from msilod.sip.headers import COMPACT, KNOWN, Headers, canonical, line, unfold, value_of

PAIRS = [(b"Via", b"a"), (b"To", b"b"), (b"Via", b"c")]


def three() -> Headers:
    made = Headers()
    for name, value in PAIRS:
        made.add(name, value)
    return made


def lines(headers: Headers) -> list[bytes]:
    return [text for _, text in headers.fields]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        (b"Via", b"via"),
        (b"v", b"via"),
        (b"V", b"via"),
        (b"cALL-iD", b"call-id"),
        (b"I", b"call-id"),
        (b"x-unknown", b"x-unknown"),
        (b"X-Unknown", b"x-unknown"),
        (b"C%6Fntact", b"c%6fntact"),
        (b"WWW-Authenticate", b"www-authenticate"),
    ],
)
def test_f1_a_name_has_one_canonical_form(name: bytes, known: bytes) -> None:
    assert canonical(name) == known


def test_f1_every_compact_form_is_known_in_both_cases() -> None:
    assert set(b"abcdefijklmnorstuvxy") == {short[0] for short in COMPACT}
    for short, name in COMPACT.items():
        assert canonical(short) == canonical(short.upper()) == name
        assert canonical(name) == name


def test_f1_the_known_names_are_all_canonical() -> None:
    assert all(name == name.lower() and len(name) > 1 for name in KNOWN.values())


def test_unknown_names_are_not_cached() -> None:
    before = len(KNOWN)
    canonical(b"X-Stranger")
    assert len(KNOWN) == before


def test_values_are_in_order_and_trimmed() -> None:
    headers = Headers([(b"via", b"v:\t a "), (b"to", b"t:b"), (b"via", b"Via : c")])
    assert headers.get(b"via") == b"a"
    assert headers.get(b"from") is None
    assert headers.get_all(b"via") == [b"a", b"c"]
    assert b"to" in headers
    assert b"from" not in headers
    assert value_of(b"Subject:") == b""


def test_f3_a_list_runs_over_its_lines() -> None:
    headers = Headers()
    headers.add(b"Route", b"<sip:a;lr>, <sip:b,c;lr>")
    headers.add(b"Route", b'"x, y" <sip:d>,,')
    headers.add(b"Supported", b"")
    assert headers.split(b"route") == [b"<sip:a;lr>", b"<sip:b,c;lr>", b'"x, y" <sip:d>']
    assert headers.split(b"supported") == headers.split(b"require") == []


def test_fields_can_be_added_before_and_behind() -> None:
    headers = three()
    headers.prepend(b"v", b"0")
    assert lines(headers) == [b"v: 0", b"Via: a", b"To: b", b"Via: c"]
    assert headers.get_all(b"via") == [b"0", b"a", b"c"]


def test_the_first_field_is_replaced_in_place_and_the_others_are_removed() -> None:
    headers = three()
    headers.replace(b"Via", b"x")
    assert lines(headers) == [b"Via: x", b"To: b"]
    headers.replace(b"From", b"y")
    assert lines(headers) == [b"Via: x", b"To: b", b"From: y"]


def test_all_fields_of_a_name_are_removed() -> None:
    headers = three()
    headers.remove(b"via")
    headers.remove(b"from")
    assert lines(headers) == [b"To: b"]


def test_a_copy_is_independent() -> None:
    headers = three()
    twin = headers.copy()
    twin.remove(b"via")
    assert lines(headers) == [b"Via: a", b"To: b", b"Via: c"]
    assert repr(twin) == "<Headers [b'To: b']>"


@pytest.mark.parametrize("value", [b"a\rb", b"a\nb", b"a\x00b", b"a\r\nX: y"])
def test_f13_a_value_with_a_line_end_is_refused(value: bytes) -> None:
    headers = three()
    for change in (headers.add, headers.prepend, headers.replace):
        with pytest.raises(ValueError, match="CR, LF or NUL"):
            change(b"Subject", value)
    assert headers.fields == three().fields


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\n", b"\xff"])
def test_f13_a_name_that_is_no_token_is_refused(name: bytes) -> None:
    with pytest.raises(ValueError, match="no token"):
        line(name, b"x")


@pytest.mark.parametrize(
    ("folded", "expected"),
    [
        ([b"start", b"A: b"], [b"start", b"A: b"]),
        ([b"start", b"A: b \t", b"  c ", b"\td", b"B: e"], [b"start", b"A: b c d", b"B: e"]),
        ([b"start", b"A:", b" b"], [b"start", b"A: b"]),
        ([b"start", b"A: b", b"   ", b" c"], [b"start", b"A: b  c"]),
    ],
)
def test_f2_a_fold_is_one_space(folded: list[bytes], expected: list[bytes]) -> None:
    assert unfold(folded) == expected


def test_f2_no_fold_continues_the_start_line() -> None:
    with pytest.raises(MalformedMessage):
        unfold([b"start", b" A: b"])

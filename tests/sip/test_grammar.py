"""Character classes, numbers, lists, quotes, escapes, IP literals (RFC 3261 §25.1)."""

import pytest

from msilod.sip import grammar


@pytest.mark.parametrize("byte", range(256))
def test_a_token_has_token_characters_only(byte: int) -> None:
    char = chr(byte)
    allowed = char.isascii() and (char.isalnum() or char in "-.!%*_+`'~")
    assert grammar.is_token(b"a" + bytes((byte,))) is allowed


def test_an_empty_text_is_no_token() -> None:
    assert not grammar.is_token(b"")


@pytest.mark.parametrize("chars", [b"", b"\x00", b"\x01", b"\x00\x01a", bytes(range(256))])
def test_a_table_finds_each_byte_that_is_not_allowed(chars: bytes) -> None:
    table = grammar.only(chars)
    for byte in range(256):
        value = bytes((byte,))
        assert (value.translate(table) == value) is (byte in chars)


@pytest.mark.parametrize(
    ("value", "maximum", "expected"),
    [
        (b"0", 9, 0),
        (b"007", 9, 7),
        (b"4294967295", 2**32 - 1, 4294967295),
        (b"4294967296", 2**32 - 1, None),
        (b"0" * 5000, 9, 0),
        (b"0" * 5000 + b"4", 9, 4),
        (b"9" * 5000, 2**32 - 1, None),
        (b"00000000009999999999", 2**32 - 1, None),
        (b"", 9, None),
        (b"-1", 9, None),
        (b"+1", 9, None),
        (b"1_0", 99, None),
        (b" 1", 9, None),
        (b"\xd9\xa1", 9, None),
    ],
)
def test_f7_a_number_is_ascii_digits_within_its_bound(
    value: bytes, maximum: int, expected: int | None
) -> None:
    assert grammar.number(value, maximum) == expected


def test_words_are_separated_by_white_space() -> None:
    assert grammar.words(b" a\t b  ") == [b"a", b"b"]
    assert grammar.words(b"\t ") == []


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        (b"", [b""]),
        (b"a", [b"a"]),
        (b" a , b,, c ", [b"a", b"b", b"", b"c"]),
        (b'"a,b" <sip:x>, c', [b'"a,b" <sip:x>', b"c"]),
        (b"<sip:a,b>,<sip:c;d,e>", [b"<sip:a,b>", b"<sip:c;d,e>"]),
        (b'"a\\",b",c', [b'"a\\",b"', b"c"]),
        (b'"a\\\\",b', [b'"a\\\\"', b"b"]),
        (b'"<",b', [b'"<"', b"b"]),
        (b'<">,b', [b'<">', b"b"]),
        (b'a,"b,c', [b"a", b'"b,c']),
        (b"a,<b,c", [b"a", b"<b,c"]),
        (b'",', [b'",']),
        (b'a,b,"c",d,<e>,f', [b"a", b"b", b'"c"', b"d", b"<e>", b"f"]),
        (b'a,b "c"', [b"a", b'b "c"']),
        (b"a,b <c>", [b"a", b"b <c>"]),
    ],
)
def test_f3_a_list_is_cut_outside_quotes_and_brackets(value: bytes, pieces: list[bytes]) -> None:
    assert grammar.split_outside(value, b",") == pieces


@pytest.mark.parametrize(
    ("value", "end"),
    [(b'""', 2), (b'"a"b', 3), (b'"a\\"b"', 6), (b'"a\\\\"', 5), (b'"a', -1), (b'"', -1), (b'"a\\"', -1)],
)
def test_a_quoted_string_ends_at_an_unescaped_quote(value: bytes, end: int) -> None:
    assert grammar.quoted_end(value) == end


def test_a_quoted_string_may_begin_at_an_offset() -> None:
    assert grammar.quoted_end(b'x "a" y', 2) == 5


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (b"", True),
        (b"abc", True),
        (b"[::1]", True),
        (b'"a b"', True),
        (b'"a', False),
        (b"a b", False),
        (b'"a"b', False),
    ],
)
def test_a_parameter_value_is_a_token_a_host_or_a_quoted_string(value: bytes, good: bool) -> None:
    assert grammar.is_param_value(value) is good


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("alice", b"alice"),
        ("%61", b"a"),
        ("%2541", b"%41"),
        ("%C3%bc", b"\xc3\xbc"),
        ("%00", b"\x00"),
        ("100%", b"100%"),
        ("%4", b"%4"),
        ("%+1", b"%+1"),
        ("%zz", b"%zz"),
    ],
)
def test_f12_an_escape_is_decoded_once(value: str, expected: bytes) -> None:
    assert grammar.unescape(value) == expected


@pytest.mark.parametrize(
    ("value", "good"), [(b"a%41", True), (b"%4", False), (b"%", False), (b"%g0", False), (b"", True)]
)
def test_escapes_are_complete_or_refused(value: bytes, good: bool) -> None:
    assert grammar.escapes_are_whole(value) is good


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("192.0.2.1", True),
        ("255.255.255.255", True),
        ("256.0.2.1", False),
        ("192.0.2.01", False),
        ("192.0.2", False),
        ("192.0.2.1.1", False),
        ("1.2.3.\u0661", False),
        ("a.b.c.d", False),
    ],
)
def test_an_ipv4_literal_is_four_numbers(host: str, good: bool) -> None:
    assert grammar.ipv4(host) == (host if good else None)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2001:DB8::0010", "2001:db8::10"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
        ("::ffff:192.0.2.10", "::ffff:192.0.2.10"),
        ("::FFFF:C000:20A", "::ffff:192.0.2.10"),
        ("2001:db8:::192.0.2.1", "2001:db8::c000:201"),
        ("::", "::"),
        ("fe80::1%eth0", None),
        ("192.0.2.1", None),
        (":::::", None),
        ("", None),
    ],
)
def test_f12_an_ipv6_address_has_one_spelling(text: str, canonical: str | None) -> None:
    assert grammar.ipv6(text) == canonical

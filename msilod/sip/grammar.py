"""Grammar: character classes, numbers, lists, escapes and IP literals (RFC 3261 §25.1).

Rules: bytes in, bytes out. Every class is an explicit set of ASCII bytes, because `int`, `strip`, `isdigit` and
`splitlines` accept Unicode in str, and `int(b"+1_0")` is 10. Every function takes linear time.

Measured with CPython 3.11: a class test with a prepared table takes half the time of `translate(None, chars)`, which
builds a table at each call. `44 in value` takes a third of the time of `b"," in value`, which raises and clears a
TypeError first.
"""

from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address
from typing import Final

DIGIT: Final = b"0123456789"
HEX: Final = DIGIT + b"abcdefABCDEF"
ALPHANUM: Final = DIGIT + b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
MARK: Final = b"-_.!~*'()"
UNRESERVED: Final = ALPHANUM + MARK
TOKEN: Final = ALPHANUM + b"-.!%*_+`'~"
# RFC 3261 permits no `_` in a host name, but container networks use `_` in names.
HOST: Final = ALPHANUM + b"-._"
# All characters of a URI of any scheme (RFC 2396 §2): no space, quote, angle bracket or control.
URI: Final = UNRESERVED + b";/?:@&=+$,%[]"
WSP: Final = b" \t"
VISIBLE: Final = bytes(range(0x21, 0x7F))
CR: Final = 0x0D
LF: Final = 0x0A
COMMA: Final = 0x2C
EQUALS: Final = 0x3D
PERCENT: Final = 0x25
HASH: Final = 0x23
CONTROLS: Final = bytes(range(0x20)) + b"\x7f"

_QUOTE: Final = 0x22
_BACKSLASH: Final = 0x5C
_LESS: Final = 0x3C


def only(allowed: bytes) -> bytes:
    """A table: `value.translate(table) == value` when all bytes of `value` are `allowed`."""
    return bytes(byte if byte in allowed else not byte for byte in range(256))


TOKEN_ONLY: Final = only(TOKEN)
HOST_ONLY: Final = only(HOST)
URI_ONLY: Final = only(URI)
VISIBLE_ONLY: Final = only(VISIBLE)
# token / host (also IPv6): the unquoted values of a parameter.
VALUE_ONLY: Final = only(TOKEN + b"[]:")
_OCTETS: Final = frozenset(str(number) for number in range(256))
_HEX_ONLY: Final = only(HEX)


def is_token(value: bytes) -> bool:
    """True for one or more token characters."""
    return bool(value) and value.translate(TOKEN_ONLY) == value


def is_call_id(value: bytes) -> bool:
    """True for a Call-ID of visible ASCII characters. RFC 3261 §25.1 permits less: `word [ "@" word ]`."""
    return bool(value) and value.translate(VISIBLE_ONLY) == value


def is_param_value(value: bytes) -> bool:
    """True for a token, a host or a quoted string (gen-value), and for an empty value."""
    if value[:1] == b'"':
        return quoted_end(value) == len(value)
    return value.translate(VALUE_ONLY) == value


def number(value: bytes, maximum: int) -> int | None:
    """Return 1*DIGIT as an int; None for other bytes and for numbers above `maximum`.

    Leading zeros are permitted. `maximum` must be below 10**10, so that a number cut to 11 digits is still too large.
    """
    # bytes.isdigit is ASCII only, unlike str.isdigit.
    if not value.isdigit():
        return None
    if len(value) > 10:
        # int() takes quadratic time for thousands of digits, and raises ValueError.
        value = value.lstrip(b"0")[:11] or b"0"
    result = int(value)
    return result if result <= maximum else None


def words(value: bytes) -> list[bytes]:
    """Return the words between linear white space."""
    return [word for word in value.replace(b"\t", b" ").split(b" ") if word]


def split_outside(value: bytes, separator: bytes) -> list[bytes]:
    """Cut at each `separator` outside quoted strings and angle brackets; pieces are trimmed, empty ones kept.

    With an unclosed quote or bracket the rest is one piece, and the parser of the piece refuses the value.
    """
    if _QUOTE not in value and _LESS not in value:
        return [piece.strip(WSP) for piece in value.split(separator)]
    pieces = []
    start = 0
    for cut in _cuts(value, separator):
        pieces.append(value[start:cut].strip(WSP))
        start = cut + 1
    pieces.append(value[start:].strip(WSP))
    return pieces


def _cuts(value: bytes, separator: bytes) -> Iterator[int]:
    """Yield the positions of the separators. Each next position is searched once, so the time is linear."""
    cut, quote, less = value.find(separator), value.find(b'"'), value.find(b"<")
    while cut >= 0:
        nearest = min(quote if quote >= 0 else cut, less if less >= 0 else cut, cut)
        if nearest == cut:
            yield cut
            behind = cut + 1
        else:
            behind = quoted_end(value, nearest) if nearest == quote else value.find(b">", nearest) + 1
            if behind <= 0:
                return
        cut = cut if cut >= behind else value.find(separator, behind)
        quote = quote if quote >= behind or quote < 0 else value.find(b'"', behind)
        less = less if less >= behind or less < 0 else value.find(b"<", behind)


def quoted_end(value: bytes, start: int = 0) -> int:
    """The index behind the closing quote of the quoted string that begins at `start`; -1 when unclosed."""
    closing = value.find(b'"', start + 1)
    while closing >= 0:
        before = closing - 1
        while value[before] == _BACKSLASH:
            before -= 1
        if (closing - before) % 2 == 1:
            return closing + 1
        closing = value.find(b'"', closing + 1)
    return -1


def unescape(value: str) -> bytes:
    """Return each %HH as its byte, decoded once; a `%` without two hex digits stays."""
    head, *pieces = value.encode("ascii").split(b"%")
    return head + b"".join([_unescaped(piece) for piece in pieces])


def _unescaped(piece: bytes) -> bytes:
    digits = piece[:2]
    if _are_hex(digits):
        return bytes((int(digits, 16),)) + piece[2:]
    return b"%" + piece


def escapes_are_whole(value: bytes) -> bool:
    """True when every `%` is followed by two hex digits (RFC 3261 §25.1 escaped)."""
    return all(_are_hex(piece[:2]) for piece in value.split(b"%")[1:])


def _are_hex(digits: bytes) -> bool:
    return len(digits) == 2 and digits.translate(_HEX_ONLY) == digits


def ipv4(host: str) -> str | None:
    """Return `host` when `host` is an IPv4 literal (four decimal numbers without leading zeros), else None."""
    parts = host.split(".")
    if len(parts) != 4 or not all(part in _OCTETS for part in parts):
        return None
    return host


def ipv6(text: str) -> str | None:
    """Return an IPv6 address without brackets in the spelling of RFC 5952; None for other text.

    RFC 3261's grammar produces three colons; these are read as two (RFC 5118 §4.10). An IPv4-mapped address is written
    with dots in every Python version.
    """
    if "%" in text:
        return None
    try:
        address = IPv6Address(text.replace(":::", "::", 1))
    except AddressValueError:
        return None
    mapped = address.ipv4_mapped
    return f"::ffff:{mapped}" if mapped is not None else address.compressed

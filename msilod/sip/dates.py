"""Dates: reads and writes RFC 1123 dates (the Date field, RFC 3261 §20.17), and reads RFC 3339 dates.

Rules: RFC 1123 dates are in GMT and in English in every locale. The time is an argument; no clock is read here.
"""

from datetime import UTC, datetime
from typing import Final

from msilod.sip.grammar import number

_DAYS: Final = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_LATEST: Final = 253_402_300_799.0
_MONTHS: Final = (
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
)  # fmt: skip


def format_date(wall: float) -> bytes:
    """Return seconds since 1970 (UTC) as `Sat, 13 Nov 2010 23:29:00 GMT`, without fractions.

    A time outside of the years 1970 to 9999 becomes the nearest time inside.
    """
    at = datetime.fromtimestamp(int(max(0.0, min(wall, _LATEST))), UTC)
    return b"%b, %02d %b %04d %02d:%02d:%02d GMT" % (
        _DAYS[at.weekday()], at.day, _MONTHS[at.month - 1], at.year, at.hour, at.minute, at.second,
    )  # fmt: skip


def parse_date(value: bytes) -> float | None:
    """Return seconds since 1970 (UTC); None unless the value is an RFC 1123 date in GMT (RFC 3261 §20.17).

    The name of the day is not compared with the date.
    """
    parts = value.strip(b" \t").split(b" ")
    if len(parts) != 6 or parts[0][:3] not in _DAYS or parts[0][3:] != b"," or parts[5] != b"GMT":
        return None
    clock = parts[4].split(b":")
    if parts[2] not in _MONTHS or len(clock) != 3:
        return None
    numbers = [number(digits, 9999) for digits in (parts[3], parts[1], *clock)]
    known = [n for n in numbers if n is not None]
    if len(known) != 5:
        return None
    year, day, hour, minute, second = known
    try:
        at = datetime(year, _MONTHS.index(parts[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return at.timestamp()


def parse_rfc3339(value: bytes) -> float | None:
    """Return seconds since 1970 (UTC) of an RFC 3339 §5.6 date-time; None for other text.

        date-time = full-date "T" partial-time time-offset
        time-offset = "Z" / ("+" / "-") 2DIGIT ":" 2DIGIT

    Python also reads weeks and times without an offset. Both are refused here.
    """
    text = value.decode("ascii", "replace").upper()
    head, offset = (text[:-1], "+00:00") if text.endswith("Z") else (text[:-6], text[-6:])
    signs = (head[4:5], head[7:8], head[10:11], head[13:14], head[16:17], head[19:20] or ".", offset[3:4])
    if signs != ("-", "-", "T", ":", ":", ".", ":") or offset[:1] not in ("+", "-"):
        return None
    try:
        return datetime.fromisoformat(head + offset).timestamp()
    except (ValueError, OverflowError):
        return None

"""Scheduled: reads the due time of a scheduled message (Kamailio's reminders).

A time without an offset from UTC is refused. A time in the past means now. The future is bounded by FURTHEST. The life
of a scheduled message begins when due (msilo's reminders expired before sending: fault W9).
"""

from typing import Final

from msilod.errors import RequestRefused
from msilod.sip.dates import parse_rfc3339
from msilod.sip.grammar import WSP
from msilod.sip.message import Request
from msilod.sip.warning import warning

# Seconds: a leap year.
FURTHEST: Final = 366 * 86_400.0


def due_time(request: Request, field: bytes, system: float) -> float | None:
    """The due time in the header field `field` (lower case), in system time. None to deliver at once.

    `system`: system time now. Raises RequestRefused 400 for a value without an RFC 3339 time and offset, or a time
    beyond FURTHEST.
    """
    value = request.received.get(field)
    if value is None:
        return None
    due = parse_rfc3339(value.strip(WSP))
    if due is None or due > system + FURTHEST:
        raise RequestRefused(
            400, "Bad Request", [warning(b"not an RFC 3339 time with an offset, or more than a year ahead")]
        )
    return due if due > system else None


def is_scheduled(request: Request, field: bytes, system: float) -> bool:
    """True for a message due later. Also True for an unreadable time: the message is refused later, in `accept`."""
    if field not in request.received:
        return False
    try:
        return due_time(request, field, system) is not None
    except RequestRefused:
        return True

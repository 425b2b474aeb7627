"""When a scheduled message is due: Kamailio's reminders, with a time that says what it means.

Rules: a time names its offset from UTC, or it is refused; one that is over is now; what may lie ahead is bounded.
The life of a scheduled message begins when it is due (msilo's reminders expired before they were sent: W9).
"""

from typing import Final

from msilod.errors import RequestRefused
from msilod.sip.dates import parse_rfc3339
from msilod.sip.grammar import WSP
from msilod.sip.message import Request
from msilod.sip.warning import warning

# Within a leap year.
FURTHEST: Final = 366 * 86_400.0


def due_time(request: Request, field: bytes, system: float) -> float | None:
    """The due time that the header field `field` (lower case) says; None: at once. All times are system time.

    Raises RequestRefused 400 for what is no RFC 3339 time with an offset, or too far ahead.
    """
    value = request.received.get(field)
    if value is None:
        return None
    due = parse_rfc3339(value.strip(WSP))
    if due is None or due > system + FURTHEST:
        raise RequestRefused(400, "Bad Request", [warning(b"no time with an offset within a year")])
    return due if due > system else None


def is_scheduled(request: Request, field: bytes, system: float) -> bool:
    """True when it is not for now; also when its time cannot be read, so that it comes to be refused."""
    if field not in request.received:
        return False
    try:
        return due_time(request, field, system) is not None
    except RequestRefused:
        return True

"""Overdue: attempts that ended without an answer, for the 2xx that comes after all (law 2: however late).

Timer F and ICMP end a client transaction, and what comes then matches none (RFC 3261 §17.1.2.2, RFC 6026 §8). But
a device that says 2xx has the message, and would show it twice.

Rules: what ends a row is remembered, not what is in it: some 15 MB when full, the oldest is forgotten first. A
restart forgets them all; where every device gets its own (`devices = "each"`) and behind a b2bua none is remembered.
Such a message is sent once more, with the same Call-ID. An attempt is a delivery, or a branch of a MESSAGE that was
relayed first and stored then (failure_route.py). A MESSAGE that was not stored has no row to end: when the sender was
refused (29 s after the request), a later 2xx says nothing to anybody.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from msilod.silo.stored_message import StoredMessage
from msilod.sip.message import Response

MAX_OVERDUE: Final = 10_000


class Overdue:
    """Rows by the branch of their attempt; `ended(row, status, now)` is told of a 2xx to one of them."""

    def __init__(self) -> None:
        self.ended: Callable[[StoredMessage, int, float], None] = lambda row, status, now: None
        self._rows: OrderedDict[bytes, StoredMessage] = OrderedDict()

    def add(self, branch: bytes, row: StoredMessage) -> None:
        """The attempt of `row` on that branch is over."""
        self._rows[branch] = replace(row, body=b"", headers=b"")
        if len(self._rows) > MAX_OVERDUE:
            self._rows.popitem(last=False)

    def heard(self, response: Response, now: float) -> None:
        """A response that matches no transaction."""
        if self._rows and 200 <= response.status < 300 and response.via is not None:
            row = self._rows.pop(response.via.branch, None)
            if row is not None:
                self.ended(row, response.status, now)

    def __len__(self) -> int:
        return len(self._rows)

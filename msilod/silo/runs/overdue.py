"""Overdue: remembers attempts without a response, for a late 2xx (law 2).

Timer F and ICMP errors end a client transaction, and a later response matches no transaction (RFC 3261 §17.1.2.2, RFC
6026 §8). But a device with a late 2xx has the message, and would show a second copy.

An attempt is a delivery, or a branch of a MESSAGE relayed before storing (serving/failure_route.py). Only the row's
keys are remembered, not the contents: about 15 MB at MAX_OVERDUE. The oldest attempt is forgotten first. Attempts are
not remembered over a restart, for devices = "each", and behind a b2bua: such a message is sent once more with the same
Call-ID. A MESSAGE without a row has nothing to end: 29 s after the request the sender was refused, and a later 2xx is
ignored.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from msilod.silo.stored_message import StoredMessage
from msilod.sip.message import Response

MAX_OVERDUE: Final = 10_000


class Overdue:
    """Rows by the branch of the attempt. `ended(row, status, now)` is called for a late 2xx."""

    def __init__(self) -> None:
        self.ended: Callable[[StoredMessage, int, float], None] = lambda row, status, now: None
        self._rows: OrderedDict[bytes, StoredMessage] = OrderedDict()

    def add(self, branch: bytes, row: StoredMessage) -> None:
        """Remember the ended attempt of `row` with this branch."""
        self._rows[branch] = replace(row, body=b"", headers=b"")
        if len(self._rows) > MAX_OVERDUE:
            self._rows.popitem(last=False)

    def heard(self, response: Response, now: float) -> None:
        """Handle a response without a transaction."""
        if self._rows and 200 <= response.status < 300 and response.via is not None:
            row = self._rows.pop(response.via.branch, None)
            if row is not None:
                self.ended(row, response.status, now)

    def __len__(self) -> int:
        return len(self._rows)

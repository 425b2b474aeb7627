"""Holdings: how much each recipient has in the silo, for quotas, and which Call-IDs are in use (law 9).

Remembered per AOR while nobody else commits; read from the index when not. So a quota holds against the
command line as well: its insert counts inside its own transaction.
"""

import sqlite3
from collections import OrderedDict
from typing import Final

from msilod.silo.stored_message import StoredMessage
from msilod.store.jobs import OverQuota
from msilod.store.statements import Statements

# Recipients and Call-IDs remembered; some 100 bytes each.
MAX_AORS: Final = 50_000
MAX_CALL_IDS: Final = 500_000


class _Holding:
    __slots__ = ("bytes", "call_ids", "messages")

    def __init__(self, rows: list[tuple[int, bytes]]) -> None:
        self.messages = len(rows)
        self.bytes = sum(size for size, _ in rows)
        self.call_ids = {hash(call_id) for _, call_id in rows}


class Holdings:
    """`max_messages` and `max_bytes` per recipient."""

    def __init__(self, statements: Statements, max_messages: int, max_bytes: int) -> None:
        self.statements = statements
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self._known: OrderedDict[str, _Holding] = OrderedDict()
        self._call_ids = 0

    def admit(self, db: sqlite3.Connection, message: StoredMessage) -> OverQuota | None:
        """Count the row in, or say why not; a used Call-ID makes it one of its own (law 9)."""
        holding = self._holding(db, message.aor)
        messages, size = holding.messages + 1, holding.bytes + message.size
        if messages > self.max_messages or size > self.max_bytes:
            spared, spared_bytes = self.statements.exempt(db, message.aor)
            if messages - spared > self.max_messages or size - spared_bytes > self.max_bytes:
                return OverQuota(holding.messages - spared, holding.bytes - spared_bytes)
        holding.messages, holding.bytes = messages, size
        key = hash(message.call_id)
        if key in holding.call_ids:
            message.delivery_call_id = message.hash.hex().encode() + b"@msilo"
        holding.call_ids.add(key)
        return None

    def _holding(self, db: sqlite3.Connection, aor: str) -> _Holding:
        holding = self._known.get(aor)
        if holding is not None:
            return holding
        holding = self._known[aor] = _Holding(self.statements.holdings(db, aor))
        self._call_ids += holding.messages
        while len(self._known) > MAX_AORS or self._call_ids > MAX_CALL_IDS:
            if len(self._known) == 1:
                break
            self._call_ids -= self._known.popitem(last=False)[1].messages
        return holding

    def forget(self, aor: str) -> None:
        """A row of `aor` has left."""
        holding = self._known.pop(aor, None)
        if holding is not None:
            self._call_ids -= holding.messages

    def forget_all(self) -> None:
        """Somebody else has written, or we have rolled back."""
        self._known.clear()
        self._call_ids = 0

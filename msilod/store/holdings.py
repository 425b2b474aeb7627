"""Holdings: how much each recipient has in the silo, for quotas, and which Call-IDs are in use (law 9).

A copy has the Call-ID of its first, and a hash begins with a key of the Call-ID: so only a message whose key is
in use costs a look for its copy.

Remembered per AOR while nobody else commits; read from the index when not. So a quota holds against the
command line as well: its insert counts inside its own transaction.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from msilod.silo.stored_message import CALL_KEY_BYTES, StoredMessage
from msilod.store.jobs import Duplicate, OverQuota
from msilod.store.models import is_fresh
from msilod.store.quota import Limits
from msilod.store.statements import Statements

# Recipients remembered, some 300 bytes each, and Call-IDs, 4 bytes each: 50 MB. What is forgotten is read again.
MAX_AORS: Final = 100_000
MAX_CALL_IDS: Final = 5_000_000


class _Holding:
    """`calls` are the keys of the Call-IDs, one behind the other. One that is found across two of them costs a look
    at the index and nothing else; to make a set of a hundred of them took longer than to store a message.
    """

    __slots__ = ("bytes", "calls", "messages")

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0
        self.calls = bytearray()


class Holdings:
    """`limits.max_messages` and `limits.max_bytes` per recipient."""

    def __init__(self, statements: Statements, limits: Limits) -> None:
        self.statements = statements
        self.set_limits(limits)
        self._known: OrderedDict[str, _Holding] = OrderedDict()
        self._calls = 0

    def set_limits(self, limits: Limits) -> None:
        """Others from now on."""
        self.max_messages, self.max_bytes = limits.max_messages, limits.max_bytes

    def learn(self, db: sqlite3.Connection, aors: Iterable[str]) -> None:
        """Read what these have, all in one go; to be called before `admit`."""
        fresh = {aor: _Holding() for aor in aors if aor not in self._known}
        if not fresh:
            return
        for aor, messages, size, calls in self.statements.holdings(db, list(fresh)):
            holding = fresh[aor]
            holding.messages = messages
            holding.bytes = size
            holding.calls = bytearray.fromhex(calls)
            self._calls += messages
        self._known.update(fresh)
        while (len(self._known) > MAX_AORS or self._calls > MAX_CALL_IDS) and len(self._known) > len(fresh):
            self._calls -= self._known.popitem(last=False)[1].messages

    def admit_new(self, message: StoredMessage) -> bool:
        """Count the row in if that takes no question: fresh, its Call-ID not in use, and within the quota."""
        holding = self._known[message.aor]
        key = message.hash[:CALL_KEY_BYTES]
        messages, size = holding.messages + 1, holding.bytes + message.size
        if (
            key in holding.calls
            or messages > self.max_messages
            or size > self.max_bytes
            or not is_fresh(message)
        ):
            return False
        holding.messages, holding.bytes = messages, size
        holding.calls += key
        self._calls += 1
        return True

    def copy_of(self, db: sqlite3.Connection, message: StoredMessage) -> Duplicate | None:
        """Whose copy it is. Another message under a used Call-ID is made one of its own (law 9)."""
        if message.hash[:CALL_KEY_BYTES] not in self._known[message.aor].calls:
            return None
        id = self.statements.kept(db, message.aor, message.hash)
        if id:
            return Duplicate(id, False)
        message.delivery_call_id = message.hash.hex().encode() + b"@msilo"
        return None

    def admit(self, db: sqlite3.Connection, message: StoredMessage) -> OverQuota | None:
        """Count the row in, or say why it is too many."""
        holding = self._known[message.aor]
        key = message.hash[:CALL_KEY_BYTES]
        messages, size = holding.messages + 1, holding.bytes + message.size
        if messages > self.max_messages or size > self.max_bytes:
            spared, spared_bytes = self.statements.exempt(db, message.aor)
            if messages - spared > self.max_messages or size - spared_bytes > self.max_bytes:
                return OverQuota(holding.messages - spared, holding.bytes - spared_bytes)
        holding.messages, holding.bytes = messages, size
        holding.calls += key
        self._calls += 1
        return None

    def forget(self, aor: str) -> None:
        """A row of `aor` has left."""
        holding = self._known.pop(aor, None)
        if holding is not None:
            self._calls -= holding.messages

    def forget_all(self) -> None:
        """Somebody else has written, or we have rolled back."""
        self._known.clear()
        self._calls = 0

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
from msilod.store.jobs import Duplicate, Limit, OverQuota
from msilod.store.models import is_fresh
from msilod.store.quota import Limits
from msilod.store.statements import Statements

# Recipients remembered, some 300 bytes each, and Call-IDs, 4 bytes each: 50 MB. What is forgotten is read again.
MAX_AORS: Final = 100_000
MAX_CALL_IDS: Final = 5_000_000
# States of rows that count in no quota; an import may bring them.
EXEMPT: Final = ("rejected", "handed")


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
        # In this transaction, by recipient and sender: messages and bytes found in the silo, and those admitted.
        self._found: dict[tuple[str, str], tuple[int, int]] = {}
        self._admitted: dict[tuple[str, str], tuple[int, int]] = {}
        # By recipient, messages and bytes admitted that count in no quota.
        self._spared: dict[str, tuple[int, int]] = {}

    def set_limits(self, limits: Limits) -> None:
        """Others from now on."""
        self.max_messages, self.max_bytes = limits.max_messages, limits.max_bytes
        self.share_messages, self.share_bytes = limits.share_messages, limits.share_bytes
        # Up to here a mailbox has room for anybody: no sender can have more than all of it.
        self._easy_messages = min(self.max_messages, self.share_messages or self.max_messages)
        self._easy_bytes = min(self.max_bytes, self.share_bytes or self.max_bytes)

    def begin(self) -> None:
        """A transaction of its own begins: shares of senders are counted anew."""
        self._found.clear()
        self._admitted.clear()
        self._spared.clear()

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
            or messages > self._easy_messages
            or size > self._easy_bytes
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
        key = (message.aor, message.sender)
        admitted = self._admitted.get(key, (0, 0))
        messages, size = holding.messages + 1, holding.bytes + message.size
        refused = self._refusal(db, message, holding.messages, holding.bytes, admitted)
        if refused is not None:
            return refused
        if message.state in EXEMPT:
            spared, spared_bytes = self._spared.get(message.aor, (0, 0))
            self._spared[message.aor] = spared + 1, spared_bytes + message.size
        elif self.share_messages:
            self._admitted[key] = admitted[0] + 1, admitted[1] + message.size
        holding.messages, holding.bytes = messages, size
        holding.calls += message.hash[:CALL_KEY_BYTES]
        self._calls += 1
        return None

    def refusal(
        self,
        db: sqlite3.Connection,
        message: StoredMessage,
        taken: tuple[int, int],
        of_sender: tuple[int, int],
    ) -> OverQuota | None:
        """Why the row would be too many beside the rows in the silo and `taken` more, `of_sender` of them by its
        sender."""
        self.learn(db, (message.aor,))
        holding = self._known[message.aor]
        return self._refusal(db, message, holding.messages + taken[0], holding.bytes + taken[1], of_sender)

    def _refusal(
        self,
        db: sqlite3.Connection,
        message: StoredMessage,
        messages: int,
        size: int,
        of_sender: tuple[int, int],
    ) -> OverQuota | None:
        """As `refusal`, with `messages` and `size` of the mailbox; `of_sender` are not in the silo yet."""
        aor = message.aor
        is_over = messages + 1 > self.max_messages or size + message.size > self.max_bytes
        if is_over:
            spared, spared_bytes = self._exempt(db, aor)
            more, more_bytes = self._spared.get(aor, (0, 0))
            messages, size = messages - spared - more, size - spared_bytes - more_bytes
            if messages + 1 > self.max_messages or size + message.size > self.max_bytes:
                return OverQuota(messages, size)
        if not self.share_messages:
            return None
        if messages + 1 > self._easy_messages or size + message.size > self._easy_bytes:
            key = (aor, message.sender)
            found = self._found.get(key)
            if found is None:
                found = self._found[key] = self._of_sender(db, aor, message.sender)
            his, his_bytes = found[0] + of_sender[0], found[1] + of_sender[1]
            if his + 1 > self.share_messages or his_bytes + message.size > self.share_bytes:
                return OverQuota(his, his_bytes, Limit.SHARE)
        return None

    def _of_sender(self, db: sqlite3.Connection, aor: str, sender: str) -> tuple[int, int]:
        """Messages and bytes that `sender` has in the mailbox of `aor`, but for rejected and handed ones.

        Reads each row of the mailbox; asked only where a sender may have used up his share.
        """
        row = db.execute(
            f"SELECT count(*), coalesce(sum(size), 0) FROM {self.statements.table} "  # noqa: S608
            "WHERE aor = ? AND sender = ? AND state NOT IN ('rejected', 'handed')",
            (aor, sender),
        ).fetchone()
        return int(row[0]), int(row[1])

    def _exempt(self, db: sqlite3.Connection, aor: str) -> tuple[int, int]:
        """Messages and bytes of `aor` that count in no quota: rejected and handed ones."""
        row = db.execute(
            f"SELECT count(*), coalesce(sum(size), 0) FROM {self.statements.table} "  # noqa: S608
            "WHERE aor = ? AND state IN ('rejected', 'handed')",
            (aor,),
        ).fetchone()
        return int(row[0]), int(row[1])

    def forget(self, aor: str) -> None:
        """A row of `aor` has left."""
        holding = self._known.pop(aor, None)
        if holding is not None:
            self._calls -= holding.messages

    def forget_all(self) -> None:
        """Somebody else has written, or we have rolled back."""
        self._known.clear()
        self._calls = 0

"""Holdings: how much each recipient has in the silo, for quotas, and which Call-IDs are in use (law 9).

A copy has the Call-ID of its first, and a hash begins with a key of the Call-ID: so only a message whose key is
in use costs a look for its copy.

Remembered per AOR while nobody else commits; read from the index when not. So a quota holds against the
command line as well: its insert counts inside its own transaction.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Final

from msilod.silo.stored_message import CALL_KEY_BYTES, StoredMessage
from msilod.store.columns import is_fresh
from msilod.store.engine.sqlite.statements import Statements
from msilod.store.jobs import Duplicate, Limit, OverQuota
from msilod.store.limits import Limits

# Recipients remembered, some 300 bytes each, and Call-IDs, 4 bytes each: 50 MB. What is forgotten is read again.
MAX_AORS: Final = 100_000
MAX_CALL_IDS: Final = 5_000_000
# Of mailboxes whose senders are counted: their names, and this for each of them. Four bytes a character at the most.
MAX_SENDER_BYTES: Final = 32_000_000
SENDER_BYTES: Final = 250
# States of rows that count in no quota; an import may bring them.
EXEMPT: Final = ("rejected", "handed")
# Messages and bytes.
NONE: Final = (0, 0)


class _Holding:
    """`calls` are the keys of the Call-IDs, one behind the other. One that is found across two of them costs a look
    at the index and nothing else; to make a set of a hundred of them took longer than to store a message.

    `senders` are messages and bytes of each sender, and `spared` those that count in no quota. They are None until
    a mailbox is so full that the answer depends on them: then its rows are read once.
    """

    __slots__ = ("bytes", "calls", "messages", "sender_bytes", "senders", "spared")

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0
        self.calls = bytearray()
        self.senders: dict[str, tuple[int, int]] | None = None
        self.spared = NONE
        self.sender_bytes = 0


class Holdings:
    """`limits.max_messages` and `limits.max_bytes` per recipient."""

    def __init__(self, statements: Statements, limits: Limits) -> None:
        self.statements = statements
        self.set_limits(limits)
        self._known: OrderedDict[str, _Holding] = OrderedDict()
        self._calls = 0
        self._sender_bytes = 0
        # What this transaction has admitted, by recipient: these rows are not in the silo yet.
        self._admitted: dict[str, list[StoredMessage]] = {}

    def set_limits(self, limits: Limits) -> None:
        """Others from now on. What is remembered does not depend on them."""
        self.max_messages, self.max_bytes = limits.max_messages, limits.max_bytes
        self.share_messages, self.share_bytes = limits.share_messages, limits.share_bytes
        # Up to here a mailbox has room for anybody: no sender can have more than all of it.
        self._easy_messages = min(self.max_messages, self.share_messages or self.max_messages)
        self._easy_bytes = min(self.max_bytes, self.share_bytes or self.max_bytes)

    def begin(self) -> None:
        """A transaction begins, and what was admitted before is in the silo."""
        self._admitted.clear()

    def learn(self, db: sqlite3.Connection, aors: Collection[str]) -> None:
        """Read what these have, all in one go; to be called before `admit`."""
        fresh = {aor: _Holding() for aor in aors if aor not in self._known}
        if fresh:
            for aor, messages, size, calls in self.statements.holdings(db, list(fresh)):
                holding = fresh[aor]
                holding.messages = messages
                holding.bytes = size
                holding.calls = bytearray.fromhex(calls)
                self._calls += messages
            self._known.update(fresh)
        while self._is_too_much() and len(self._known) > len(aors):
            aor, holding = self._known.popitem(last=False)
            if aor in aors:
                self._known[aor] = holding
            else:
                self._drop(holding)

    def _is_too_much(self) -> bool:
        return (
            len(self._known) > MAX_AORS or self._calls > MAX_CALL_IDS or self._sender_bytes > MAX_SENDER_BYTES
        )

    def _drop(self, holding: _Holding) -> None:
        self._calls -= holding.messages
        self._sender_bytes -= holding.sender_bytes

    def admit_all(self, messages: Sequence[StoredMessage]) -> bool:
        """Count all these in, if that takes no question for any of them; else none. They have been learned."""
        for number, message in enumerate(messages):
            if not self.admit_new(message):
                self.take_back(messages[:number])
                return False
        return True

    def take_back(self, messages: Sequence[StoredMessage]) -> None:
        """These were admitted last, by `admit_all`, and are not stored."""
        for message in reversed(messages):
            holding = self._known[message.aor]
            holding.messages -= 1
            holding.bytes -= message.size
            del holding.calls[-CALL_KEY_BYTES:]
            self._calls -= 1
            if holding.senders is not None:
                count, size = holding.senders[message.sender]
                holding.senders[message.sender] = count - 1, size - message.size

    def admit_new(self, message: StoredMessage) -> bool:
        """Count the row in if that takes no question: fresh, its Call-ID not in use, and within the quota."""
        holding = self._known[message.aor]
        key = message.hash[:CALL_KEY_BYTES]
        messages, size = holding.messages + 1, holding.bytes + message.size
        if (
            key in holding.calls
            or (
                (messages > self._easy_messages or size > self._easy_bytes)
                and not self._has_room(holding, message)
            )
            or not is_fresh(message)
        ):
            return False
        if holding.senders is not None:
            self._count_sender(holding, message)
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
        aor = message.aor
        holding = self._known[aor]
        refused = self._refusal(db, message, holding.messages, holding.bytes, NONE)
        if refused is not None:
            return refused
        admitted = self._admitted.get(aor)
        if admitted is None:
            self._admitted[aor] = [message]
        else:
            admitted.append(message)
        if holding.senders is not None:
            self._count_sender(holding, message)
        holding.messages += 1
        holding.bytes += message.size
        holding.calls += message.hash[:CALL_KEY_BYTES]
        self._calls += 1
        return None

    def _has_room(self, holding: _Holding, message: StoredMessage) -> bool:
        """True when a mailbox whose senders are counted has room for one more, and so has the sender's share."""
        senders = holding.senders
        if (
            senders is None
            or holding.messages >= self.max_messages
            or holding.bytes + message.size > self.max_bytes
        ):
            return False
        count, size = senders.get(message.sender, NONE)
        return count < self.share_messages and size + message.size <= self.share_bytes

    def _count_sender(self, holding: _Holding, message: StoredMessage) -> None:
        """The row is one more of its sender, or one more that counts in no quota."""
        if message.state in EXEMPT:
            count, size = holding.spared
            holding.spared = count + 1, size + message.size
            return
        senders, sender = holding.senders, message.sender
        assert senders is not None
        found = senders.get(sender)
        if found is None:
            self._weigh(holding, SENDER_BYTES + 4 * len(sender))
            found = NONE
        senders[sender] = found[0] + 1, found[1] + message.size

    def _weigh(self, holding: _Holding, size: int) -> None:
        holding.sender_bytes += size
        self._sender_bytes += size

    def _learn_senders(
        self, db: sqlite3.Connection, aor: str, holding: _Holding
    ) -> dict[str, tuple[int, int]]:
        """Messages and bytes of each sender in the mailbox. Reads each row of the mailbox once."""
        if holding.senders is not None:
            return holding.senders
        found = db.execute(
            "SELECT sender, state IN ('rejected', 'handed'), count(*), sum(size) "
            f"FROM {self.statements.table} WHERE aor = ? GROUP BY 1, 2",
            (aor,),
        ).fetchall()
        senders: dict[str, tuple[int, int]] = {}
        holding.senders, holding.spared = senders, NONE
        for sender, is_spared, count, size in found:
            if is_spared:
                holding.spared = holding.spared[0] + count, holding.spared[1] + size
            else:
                senders[sender] = count, size
                self._weigh(holding, SENDER_BYTES + 4 * len(sender))
        for message in self._admitted.get(aor, ()):
            self._count_sender(holding, message)
        return senders

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
        holding = self._known[message.aor]
        is_over = messages + 1 > self.max_messages or size + message.size > self.max_bytes
        if is_over:
            self._learn_senders(db, message.aor, holding)
            spared, spared_bytes = holding.spared
            messages, size = messages - spared, size - spared_bytes
            if messages + 1 > self.max_messages or size + message.size > self.max_bytes:
                return OverQuota(messages, size)
        if not self.share_messages:
            return None
        if messages + 1 > self._easy_messages or size + message.size > self._easy_bytes:
            senders = self._learn_senders(db, message.aor, holding)
            his, his_bytes = senders.get(message.sender, NONE)
            his, his_bytes = his + of_sender[0], his_bytes + of_sender[1]
            if his + 1 > self.share_messages or his_bytes + message.size > self.share_bytes:
                return OverQuota(his, his_bytes, Limit.SHARE)
        return None

    def forget(self, aor: str) -> None:
        """A row of `aor` has left."""
        holding = self._known.pop(aor, None)
        if holding is not None:
            self._drop(holding)

    def forget_senders(self, aor: str) -> None:
        """A row of `aor` is rejected or handed over now, and counts in no quota any more."""
        holding = self._known.get(aor)
        if holding is not None:
            self._sender_bytes -= holding.sender_bytes
            holding.senders, holding.spared, holding.sender_bytes = None, NONE, 0

    def forget_all(self) -> None:
        """Another process has written, or a transaction was rolled back."""
        self._known.clear()
        self._admitted.clear()
        self._calls = 0
        self._sender_bytes = 0

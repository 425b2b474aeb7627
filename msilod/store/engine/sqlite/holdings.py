"""Holdings: the messages and bytes of each recipient, for quotas, and the Call-IDs in use (law 9).

A copy has the Call-ID of the first message, and a hash begins with a key of the Call-ID. So the index is searched for a
copy only when the key is in use.

The counts of a recipient are remembered until another process commits; then they are read from the index again. The
command line counts inside the transaction of its insert. So quotas hold for all writers.
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

# Remembered recipients, some 300 bytes each, and Call-IDs, 4 bytes each: 50 MB. Forgotten counts are read again.
MAX_AORS: Final = 100_000
MAX_CALL_IDS: Final = 5_000_000
# Names of senders in mailboxes with counted senders: SENDER_BYTES and at most four bytes a character for each sender.
MAX_SENDER_BYTES: Final = 32_000_000
SENDER_BYTES: Final = 250
# States of rows outside of all quotas; an import may bring such rows.
EXEMPT: Final = ("rejected", "handed")
# Messages and bytes.
NONE: Final = (0, 0)


class _Holding:
    """The counts of one recipient.

    `calls` are the keys of the Call-IDs, joined. A key found across two others costs a search of the index and has no
    other effect; a set of a hundred keys took longer to make than a message to store.

    `senders` are messages and bytes of each sender, `spared` messages and bytes outside of all quotas. Both are None or
    zero until the mailbox is so full that an answer depends on senders; then the rows of the mailbox are read once.
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
    """The quotas of a recipient: the mailbox, and each sender's share of the mailbox."""

    def __init__(self, statements: Statements, limits: Limits) -> None:
        self.statements = statements
        self.set_limits(limits)
        self._known: OrderedDict[str, _Holding] = OrderedDict()
        self._calls = 0
        self._sender_bytes = 0
        # Rows admitted by this transaction, by recipient: not in the silo yet.
        self._admitted: dict[str, list[StoredMessage]] = {}

    def set_limits(self, limits: Limits) -> None:
        """Set other limits. The remembered counts do not depend on limits."""
        self.max_messages, self.max_bytes = limits.max_messages, limits.max_bytes
        self.share_messages, self.share_bytes = limits.share_messages, limits.share_bytes
        # Below these numbers a mailbox has room for any sender: no share can be used up.
        self._easy_messages = min(self.max_messages, self.share_messages or self.max_messages)
        self._easy_bytes = min(self.max_bytes, self.share_bytes or self.max_bytes)

    def begin(self) -> None:
        """Begin a transaction: rows admitted before are in the database."""
        self._admitted.clear()

    def learn(self, db: sqlite3.Connection, aors: Collection[str]) -> None:
        """Read the counts of these recipients with one statement, before `admit`."""
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
        """Count all rows if no row needs a question, else count none. The recipients were learned."""
        for number, message in enumerate(messages):
            if not self.admit_new(message):
                self.take_back(messages[:number])
                return False
        return True

    def take_back(self, messages: Sequence[StoredMessage]) -> None:
        """Undo the last `admit_all`, for rows that were not stored."""
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
        """Count the row if it is fresh, its Call-ID not in use, and the quota not reached; else False."""
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
        """The row that `message` copies. A different message under a used Call-ID gets its own (law 9)."""
        if message.hash[:CALL_KEY_BYTES] not in self._known[message.aor].calls:
            return None
        id = self.statements.kept(db, message.aor, message.hash)
        if id:
            return Duplicate(id, False)
        message.delivery_call_id = message.hash.hex().encode() + b"@msilo"
        return None

    def admit(self, db: sqlite3.Connection, message: StoredMessage) -> OverQuota | None:
        """Count the row, or return the quota that refuses the row."""
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
        """True when a mailbox with counted senders has room for the row, and the sender's share has."""
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
        """Count the row for its sender, or as a row outside of all quotas."""
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
        """The quota that refuses the row, if `taken` messages and bytes are added to the rows in the silo, `of_sender`
        among them by the sender of the row; None for no quota.
        """
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
        """Forget the counts of `aor`: a row has left."""
        holding = self._known.pop(aor, None)
        if holding is not None:
            self._drop(holding)

    def forget_senders(self, aor: str) -> None:
        """Forget the senders of `aor`: a row was rejected or handed over, and counts in no quota now."""
        holding = self._known.get(aor)
        if holding is not None:
            self._sender_bytes -= holding.sender_bytes
            holding.senders, holding.spared, holding.sender_bytes = None, NONE, 0

    def forget_all(self) -> None:
        """Forget all counts, after a commit of another process or a rollback."""
        self._known.clear()
        self._admitted.clear()
        self._calls = 0
        self._sender_bytes = 0

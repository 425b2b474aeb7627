"""Receipts: the silo's IMDNs, put into the mailbox of a sender who asks for them (RFC 5438).

Rules: a receipt is a row like any other, so that it waits for who is away and is delivered at once to who is here;
only a user of ours gets one. One of a kind for a message; best effort beyond that: a crash may lose one, never
repeat one.
"""

from collections.abc import Callable
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from msilod.errors import MalformedMessage
from msilod.silo.imdn import Disposition, Wish, build_imdn, wish_of
from msilod.silo.notice import NoticeMemory
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.sip.uri import SipUri
from msilod.store.writer import Added, AddResult

if TYPE_CHECKING:
    from msilod.daemon.server import Server


class Receipts:
    """Tells senders' phones."""

    def __init__(self, server: "Server", policy: SiloPolicy, random: Callable[[], bytes]) -> None:
        self.server = server
        self.policy = policy
        self.random = random
        self.memory = NoticeMemory(period=inf)

    def stored(self, row: StoredMessage) -> None:
        """A MESSAGE that is no text was stored."""
        self._tell(row, Disposition.STORED)

    def failed(self, row: StoredMessage, reason: str, now: float) -> None:
        """A MESSAGE has expired or was refused for good."""
        if self.policy.imdn:
            self._tell(row, Disposition.FAILED)

    def _tell(self, row: StoredMessage, disposition: Disposition) -> None:
        wish = wish_of(row)
        if wish is None or not wish.wants(disposition):
            return
        aor, wall = self._mailbox(row, wish), self.server.clock.wall()
        message = f"{row.sender} {wish.message_id.decode('ascii')}"
        if aor and self.memory.may_tell(message, row.aor, wall, disposition):
            receipt = build_imdn(row, wish, disposition, aor, self.policy, wall, self.random())
            self.server.writer.add(receipt, partial(self._added, receipt))

    def _mailbox(self, row: StoredMessage, wish: Wish) -> str:
        """The AOR of ours that the receipt goes to, "" for none: nobody makes us write to others than himself."""
        myself = self.server.myself
        try:
            aor = myself.canonical(SipUri.parse(wish.target).aor())
        except MalformedMessage:
            return ""
        is_his = bool(wish.routes) or aor == myself.canonical(row.sender)
        return aor if aor and is_his and myself.serves(aor) else ""

    def _added(self, receipt: StoredMessage, result: AddResult) -> None:
        server = self.server
        if isinstance(result, Added):
            server.counters.receipts += 1
            server.deliverer.stored(receipt, server.clock.now())
        else:
            server.counters.dropped += 1

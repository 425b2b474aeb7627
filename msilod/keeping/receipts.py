"""Receipts: stores IMDNs in the mailboxes of senders asking for receipts (RFC 5438).

- A receipt is a row like any other row. The row waits while the sender is away, and is delivered at once to a
  registered sender. The receipt is from the mailbox of the recipient.
- A receipt goes only to the sender of the message: the user with the checked password, or without users the AOR in
  From. To and IMDN-Record-Route of the wrapper are ignored here, because a sender can write anything there. A wrapper
  with another user in From gets no receipt.
- A receipt counts against the hourly limit of the sender. A message gets one receipt of each kind. A crash may lose a
  receipt and never repeats a receipt.
"""

from collections.abc import Callable
from functools import partial
from math import inf

from msilod.auth.members import Members
from msilod.clock import Clock
from msilod.counters import Counters
from msilod.delivering.deliverer import Deliverer
from msilod.errors import MalformedMessage
from msilod.routing.myself import Myself
from msilod.silo.compose.notice import NoticeMemory
from msilod.silo.compose.receipt import Disposition, Parties, Wish, build_imdn, wish_of
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.sip.address import NameAddr
from msilod.store.writer.contract import Added, AddResult, StoreWriter


class Receipts:
    """Makes and stores receipts."""

    def __init__(
        self,
        policy: SiloPolicy,
        myself: Myself,
        members: Members,
        writer: StoreWriter,
        deliverer: Deliverer,
        clock: Clock,
        counters: Counters,
        random: Callable[[], bytes],
    ) -> None:
        self.myself = myself
        self.members = members
        self.writer = writer
        self.deliverer = deliverer
        self.clock = clock
        self.counters = counters
        self.policy = policy
        self.random = random
        self.memory = NoticeMemory(period=inf)

    def configure(self, policy: SiloPolicy) -> None:
        """Use `policy` from now on."""
        self.policy = policy

    def stored(self, row: StoredMessage) -> None:
        """Make a receipt for a stored MESSAGE of a type other than text."""
        self._tell(row, Disposition.STORED)

    def failed(self, row: StoredMessage, reason: str, now: float) -> None:
        """Make a receipt for an expired or rejected MESSAGE."""
        if self.policy.imdn:
            self._tell(row, Disposition.FAILED)

    def _tell(self, row: StoredMessage, disposition: Disposition) -> None:
        wish = wish_of(row)
        if wish is None or not wish.wants(disposition):
            return
        names_sender = self.myself.identify(wish.from_uri).aor == row.sender
        if not names_sender or not self.myself.is_aor(row.sender) or not self.members.is_known(row.sender):
            # The sender is no user here, or the wrapper has another user in From.
            return
        wall = self.clock.wall()
        message = f"{row.sender} {wish.message_id.decode('ascii')}"
        if self.memory.may_tell(message, row.aor, wall, disposition):
            receipt = build_imdn(
                row,
                wish,
                disposition,
                self._parties(row, wish),
                self.policy,
                wall,
                self.random(),
                self.clock.ahead,
            )
            self.writer.add(receipt, partial(self._added, receipt))

    def _parties(self, row: StoredMessage, wish: Wish) -> Parties:
        """The URIs of recipient and sender, written as in the message if the message names the recipient.

        A phone finds the conversation by the same URIs.
        """
        try:
            to_uri = NameAddr.parse(row.to_header).uri
        except MalformedMessage:
            to_uri = b""
        return Parties(self._uri(to_uri, row.aor), self._uri(wish.to_uri, row.aor), wish.from_uri)

    def _uri(self, uri: bytes, aor: str) -> bytes:
        """`uri` if the URI names the mailbox `aor`, else the plain URI of the mailbox."""
        names_mailbox = self.myself.identify(uri).aor == aor
        return uri if names_mailbox else b"sip:" + aor.encode("ascii", "replace")

    def _added(self, receipt: StoredMessage, result: AddResult) -> None:
        if isinstance(result, Added):
            self.counters.receipts += 1
            self.deliverer.stored(receipt, self.clock.now())
        else:
            self.counters.dropped += 1

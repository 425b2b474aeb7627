"""Ledger: what was promised and what was done, and the laws between the two.

Rules: it sees the wires and the rows, never the daemon's mind. A message is known by its body; one that was not
entered is none of its business. Each broken law is a line in `faults`, with the time and the message, so that
the ladder can be read for it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from msilod.sip.message import Request, Response
from msilod.sip.parser import parse
from tests.network.ladder import Address

# Timer F: what comes later, or after ICMP has ended the transaction, is heard by nobody (RFC 3261 §17.1.2.2).
OPEN_FOR = 32.0
# Refusals after which a row waits for those of its recipient who were not asked.
REFUSALS = frozenset((400, 403, 406, 413, 415, 488, 603))
# A device that says so has perhaps got it already: such a row steps aside for a minute (RFC 3261 §8.2.2.2).
LOOPS = frozenset((429, 440, 482, 483))


@dataclass(slots=True)
class Message:
    """One text. `statuses` are the final answers its sender got, `taken` where and when a device said 2xx."""

    name: bytes
    recipient: str
    lives: float = float("inf")
    expires_at: float = float("inf")
    statuses: list[int] = field(default_factory=list)
    taken: list[tuple[float, Address]] = field(default_factory=list)
    row: int = 0
    heard_2xx: float | None = None
    life_of_2xx: int = 0
    is_tried: bool = False
    is_refused: bool = False
    first_life: int = 0


@dataclass(slots=True)
class Attempt:
    """One MESSAGE transaction of the daemon to a contact."""

    name: bytes
    contact: Address
    at: float
    life: int
    is_delivery: bool
    is_over: bool = False


class Ledger:
    """`life` counts the daemon's starts; `barred` are rows that an operator holds or has purged.

    `set_aside` are those that he ever held: later ones have gone before them.
    """

    def __init__(self) -> None:
        self.life = 0
        self.messages: dict[bytes, Message] = {}
        self.attempts: dict[bytes, Attempt] = {}
        self.faults: list[str] = []
        self.barred: set[int] = set()
        self.set_aside: set[int] = set()
        self._by_contact: dict[Address, list[Attempt]] = defaultdict(list)
        self._newest_row: dict[str, int] = {}
        self._newly_heard: list[Message] = []

    def fault(self, at: float, text: str) -> None:
        self.faults.append(f"{at:.3f} {text}")

    # --- what senders and devices see ----------------------------------------------------------------

    def sent(self, name: bytes, recipient: str, lives: float = float("inf")) -> None:
        """`lives` is its Expires: seconds from its arrival at the daemon."""
        self.messages[name] = Message(name, recipient, lives)

    def answered(self, name: bytes, status: int) -> None:
        self.messages[name].statuses.append(status)

    def taken(self, name: bytes, at: float, device: Address) -> None:
        if name in self.messages:
            self.messages[name].taken.append((at, device))

    # --- what rows say -------------------------------------------------------------------------------

    def stored(self, name: bytes, row: int) -> None:
        message = self.messages.get(name)
        if message is not None:
            message.row = row

    # --- what the daemon sends and has heard ---------------------------------------------------------

    def left(self, data: bytes, destination: Address, at: float) -> None:
        """Something left the daemon."""
        if not data.startswith(b"MESSAGE "):
            return
        request = parse(data)
        assert isinstance(request, Request)
        branch = request.via.branch
        message = self.messages.get(request.body)
        if branch in self.attempts or message is None:
            return
        is_delivery = len(request.headers.split(b"via")) == 1
        attempt = Attempt(request.body, destination, at, self.life, is_delivery)
        self.attempts[branch] = attempt
        self._check_repeat(attempt, message)
        if is_delivery:
            self._check_delivery(attempt, message)
        self._by_contact[destination].append(attempt)

    def _check_repeat(self, attempt: Attempt, message: Message) -> None:
        """Law 2: once a 2xx is heard and committed, the message is not sent again.

        In one batch a REGISTER may come before the 2xx: what it sets going is no repeat.
        """
        if message.heard_2xx is None or message.heard_2xx == attempt.at:
            return
        # What a dead process had taken from its sender and not answered, he sends again; when it is delivered before
        # his copy comes, and its recipient is here, the copy is relayed: only the silo asks for known hashes.
        if not attempt.is_delivery and message.first_life != self.life:
            return
        if message.life_of_2xx == self.life or message.row:
            self.fault(attempt.at, f"{message.name!r} sent again to {attempt.contact} after its 2xx")

    def _check_delivery(self, attempt: Attempt, message: Message) -> None:
        """Law 4: one in flight per contact, rows for the first time in their order; never past expiry."""
        for other in self._by_contact[attempt.contact]:
            is_open = not other.is_over and other.life == self.life and other.at > attempt.at - OPEN_FOR
            if is_open and other.is_delivery:
                self.fault(attempt.at, f"{attempt.name!r} sent beside {other.name!r} to {attempt.contact}")
        if message.row in self.barred:
            self.fault(attempt.at, f"{attempt.name!r} sent though it is held or purged")
        if message.row and not message.is_tried and message.row not in self.set_aside:
            message.is_tried = True
            newest = self._newest_row.get(message.recipient, 0)
            # What a contact refused online is not offered to it again, and later rows are.
            if message.row < newest and not message.is_refused:
                self.fault(attempt.at, f"{message.name!r} (row {message.row}) first sent after row {newest}")
            self._newest_row[message.recipient] = max(newest, message.row)
        if attempt.at > message.expires_at + 1:
            self.fault(attempt.at, f"{message.name!r} sent after it had expired")

    def heard(self, batch: Sequence[bytes], at: float) -> None:
        """These have arrived at the daemon; what follows from them is committed, unless `undo` comes."""
        self._newly_heard.clear()
        for data in batch:
            if data.startswith(b"SIP/2.0 ") and data[8:9] != b"1":
                response = parse(data)
                assert isinstance(response, Response)
                self._final(response, at)
            elif data.startswith(b"MESSAGE "):
                message = self.messages.get(data.rpartition(b"\r\n\r\n")[2])
                if message is not None and not message.row:
                    message.expires_at = at + message.lives
                if message is not None:
                    message.first_life = message.first_life or self.life

    def _final(self, response: Response, at: float) -> None:
        attempt = self.attempts.get(response.via.branch) if response.via is not None else None
        if attempt is None or attempt.life != self.life:
            return
        is_late, attempt.is_over = attempt.is_over or at >= attempt.at + OPEN_FOR, True
        message = self.messages[attempt.name]
        message.is_refused = message.is_refused or response.status in REFUSALS
        message.is_tried = message.is_tried or response.status in LOOPS
        if response.status < 300 and message.heard_2xx is None and not is_late:
            message.heard_2xx = at
            message.life_of_2xx = self.life
            self._newly_heard.append(message)

    def undo(self) -> None:
        """The daemon died with the last batch in its hands."""
        for message in self._newly_heard:
            message.heard_2xx = None

    def unreachable(self, contact: Address) -> None:
        """ICMP or a closed connection: nothing to that contact is open any more."""
        for attempt in self._by_contact.get(contact, ()):
            attempt.is_over = True

    # --- the end -------------------------------------------------------------------------------------

    def settle(self, rows: dict[bytes, tuple[str, str]], at: float) -> None:
        """All is quiet; `rows` are those left in the silo: name to (state, reason)."""
        for name, message in self.messages.items():
            is_kept = name in rows
            is_promised = any(status < 300 for status in message.statuses)
            is_expired = message.expires_at <= at
            if is_promised and not (message.taken or is_kept or is_expired):
                self.fault(at, f"{name!r} was answered {message.statuses} and is lost")
            if 200 in message.statuses and not message.taken:
                self.fault(at, f"{name!r} was answered 200, but no device has it")
            state, reason = rows.get(name, ("", ""))
            if is_kept and not (reason and (state == "rejected" or message.is_refused)):
                self.fault(at, f"{name!r} is still {rows[name]} though its recipient is here")
            if is_kept and message.heard_2xx is not None:
                self.fault(at, f"{name!r} is still {rows[name]} after its 2xx")

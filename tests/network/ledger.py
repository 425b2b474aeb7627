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

# Timer F: what comes later, or after ICMP, to a request that was relayed and not stored is heard by nobody (RFC 3261
# §17.1.2.2).
OPEN_FOR = 32.0
# The daemon's `fr_timer`: a branch online that is silent for so long counts as failed.
FR_TIMER = 10.0
# Refusals after which a row waits for those of its recipient who were not asked.
REFUSALS = frozenset((400, 403, 406, 413, 415, 488, 603))
# A device that says so has perhaps got it already: such a row steps aside for a minute (RFC 3261 §8.2.2.2).
LOOPS = frozenset((429, 440, 482, 483))


@dataclass(slots=True)
class Message:
    """One text. `statuses` are the final answers its sender got, `taken` where and when a device said 2xx.

    `due_at` and `expires_at` are silo time (store/times.py); `stored_life` is the daemon's life that made it a row.
    """

    name: bytes
    recipient: str
    lives: float = float("inf")
    sender: str = ""
    expires_at: float = float("inf")
    due_at: float = 0.0
    statuses: list[int] = field(default_factory=list)
    taken: list[tuple[float, Address]] = field(default_factory=list)
    row: int = 0
    stored_life: int = 0
    heard_2xx: float | None = None
    life_of_2xx: int = 0
    is_tried: bool = False
    is_refused: bool = False
    first_life: int = 0
    last_life: int = 0


@dataclass(slots=True)
class Attempt:
    """One MESSAGE transaction of the daemon to a contact; `status` is how it ended at `over_at`: 503 by ICMP."""

    name: bytes
    contact: Address
    at: float
    life: int
    is_delivery: bool
    is_over: bool = False
    status: int = 0
    over_at: float = 0.0


class Ledger:
    """`life` counts the daemon's starts, `died` tells when each was killed; `offset` is silo time less ours.

    `barred` are rows that an operator holds or has purged, `set_aside` those that later ones may go before. While
    `is_paused` nothing is to be sent; `hosts` are where each user may be, if that is known.
    """

    def __init__(self) -> None:
        self.life = 0
        self.died: dict[int, float] = {}
        self.offset = 0.0
        self.messages: dict[bytes, Message] = {}
        self.attempts: dict[bytes, Attempt] = {}
        self.faults: list[str] = []
        self.barred: set[int] = set()
        self.set_aside: set[int] = set()
        self.is_paused = False
        self.hosts: dict[str, set[str]] = defaultdict(set)
        self._by_contact: dict[Address, list[Attempt]] = defaultdict(list)
        self._newest_row: dict[str, int] = {}
        self._newly_heard: list[Message] = []
        self._newly_over: list[Attempt] = []

    def fault(self, at: float, text: str) -> None:
        self.faults.append(f"{at:.3f} {text}")

    def jump(self, seconds: float, at: float) -> None:
        """Somebody sets the system's clock: lives are as long as they were.

        A message that is to be sent at a time of day is due earlier or later, its life begins then, and what has been
        due stays so.
        """
        wall = at + self.offset
        for message in self.messages.values():
            if message.due_at <= wall:
                message.due_at = 0.0
                continue
            due_at = max(message.due_at - seconds, wall)
            message.expires_at += due_at - message.due_at
            message.due_at = due_at

    # --- what senders and devices see ----------------------------------------------------------------

    def sent(self, name: bytes, recipient: str, lives: float = float("inf"), sender: str = "") -> None:
        """`lives` is its Expires: seconds from its arrival at the daemon."""
        self.messages[name] = Message(name, recipient, lives, sender)

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
            message.stored_life = message.stored_life or self.life

    def on_wire(self, at: float) -> set[int]:
        """The rows that a device is being asked to take."""
        open_now = (
            attempt
            for attempt in self.attempts.values()
            if attempt.is_delivery and self._is_open(attempt, at)
        )
        return {self.messages[attempt.name].row for attempt in open_now}

    def _is_open(self, attempt: Attempt, at: float) -> bool:
        return not attempt.is_over and attempt.life == self.life and attempt.at > at - OPEN_FOR

    def failures(self, message: Message, until: float) -> list[int]:
        """What its attempts came to, but for a 2xx and for what a killed daemon did not live to hear: 408 for silence.

        Those online count if it was stored for them: their end is that at fr_timer.
        """
        found = []
        for attempt in self.attempts.values():
            if attempt.name != message.name or (
                not attempt.is_delivery and attempt.life != message.stored_life
            ):
                continue
            waits, died = OPEN_FOR if attempt.is_delivery else FR_TIMER, self.died.get(attempt.life, until)
            is_cut = not attempt.status or attempt.over_at > attempt.at + waits
            if is_cut and attempt.at + waits <= died:
                found.append(408)
            elif not is_cut and attempt.status >= 300:
                found.append(attempt.status)
        return sorted(found)

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
        if self.is_paused:
            self.fault(at, f"{attempt.name!r} sent to {destination} in a pause")
        if self.hosts and destination[0] not in self.hosts[message.recipient]:
            self.fault(at, f"{attempt.name!r} sent to {destination}, where {message.recipient} is not")
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
            if other.is_delivery and self._is_open(other, attempt.at):
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
        if attempt.at + self.offset > message.expires_at + 1:
            self.fault(attempt.at, f"{message.name!r} sent after it had expired")
        if attempt.at + self.offset < message.due_at:
            self.fault(attempt.at, f"{message.name!r} sent before it was due")

    def heard(self, batch: Sequence[bytes], at: float) -> None:
        """These have arrived at the daemon; what follows from them is committed, unless `undo` comes."""
        self._newly_heard.clear()
        self._newly_over.clear()
        for data in batch:
            if data.startswith(b"SIP/2.0 ") and data[8:9] != b"1":
                response = parse(data)
                assert isinstance(response, Response)
                self._final(response, at)
            elif data.startswith(b"MESSAGE "):
                message = self.messages.get(data.rpartition(b"\r\n\r\n")[2])
                # A copy of what is still being tried has the life of the first.
                if message is not None and not message.row and message.last_life != self.life:
                    message.last_life = self.life
                    message.expires_at = at + self.offset + message.lives
                if message is not None:
                    message.first_life = message.first_life or self.life

    def _final(self, response: Response, at: float) -> None:
        attempt = self.attempts.get(response.via.branch) if response.via is not None else None
        if attempt is None or attempt.life != self.life:
            return
        is_late, attempt.is_over = attempt.is_over or at >= attempt.at + OPEN_FOR, True
        if not is_late:
            self._over(attempt, response.status, at)
        message = self.messages[attempt.name]
        message.is_refused = message.is_refused or response.status in REFUSALS
        message.is_tried = message.is_tried or response.status in LOOPS
        # A late 2xx ends a row; without a row the sender has been refused.
        counts = attempt.is_delivery or not is_late or bool(message.row)
        if response.status < 300 and message.heard_2xx is None and counts:
            message.heard_2xx = at
            message.life_of_2xx = self.life
            self._newly_heard.append(message)

    def undo(self) -> None:
        """The daemon died with the last batch in its hands."""
        for message in self._newly_heard:
            message.heard_2xx = None
        for attempt in self._newly_over:
            attempt.status = 0

    def unreachable(self, contact: Address, branch: bytes, at: float) -> None:
        """ICMP for that branch, or without one a closed connection: nothing on it is open any more."""
        for attempt in (
            [self.attempts[branch]] if branch in self.attempts else self._by_contact.get(contact, ())
        ):
            if self._is_open(attempt, at):
                attempt.is_over = True
                self._over(attempt, 503, at)

    def _over(self, attempt: Attempt, status: int, at: float) -> None:
        attempt.status, attempt.over_at = status, at
        self._newly_over.append(attempt)

    # --- the end -------------------------------------------------------------------------------------

    def settle(self, rows: dict[bytes, tuple[str, str]], at: float) -> None:
        """All is quiet; `rows` are those left in the silo: name to (state, reason)."""
        for name, message in self.messages.items():
            is_kept = name in rows
            is_promised = any(status < 300 for status in message.statuses)
            is_expired = message.expires_at <= at + self.offset
            if is_promised and not (message.taken or is_kept or is_expired):
                self.fault(at, f"{name!r} was answered {message.statuses} and is lost")
            if 200 in message.statuses and not message.taken:
                self.fault(at, f"{name!r} was answered 200, but no device has it")
            state, reason = rows.get(name, ("", ""))
            if is_kept and not (reason and (state == "rejected" or message.is_refused)):
                self.fault(at, f"{name!r} is still {rows[name]} though its recipient is here")
            if is_kept and message.heard_2xx is not None:
                self.fault(at, f"{name!r} is still {rows[name]} after its 2xx")

"""Ledger: checks the laws on messages, from the wires and the rows of one run.

The ledger sees bytes on the wires and rows of the silo, never the daemon's objects. A message is identified by the
body; messages that were not entered are ignored. Each broken law is a line in `faults`, with time and message, so the
place can be found in the ladder.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from msilod.sip.message import Request, Response
from msilod.sip.parser import parse
from tests.network.ladder import Address

# Timer F in seconds. A response after Timer F or after ICMP has no transaction any more (RFC 3261 §17.1.2.2).
OPEN_FOR = 32.0
# The daemon's `fr_timer` in seconds: a silent branch of an online attempt counts as failed after this time.
FR_TIMER = 10.0
# Statuses by which a device refuses a row for good; the row waits for the recipient's other devices.
REFUSALS = frozenset((400, 403, 406, 413, 415, 488, 603))
# Statuses of a device that perhaps has the message already: the row waits for a minute (RFC 3261 §8.2.2.2).
LOOPS = frozenset((429, 440, 482, 483))


@dataclass(slots=True)
class Message:
    """One message. `statuses`: the final answers to the sender. `taken`: time and device of each 2xx of a device.

    `due_at` and `expires_at` are silo time (store/times.py), `due_on` is `due_at` as system time. A life is the number
    of a start of the daemon; `stored_life` is the life in which the row was stored.
    """

    name: bytes
    recipient: str
    lives: float = float("inf")
    sender: str = ""
    expires_at: float = float("inf")
    due_at: float = 0.0
    due_on: float = 0.0
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
    """One MESSAGE transaction of the daemon to a contact. `status`: the final status at `over_at`, 503 for ICMP."""

    name: bytes
    contact: Address
    at: float
    life: int
    is_delivery: bool
    is_over: bool = False
    status: int = 0
    over_at: float = 0.0


class Ledger:
    """The books. `life`: number of starts of the daemon. `died`: time of the kill, by life. `offset`: silo time less
    virtual time.

    `barred`: rows held or purged by the operator. `set_aside`: rows that later rows may overtake. `is_paused`: no
    MESSAGE may be sent. `hosts`: the hosts of each user, if known.
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

    def jump(self, system: float, at: float, scheduled: Collection[bytes]) -> None:
        """The system's clock was set to `system`. The length of lives does not change.

        `scheduled`: messages that the daemon has not made due. They are due earlier or later, and the life begins at
        this time, but not before the step. A message once due stays due.
        """
        wall = at + self.offset
        for message in self.messages.values():
            if message.name not in scheduled:
                message.due_at = 0.0
                continue
            due_at = max(message.due_on - system + wall, min(wall, message.due_at))
            message.expires_at += due_at - message.due_at
            message.due_at = due_at

    # --- events at senders and devices ---------------------------------------------------------------

    def sent(self, name: bytes, recipient: str, lives: float = float("inf"), sender: str = "") -> None:
        """Enter a message. `lives`: the value of Expires, in seconds from the arrival at the daemon."""
        self.messages[name] = Message(name, recipient, lives, sender)

    def answered(self, name: bytes, status: int) -> None:
        self.messages[name].statuses.append(status)

    def taken(self, name: bytes, at: float, device: Address) -> None:
        if name in self.messages:
            self.messages[name].taken.append((at, device))

    # --- rows ----------------------------------------------------------------------------------------

    def stored(self, name: bytes, row: int) -> None:
        message = self.messages.get(name)
        if message is not None:
            message.row = row
            message.stored_life = message.stored_life or self.life

    def on_wire(self, at: float) -> set[int]:
        """The rows with a delivery in flight."""
        open_now = (
            attempt
            for attempt in self.attempts.values()
            if attempt.is_delivery and self._is_open(attempt, at)
        )
        return {self.messages[attempt.name].row for attempt in open_now}

    def _is_open(self, attempt: Attempt, at: float) -> bool:
        return not attempt.is_over and attempt.life == self.life and attempt.at > at - OPEN_FOR

    def failures(self, message: Message, until: float) -> list[int]:
        """The statuses of failed attempts, 408 for silence. Attempts cut short by a kill are left out.

        Online attempts count when their failure has stored the message; an online attempt ends at fr_timer.
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

    # --- messages to and from the daemon -------------------------------------------------------------

    def left(self, data: bytes, destination: Address, at: float) -> None:
        """The daemon has sent `data`: enter a MESSAGE as an attempt, and check the laws."""
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

        A REGISTER before the 2xx in the same batch may start another attempt, which is no repeat.
        """
        if message.heard_2xx is None or message.heard_2xx == attempt.at:
            return
        # The sender repeats a MESSAGE when the daemon was killed between commit and answer. When the row is delivered
        # before this copy comes, the copy is relayed to a registered recipient: only storing checks the hashes.
        if not attempt.is_delivery and message.first_life != self.life:
            return
        if message.life_of_2xx == self.life or message.row:
            self.fault(attempt.at, f"{message.name!r} sent again to {attempt.contact} after its 2xx")

    def _check_delivery(self, attempt: Attempt, message: Message) -> None:
        """Law 4: one in flight per contact, first attempts in the order of rows; not held, expired or early."""
        for other in self._by_contact[attempt.contact]:
            if other.is_delivery and self._is_open(other, attempt.at):
                self.fault(attempt.at, f"{attempt.name!r} sent beside {other.name!r} to {attempt.contact}")
        if message.row in self.barred:
            self.fault(attempt.at, f"{attempt.name!r} sent though it is held or purged")
        if message.row and not message.is_tried and message.row not in self.set_aside:
            message.is_tried = True
            newest = self._newest_row.get(message.recipient, 0)
            # A message refused online is not sent to the same contact again, and later rows may go first.
            if message.row < newest and not message.is_refused:
                self.fault(attempt.at, f"{message.name!r} (row {message.row}) first sent after row {newest}")
            self._newest_row[message.recipient] = max(newest, message.row)
        if attempt.at + self.offset > message.expires_at + 1:
            self.fault(attempt.at, f"{message.name!r} sent after it had expired")
        if attempt.at + self.offset < message.due_at:
            self.fault(attempt.at, f"{message.name!r} sent before it was due")

    def heard(self, batch: Sequence[bytes], at: float) -> None:
        """The daemon has received `batch`. The consequences count as committed, unless `undo` follows."""
        self._newly_heard.clear()
        self._newly_over.clear()
        for data in batch:
            if data.startswith(b"SIP/2.0 ") and data[8:9] != b"1":
                response = parse(data)
                assert isinstance(response, Response)
                self._final(response, at)
            elif data.startswith(b"MESSAGE "):
                message = self.messages.get(data.rpartition(b"\r\n\r\n")[2])
                # A copy of a message in flight keeps the life of the first.
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
        # A late 2xx ends a row. Without a row the sender has already got a failure.
        counts = attempt.is_delivery or not is_late or bool(message.row)
        if response.status < 300 and message.heard_2xx is None and counts:
            message.heard_2xx = at
            message.life_of_2xx = self.life
            self._newly_heard.append(message)

    def undo(self) -> None:
        """The daemon was killed before the commit of the last batch: take back the consequences."""
        for message in self._newly_heard:
            message.heard_2xx = None
        for attempt in self._newly_over:
            attempt.status = 0

    def unreachable(self, contact: Address, branch: bytes, at: float) -> None:
        """End the attempt of `branch` after ICMP; without a branch, all attempts on a closed connection."""
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
        """Check the end of a run. `rows`: the rows left in the silo, name to (state, reason)."""
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

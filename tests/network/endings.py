"""Endings: checks how each message has ended, by rows, table of ended hashes and history, against the ledger.

An accepted message ends once: delivered online, or as a row delivered, expired or purged; or the message is still in
the silo for a valid reason. The history has each end and each failed attempt. An end without a cause by a device or an
operator is a fault. Senders must get notices of undelivered messages.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from msilod.silo.stored_message import StoredMessage
from tests.network.desk import ACTOR, Desk, Row
from tests.network.ladder import Address
from tests.network.ledger import REFUSALS, Message
from tests.network.world import World

ENDS: Final = ("delivered", "expired", "purged")
# Words in the configured notices, by which the kind of a notice is known.
OFFLINE, FAILED = "offline", "failed"
NOTICE_PERIOD: Final = 1
# No answer, or no path. These statuses do not count as attempts.
SILENT: Final = (408, 503)
# Seconds: two periods of the sweep.
SWEPT: Final = 300.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the history."""

    id: int
    event: str
    at: float
    status: int | None
    actor: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice sent by the daemon to `sender`, about a message to `recipient`."""

    kind: str
    sender: str
    recipient: str
    at: float


def _parties(data: bytes) -> tuple[bytes, str]:
    """The name of a message, and its recipient."""
    user = data.partition(b"\r\nTo: <sip:")[2].partition(b"@")[0].decode()
    return data.partition(b"\r\nCall-ID: ")[2].partition(b"@")[0], user


class Endings:
    """Observes a run from the beginning; `faults` checks the end. Times are silo time (store/times.py)."""

    def __init__(self, world: World, desk: Desk, hosts: dict[str, str]) -> None:
        self.world = world
        self.desk = desk
        self.hosts = hosts
        self.notices: list[Notice] = []
        self._stored: list[tuple[float, Message]] = []
        self._ended: dict[int, set[str]] = defaultdict(set)
        self._faults: list[str] = []
        self._kept_at_arrival: Counter[bytes] = Counter()
        world.on_arriving.append(self._arrived)
        world.on_sent.append(self._left)
        world.on_stored.append(self._was_stored)

    # --- during the run ------------------------------------------------------------------------------

    def _arrived(self, data: bytes) -> None:
        """Note the number of messages beside a new one: the next commit may end some before the answer is sent."""
        if data.startswith(b"MESSAGE "):
            name, user = _parties(data)
            self._kept_at_arrival[name] = max(self._kept_at_arrival[name], self._kept(user))

    def _left(self, data: bytes, destination: Address) -> None:
        """Note a notice. Check a refusal for a full mailbox."""
        now = self.world.clock.wall()
        if data.startswith(b"SIP/2.0 480 ") and b" MESSAGE\r\n" in data:
            name, user = _parties(data)
            # The refusal of a MESSAGE relayed first may be decided seconds before the answer.
            was_relayed = any(attempt.name == name for attempt in self.world.ledger.attempts.values())
            kept = max(self._kept(user), self._kept_at_arrival[name])
            if not was_relayed and kept < self.world.config.silo.max_messages:
                self._faults.append(f"{now:.1f} {user}'s mailbox is said to be full with {kept} messages")
        body = data.rpartition(b"\r\n\r\n")[2].decode()
        kind, _, recipient = body.partition(" sip:")
        if data.startswith(b"MESSAGE ") and kind in (OFFLINE, FAILED):
            sender = self.hosts[destination[0]]
            self.notices.append(Notice(kind, sender, recipient.partition("@")[0], now))

    def _was_stored(self, row: StoredMessage) -> None:
        now, user = self.world.clock.wall(), row.aor.partition("@")[0]
        self._stored.append((now, self.world.ledger.messages[row.body]))
        if self._kept(user) > self.world.config.silo.max_messages:
            self._faults.append(f"{now:.1f} {row.body!r} is one too many for {user}")

    def _kept(self, user: str) -> int:
        """The number of messages in the quota of `user`."""
        rows = self.desk.rows().values()
        return sum(row.aor.startswith(f"{user}@") and row.state not in ("rejected", "handed") for row in rows)

    def read(self) -> None:
        """Read the table of ended rows; the daemon forgets these after two minutes."""
        for id, how in self.world.ended():
            self._ended[id].add(how)

    # --- the end -------------------------------------------------------------------------------------

    def faults(self) -> list[str]:
        """All faults, as text."""
        self.read()
        rows, history = self.desk.rows(), self._history()
        names = {row.name: row for row in rows.values()}
        found = self._faults + [
            f"{count} {name} left over" for name, count in self.world.left_over().items() if count
        ]
        for name, message in self.world.ledger.messages.items():
            entries = history.get(message.row, [])
            wrong = [
                *self._of_end(message, names.get(name), entries),
                *self._of_state(message, names.get(name), entries),
                *self._of_failures(message, entries),
            ]
            found += [f"{name!r}, row {message.row}, answered {message.statuses}: {text}" for text in wrong]
        by_desk = Counter((e.id, e.event) for its in history.values() for e in its if e.actor)
        if by_desk != self.desk.done:
            found.append(f"the operator did {self.desk.done}, the history has {by_desk}")
        return found + self._of_notices(history)

    def _history(self) -> dict[int, list[Entry]]:
        history: dict[int, list[Entry]] = defaultdict(list)
        for entry in self.world.read(
            "SELECT message, event, at, status, actor FROM silo_history ORDER BY id"
        ):
            history[entry[0]].append(Entry(*entry))
        return history

    def _of_end(self, message: Message, row: Row | None, entries: list[Entry]) -> list[str]:
        """Check for exactly one end, with the right cause."""
        ends = [entry for entry in entries if entry.event in ENDS]
        if not message.row:
            is_promised = any(status < 300 for status in message.statuses)
            return ["nobody has it"] if is_promised and not message.taken else []
        if len(ends) + (row is not None) != 1:
            return [f"it has ended as {[end.event for end in ends]}, and the silo has {row}"]
        if row is not None:
            return ["it was taken, and is still there"] if message.heard_2xx is not None else []
        (end,), how = ends, self._ended[message.row]
        wrong = [f"it has ended as {end.event}, and is remembered as {how}"] if how != {end.event} else []
        if end.event == "delivered" and not message.taken:
            wrong.append("it is said to be delivered, and nobody has it")
        if end.event != "delivered" and message.heard_2xx is not None and not self._was_before(end, message):
            wrong.append(f"it is said to be {end.event}, and a device took it")
        if end.event == "expired" and end.at < message.expires_at - 0.05:
            wrong.append(f"it has expired {message.expires_at - end.at:.1f} s too early")
        stays = [entry.event for entry in entries if entry.event in ("held", "released", "rejected")]
        if end.event == "expired" and stays[-1:] == ["held"]:
            wrong.append("it has expired while it was held")
        if (end.event == "purged") != (end.actor == ACTOR):
            wrong.append(f"{end.event} by {end.actor!r}")
        return wrong

    def _was_before(self, end: Entry, message: Message) -> bool:
        """True when the 2xx came from an online attempt only: this may come after the end of the row."""
        return not any(
            attempt.is_delivery and attempt.name == message.name and attempt.status in (200, 202)
            for attempt in self.world.ledger.attempts.values()
        )

    def _of_state(self, message: Message, row: Row | None, entries: list[Entry]) -> list[str]:
        """Check the state of a row left in the silo."""
        wall = self.world.clock.wall()
        changes = [
            e.event for e in entries if e.event in ("rejected", "held", "released", "requeued", "handed")
        ]
        if not self._is_refused(entries):
            return [f"it was rejected too early: {entries}"]
        if row is None:
            return []
        is_here = message.recipient in self.world.ledger.hosts
        if row.state == "waiting" and is_here and wall < row.expires_at + SWEPT:
            return [f"it is left waiting: {row}"]
        if row.state == "scheduled" and wall >= (row.due_at or 0.0):
            return [f"it was due: {row}"]
        if row.state != "held" and row.expires_at + SWEPT < wall:
            return [f"its life is over: {row}"]
        if row.state in ("held", "rejected") and changes[-1:] != [row.state]:
            return [f"it is {row.state} after {changes}"]
        return []

    def _is_refused(self, entries: list[Entry]) -> bool:
        """True when each rejection follows a refusal by a device, or `attempts` failures since the last requeue."""
        answers: list[int] = []
        failures = 0
        for entry in entries:
            if entry.event == "requeued":
                answers, failures = [], 0
            elif entry.event in ("failed", "rejected") and entry.status not in SILENT:
                answers.append(entry.status or 0)
                # The status of a rejection is that of the last attempt, perhaps the silence of another contact.
                failures += entry.event == "failed"
            is_refused = any(status in REFUSALS or status >= 600 for status in answers)
            if entry.event == "rejected" and not is_refused and failures < self.world.config.silo.attempts:
                return False
        return True

    def _of_failures(self, message: Message, entries: list[Entry]) -> list[str]:
        noted = sorted(entry.status or 0 for entry in entries if entry.event == "failed")
        known = self.world.ledger.failures(message, self.world.wires.now) if message.row else []
        return [f"its attempts failed with {known}, and the history has {noted}"] if noted != known else []

    # --- notices -------------------------------------------------------------------------------------

    def _of_notices(self, history: dict[int, list[Entry]]) -> list[str]:
        """Check for missing notices, and for notices without a cause."""
        reasons: list[tuple[str, str, str, float]] = []
        for at, message in self._stored:
            reasons.append((OFFLINE, self._sender(message), message.recipient, at))
        for message in self.world.ledger.messages.values():
            is_rejected = False
            for entry in history.get(message.row, []):
                if entry.event == "rejected" or (entry.event == "expired" and not is_rejected):
                    reasons.append((FAILED, self._sender(message), message.recipient, entry.at))
                is_rejected = entry.event == "rejected" or (is_rejected and entry.event == "failed")
        return self._compared([reason for reason in reasons if reason[1]])

    def _compared(self, reasons: list[tuple[str, str, str, float]]) -> list[str]:
        told = defaultdict(list)
        for notice in self.notices:
            told[notice.kind, notice.sender, notice.recipient].append(notice.at)
        found = []
        for kind, sender, recipient, at in reasons:
            times = told[kind, sender, recipient]
            if not self._is_excused(at) and not any(at - NOTICE_PERIOD <= time <= at + 0.5 for time in times):
                found.append(f"{sender} was not told that his message to {recipient} {kind} at {at:.1f}")
        causes = Counter(reason[:3] for reason in reasons)
        for key, times in told.items():
            if any(
                first <= second < first + NOTICE_PERIOD and not self._is_excused(second)
                for first, second in pairwise(times)
            ):
                found.append(f"{key} was told twice in a period: {times}")
            if len(times) > causes[key]:
                found.append(f"{key} was told {len(times)} times, of {causes[key]}")
        return found

    def _is_excused(self, at: float) -> bool:
        """True when the daemon was killed at this time."""
        return any(time - 0.01 <= at <= time + 1 for time in self.world.deaths)

    def _sender(self, message: Message) -> str:
        """The sender to notify, "" for pictures: notices are only about text."""
        return "" if b"picture" in message.name else message.sender

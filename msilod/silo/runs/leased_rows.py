"""LeasedRows: the rows in the hand of a run, and the steps to give rows back.

A row leaves the hand once: after the durable end, rejected, postponed or released. Rows given back are remembered until
the run is forgotten, for late responses.
"""

from collections.abc import Hashable, Iterable, Sequence, Set
from typing import Final

from msilod.silo.policy import UNCOUNTED, SiloPolicy
from msilod.silo.runs.decision_table import NO_ANSWER, SPACING, Pause, verdict_of
from msilod.silo.runs.recipient_memory import RecipientMemory
from msilod.silo.runs.run_contacts import RunContact
from msilod.silo.runs.sips_only import is_secure
from msilod.silo.runs.steps import Postpone, Reject, Release, Step
from msilod.silo.stored_message import Ending, StoredMessage
from msilod.sip.status import reason

# The most rows of one recipient under lease.
MAX_IN_HAND: Final = 64
# Law 4: the first row, after this number of answered temporary failures, goes behind the next row.
STEPS_BEHIND: Final = 3
# Pauses in seconds before a failed commit is repeated. The last pause repeats.
SETTLE_AGAIN: Final[tuple[float, ...]] = (1.0, 2.0, 5.0, 15.0, 30.0)


class Held:
    """One row in hand.

    `flights`: the number of MESSAGEs on the wire. `ending`: set after Settle. `takers`: the contacts after a 2xx, the
    first at the URI `taken_by`. `status`, `reason`: the last attempt in this run. `was_answered`: a device answered
    with a temporary failure. `met_silence`: an attempt got no response. `not_before`: the earliest attempt (wall
    seconds, 0.0 for any time). `is_for_sips`: only for a sips: contact. `is_given_up`: the operator wants the row, and
    no other contact gets the row.
    """

    __slots__ = (
        "ending", "failed_settles", "flights", "is_for_sips", "is_given_up", "met_silence", "not_before", "reason",
        "row", "status", "taken_by", "takers", "was_answered",
    )  # fmt: skip

    def __init__(self, row: StoredMessage) -> None:
        self.row = row
        self.is_for_sips = row.is_for_sips
        self.flights = 0
        self.ending: Ending | None = None
        self.failed_settles = 0
        self.takers: list[RunContact] = []
        self.taken_by = ""
        self.status: int | None = None
        self.reason = ""
        self.was_answered = False
        self.met_silence = False
        self.not_before = 0.0
        self.is_given_up = False

    def note(self, status: int, reason: str) -> None:
        """Note the status of the last attempt."""
        self.status = status
        self.reason = reason

    def next_try(self, until: float, now: float) -> float | None:
        """The time of the next attempt: `until`, or after a 482 or similar the end of the spacing.

        None to leave the time as is: the spacing is over, and this run has not tried the row.
        """
        last = self.row.last_status if self.status is None else self.status
        if last is None or not _is_spaced(last):
            return until
        return self.not_before if self.not_before > now else None

    @property
    def bulk(self) -> int:
        """Bytes of the body and the kept header lines. These make a datagram large."""
        return self.row.size + len(self.row.headers)

    def settle_again(self) -> float:
        """Seconds until the next commit of the end after a failed commit. The row is never sent again."""
        self.failed_settles += 1
        return SETTLE_AGAIN[min(self.failed_settles, len(SETTLE_AGAIN)) - 1]

    def __repr__(self) -> str:
        return f"<Held {self.row.id} flights {self.flights} {self.ending}>"


class LeasedRows:
    """The hand of a run. `rows`: under lease, in the order of sending.

    `former`: rows after leaving the hand, for late responses. `given_back`: the ids of postponed or released rows among
    these.
    """

    __slots__ = ("former", "given_back", "memory", "rows")

    def __init__(self, memory: RecipientMemory) -> None:
        self.memory = memory
        self.rows: dict[int, Held] = {}
        self.former: dict[int, StoredMessage] = {}
        self.given_back: set[int] = set()

    @property
    def room(self) -> int:
        """The number of rows that may still be claimed."""
        return MAX_IN_HAND - len(self.rows)

    def take(self, rows: Sequence[StoredMessage], now: float, backoff: float) -> list[Step]:
        """Take claimed rows. Rows given back earlier in this run, and delivered rows, are given back again."""
        again = []
        delivered = []
        is_behind = bool(rows and self.rows) and rows[0].id < next(reversed(self.rows))
        for row in in_order(rows):
            if row.id in self.rows:
                continue
            if row.id in self.memory.delivered:
                delivered.append(row)
            elif row.id in self.given_back:
                again.append(row)
            else:
                held = self.rows[row.id] = Held(row)
                if row.next_attempt_at is not None and row.next_attempt_at > now:
                    held.not_before = _distance(row.last_status, row.next_attempt_at, now)
        if is_behind:
            self._put_in_order()
        steps: list[Step] = [Postpone(again, now + backoff, None, "")] if again else []
        if delivered:
            steps.append(Release(delivered))
        return steps

    def _put_in_order(self) -> None:
        """Sort the rows: rows left out by an earlier claim are older than the claimed rows."""
        rows = sorted((held.row for held in self.rows.values()), key=lambda row: row.id)
        self.rows = {row.id: self.rows[row.id] for row in in_order(rows)}

    def live(self, row_id: int) -> Held | None:
        """The row, if in hand and not ended."""
        held = self.rows.get(row_id)
        if held is None or held.ending is not None or row_id in self.memory.delivered:
            return None
        return held

    def oldest_for(
        self, contact: RunContact, now: float, policy: SiloPolicy, may_have_more: bool = False
    ) -> Held | None:
        """The first row for this contact, or an expired or refused row to be ended by the caller.

        Rows too large for datagrams to the contact come last, and with `may_have_more` not at all: smaller rows not yet
        claimed go first.
        """
        large = None
        device, refusals, delivered = contact.device, self.memory.refusals, self.memory.delivered
        for held in self.rows.values():
            row = held.row
            if held.ending is not None or held.not_before > now or held.is_given_up:
                continue
            if delivered and row.id in delivered:
                continue
            if held.is_for_sips and not is_secure(row, contact.binding, policy):
                continue
            if refusals and device in refusals.get(row.id, ()):
                continue
            if held.flights and (row.expires_at <= now or self.memory.refused_with(row.id)):
                continue
            if contact.loses and held.bulk >= contact.loses and row.expires_at > now:
                large = large or held
                continue
            return held
        return None if may_have_more else large

    def reject(self, held: Held, status: int) -> Reject:
        """Remove the row from the hand for ever."""
        row = held.row
        del self.rows[row.id]
        if held.flights or held.met_silence:
            self.former[row.id] = row
        self.memory.forget_row(row.id)
        return Reject(row, status, phrase(status))

    def release(self, held: Held) -> Release:
        """Give the row back unchanged. The row is not taken again in this run."""
        self._part_with(held.row)
        return Release([held.row])

    def give_back(
        self, rows: Iterable[Held], until: float, attempts: int, known: Set[Hashable], now: float,
        known_by_sips: Set[Hashable] = frozenset(),
    ) -> tuple[list[Step], bool]:  # fmt: skip
        """Give rows back. Returns the steps, and True if any row is to be tried again.

        Rows refused by all `known` devices, or failed `attempts` times, are rejected. Rows not tried, without known
        devices, are released. All other rows are postponed to `until`. For rows sent to sips:, `known_by_sips` are the
        known devices.
        """
        steps: list[Step] = []
        has_rows = False
        postponed: dict[tuple[float, int | None, str], list[StoredMessage]] = {}
        released = []
        for held in rows:
            row = held.row
            if held.was_answered and attempts != UNCOUNTED:
                row.attempts += 1
            asked = known_by_sips if held.is_for_sips else known
            status = self._final_status(held, attempts, asked)
            if status:
                steps.append(self.reject(held, status))
                continue
            self._part_with(row)
            is_due = row.id not in self.memory.delivered and bool(asked or held.was_answered)
            has_rows = has_rows or is_due
            at = held.next_try(until, now) if is_due else None
            if at is None:
                released.append(row)
            else:
                postponed.setdefault((at, held.status, held.reason), []).append(row)
        steps += [Postpone(group, at, status, text) for (at, status, text), group in postponed.items()]
        if released:
            steps.append(Release(released))
        return steps, has_rows

    def _final_status(self, held: Held, attempts: int, known: Set[Hashable]) -> int:
        """The status for a rejection, 0 to keep the row."""
        row = held.row
        if row.id in self.memory.delivered:
            return 0
        if held.was_answered and row.attempts >= attempts != UNCOUNTED:
            return held.status or NO_ANSWER
        return self.memory.refused_with(row.id, known)

    def _part_with(self, row: StoredMessage) -> None:
        del self.rows[row.id]
        self.former[row.id] = row
        self.given_back.add(row.id)


def in_order(rows: Sequence[StoredMessage]) -> Sequence[StoredMessage]:
    """Oldest first, but a first row after STEPS_BEHIND failures goes behind the next row with fewer failures."""
    if not rows or rows[0].attempts < STEPS_BEHIND:
        return rows
    for place, row in enumerate(rows):
        if row.attempts < STEPS_BEHIND:
            return [row, *rows[:place], *rows[place + 1 :]]
    return rows


def phrase(status: int) -> str:
    """The reason phrase of a status, for the row and the history."""
    return reason(status).decode("ascii")


def _distance(last_status: int | None, next_attempt_at: float, now: float) -> float:
    """The earliest attempt after a REGISTER: at once (0.0), but after a 482 or similar after the spacing.

    See RFC 3261 §8.2.2.2. A time beyond SPACING comes from a clock set back, and is cut.
    """
    if last_status is None or not _is_spaced(last_status):
        return 0.0
    return min(next_attempt_at, now + SPACING)


def _is_spaced(status: int) -> bool:
    return verdict_of(status).pause is Pause.SPACED

"""Hand: the rows that a delivery run has under lease, and how they are given back.

Rules: a row in hand leaves it once, by its durable end, as rejected, postponed or released. What was given
back is remembered until the run is forgotten, for answers that come late.
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

# Design, "Attempts, leases, contacts": the most rows of one recipient under lease.
MAX_IN_HAND: Final = 64
# Law 4: a head that was answered so often with a temporary failure steps behind the next row.
STEPS_BEHIND: Final = 3
# Pauses before an end that could not be committed is asked for again; the last repeats (seconds).
SETTLE_AGAIN: Final[tuple[float, ...]] = (1.0, 2.0, 5.0, 15.0, 30.0)


class Held:
    """One row in hand.

    `flights` counts its MESSAGEs on the wire; `ending` is set from Settle on; `takers` answered 2xx, the first
    of them at the URI `taken_by`; `status` and `reason` are those of its last try in this run; `was_answered`
    is True when a device gave a temporary failure, `met_silence` when an attempt was given up; `not_before` is
    the earliest try (wall seconds, 0.0: any time); `is_for_sips`: only a sips: contact may have it; `is_given_up`
    when an operator wants it: nobody else gets it.
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
        """The last try ended so."""
        self.status = status
        self.reason = reason

    def next_try(self, until: float, now: float) -> float | None:
        """When it is worth another try: `until`, but what was answered as a copy keeps to its own distance.

        None: as it was, for that distance is behind it and this run has not tried it.
        """
        last = self.row.last_status if self.status is None else self.status
        if last is None or not _is_spaced(last):
            return until
        return self.not_before if self.not_before > now else None

    @property
    def bulk(self) -> int:
        """Octets of body and kept headers: what makes a datagram large."""
        return self.row.size + len(self.row.headers)

    def settle_again(self) -> float:
        """Its end could not be committed: seconds until the next try. It is never sent again."""
        self.failed_settles += 1
        return SETTLE_AGAIN[min(self.failed_settles, len(SETTLE_AGAIN)) - 1]

    def __repr__(self) -> str:
        return f"<Held {self.row.id} flights {self.flights} {self.ending}>"


class LeasedRows:
    """`rows` are under lease, in the order to be sent; `former` have left and may yet be answered;
    `given_back` are the ids of those among them that were postponed or released.
    """

    __slots__ = ("former", "given_back", "memory", "rows")

    def __init__(self, memory: RecipientMemory) -> None:
        self.memory = memory
        self.rows: dict[int, Held] = {}
        self.former: dict[int, StoredMessage] = {}
        self.given_back: set[int] = set()

    @property
    def room(self) -> int:
        """How many more rows may be claimed."""
        return MAX_IN_HAND - len(self.rows)

    def take(self, rows: Sequence[StoredMessage], now: float, backoff: float) -> list[Step]:
        """Claimed rows. What this run has given back before, and what has been delivered, goes back again."""
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
        """What an earlier claim left out is older than what it brought."""
        rows = sorted((held.row for held in self.rows.values()), key=lambda row: row.id)
        self.rows = {row.id: self.rows[row.id] for row in in_order(rows)}

    def live(self, row_id: int) -> Held | None:
        """The row, if it is in hand and nobody has ended it yet."""
        held = self.rows.get(row_id)
        if held is None or held.ending is not None or row_id in self.memory.delivered:
            return None
        return held

    def oldest_for(
        self, contact: RunContact, now: float, policy: SiloPolicy, may_have_more: bool = False
    ) -> Held | None:
        """The first row that this contact may have; or one on the way that the caller has to end.

        Rows that are too large for the way to the contact come last. `may_have_more`: rows that are not in hand may
        come before them.
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
        """Out of the hand for good."""
        row = held.row
        del self.rows[row.id]
        if held.flights or held.met_silence:
            self.former[row.id] = row
        self.memory.forget_row(row.id)
        return Reject(row, status, phrase(status))

    def release(self, held: Held) -> Release:
        """Back as it was; not taken again in this run."""
        self._part_with(held.row)
        return Release([held.row])

    def give_back(
        self, rows: Iterable[Held], until: float, attempts: int, known: Set[Hashable], now: float,
        known_by_sips: Set[Hashable] = frozenset(),
    ) -> tuple[list[Step], bool]:  # fmt: skip
        """Postpone rows to `until`; reject what all of `known` devices have refused and what failed
        `attempts` times; release what was not tried when nobody is known. True when any is to be tried again.

        For rows that were sent to sips: nobody else counts than `known_by_sips`.
        """
        steps: list[Step] = []
        has_rows = False
        postponed: dict[tuple[float, int | None, str], list[StoredMessage]] = {}
        released = []
        for held in rows:
            row = held.row
            row.attempts += held.was_answered and attempts != UNCOUNTED
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
        """The status to reject it with, 0 to keep it."""
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
    """Oldest first, but a head that failed STEPS_BEHIND times lets the next one that did not go first."""
    if not rows or rows[0].attempts < STEPS_BEHIND:
        return rows
    for place, row in enumerate(rows):
        if row.attempts < STEPS_BEHIND:
            return [row, *rows[:place], *rows[place + 1 :]]
    return rows


def phrase(status: int) -> str:
    """The RFC's words for a status, to be shown with the row."""
    return reason(status).decode("ascii")


def _distance(last_status: int | None, next_attempt_at: float, now: float) -> float:
    """A REGISTER brings rows forward, but not those that were answered as copies (RFC 3261 §8.2.2.2).

    More than SPACING away it is only after the clock was set back.
    """
    if last_status is None or not _is_spaced(last_status):
        return 0.0
    return min(next_attempt_at, now + SPACING)


def _is_spaced(status: int) -> bool:
    return verdict_of(status).pause is Pause.SPACED

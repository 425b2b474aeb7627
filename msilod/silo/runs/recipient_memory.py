"""RecipientMemory: what is known of a recipient between two delivery runs.

Rules: bounded, and never the truth: rows and bindings are. A daemon that has forgotten it asks a contact once
more than it had to, nothing else.
"""

from collections.abc import Hashable, Set
from typing import Final

from msilod.silo.runs.decision_table import SPACED_TRIES, Outcome, best_refusal, is_final, verdict_of
from msilod.silo.runs.run_contacts import OUT, RunContacts

# Rows of one recipient that somebody refused and others have not yet seen.
MAX_REFUSED: Final = 1000


class RecipientMemory:
    """`stops` counts the runs in a row that stopped without a 2xx; `refusals` is status by device by row id;
    `spaced` counts answers like 482 by row id; `delivered` are rows that a device has taken and that some
    run ends, by row id, True when the end is durable: no run sends them.
    """

    __slots__ = ("contacts", "delivered", "is_running", "refusals", "spaced", "stops")

    def __init__(self) -> None:
        self.contacts = RunContacts()
        self.is_running = False
        self.delivered: dict[int, bool] = {}
        self.stops = 0
        self.refusals: dict[int, dict[Hashable, int]] = {}
        self.spaced: dict[int, int] = {}

    def begin(self) -> None:
        """A new run: it has nothing in hand, so that ended rows cannot turn up in it."""
        self.is_running = True
        self.contacts.begin()
        if self.delivered:
            self.delivered = {row_id: False for row_id, durable in self.delivered.items() if not durable}

    def refuse(self, row_id: int, device: Hashable, status: int) -> None:
        """This device never gets this row again."""
        refusals = self.refusals
        if row_id not in refusals and len(refusals) >= MAX_REFUSED:
            del refusals[next(iter(refusals))]
        refusals.setdefault(row_id, {})[device] = status

    def registered_anew(self, device: Hashable) -> None:
        """Another registration of this device: the back-off begins again, and it may know other types now."""
        self.stops = 0
        for refusals in self.refusals.values():
            status = refusals.get(device)
            if status is not None and verdict_of(status).queued is Outcome.CONTACT_TYPE:
                del refusals[device]

    def refused_with(self, row_id: int, known: Set[Hashable] = frozenset()) -> int:
        """The status to reject the row with when enough or all of the `known` devices refused it; else 0."""
        refusals = self.refusals.get(row_id) if self.refusals else None
        if not refusals:
            return 0
        everybody = bool(known) and known <= refusals.keys()
        return best_refusal(refusals.values()) if everybody or is_final(refusals.values()) else 0

    def is_spent(self, row_id: int) -> bool:
        """One more answer like 482 to this row; True when it has had its SPACED_TRIES."""
        spaced = self.spaced
        if row_id not in spaced and len(spaced) >= MAX_REFUSED:
            del spaced[next(iter(spaced))]
        spaced[row_id] = spaced.get(row_id, 0) + 1
        return spaced[row_id] >= SPACED_TRIES

    def forget_row(self, row_id: int) -> None:
        """The row has ended."""
        if self.refusals:
            self.refusals.pop(row_id, None)
        if self.spaced:
            self.spaced.pop(row_id, None)

    def is_worth_keeping(self, now: float) -> bool:
        """False when a new memory would do as well."""
        return bool(
            self.stops
            or self.delivered
            or self.refusals
            or self.spaced
            or any(c.standing is OUT or c.not_before > now for c in self.contacts.known.values())
        )

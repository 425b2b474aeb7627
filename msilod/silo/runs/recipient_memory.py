"""RecipientMemory: keeps knowledge about a recipient between two runs.

The memory is bounded, and rows and bindings are authoritative. Without the memory a contact gets one more attempt, with
no other effect.
"""

from collections.abc import Hashable, Set
from typing import Final

from msilod.silo.runs.decision_table import SPACED_TRIES, Outcome, best_refusal, is_final, verdict_of
from msilod.silo.runs.run_contacts import OUT, RunContacts

# The bound for rows of one recipient with a refusal by some contacts.
MAX_REFUSED: Final = 1000


class RecipientMemory:
    """The memory of one recipient.

    `stops`: the number of successive runs stopped without a 2xx. `refusals`: status by device by row id. `spaced`: the
    number of 482 and similar by row id. `delivered`: rows accepted by a device, never sent again; True when the end is
    durable.
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
        """Begin a new run. The hand is empty, so rows with a durable end cannot appear in this run."""
        self.is_running = True
        self.contacts.begin()
        if self.delivered:
            self.delivered = {row_id: False for row_id, durable in self.delivered.items() if not durable}

    def refuse(self, row_id: int, device: Hashable, status: int) -> None:
        """Never send this row to this device again."""
        refusals = self.refusals
        if row_id not in refusals and len(refusals) >= MAX_REFUSED:
            del refusals[next(iter(refusals))]
        refusals.setdefault(row_id, {})[device] = status

    def registered_anew(self, device: Hashable) -> None:
        """Note a new registration of the device: the back-off restarts, and refused content types are tried again."""
        self.stops = 0
        for refusals in self.refusals.values():
            status = refusals.get(device)
            if status is not None and verdict_of(status).queued is Outcome.CONTACT_TYPE:
                del refusals[device]

    def refused_with(self, row_id: int, known: Set[Hashable] = frozenset()) -> int:
        """The status for a rejection of the row, after final refusals or refusals by all `known` devices; else 0."""
        refusals = self.refusals.get(row_id) if self.refusals else None
        if not refusals:
            return 0
        everybody = bool(known) and known <= refusals.keys()
        return best_refusal(refusals.values()) if everybody or is_final(refusals.values()) else 0

    def is_spent(self, row_id: int) -> bool:
        """Count a 482 or similar to this row. Returns True at SPACED_TRIES."""
        spaced = self.spaced
        if row_id not in spaced and len(spaced) >= MAX_REFUSED:
            del spaced[next(iter(spaced))]
        spaced[row_id] = spaced.get(row_id, 0) + 1
        return spaced[row_id] >= SPACED_TRIES

    def forget_row(self, row_id: int) -> None:
        """Forget an ended row."""
        if self.refusals:
            self.refusals.pop(row_id, None)
        if self.spaced:
            self.spaced.pop(row_id, None)

    def is_worth_keeping(self, now: float) -> bool:
        """False if the memory is equal to a new memory."""
        return bool(
            self.stops
            or self.delivered
            or self.refusals
            or self.spaced
            or any(c.standing is OUT or c.not_before > now for c in self.contacts.known.values())
        )

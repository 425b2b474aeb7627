"""Historian: makes the history entries of deliveries. The writer commits the entries with other jobs.

A 2xx to a delivery makes no entry here: the writer makes the entry when the row ends, with one statement for all rows.
"""

from collections.abc import Sequence
from typing import Final

from msilod.clock import Clock
from msilod.silo.history import Event, HistoryEntry
from msilod.silo.runs.decision_table import SILENCE, Why
from msilod.silo.runs.leased_rows import phrase
from msilod.silo.runs.online_outcome import OnlineEnd
from msilod.silo.runs.run_contacts import RunContact
from msilod.silo.stored_message import StoredMessage
from msilod.store.writer.contract import StoreWriter

_WITHOUT_ANSWER: Final = dict(SILENCE.values())


class Historian:
    """Makes one entry per call."""

    def __init__(self, writer: StoreWriter, clock: Clock) -> None:
        self.writer = writer
        self.clock = clock

    def refused(self, row: StoredMessage, contact: RunContact, status: int) -> None:
        """Note a final response other than 2xx."""
        self._note(row, Event.FAILED, status, phrase(status), contact.binding.contact)

    def silent(self, row: StoredMessage, contact: RunContact, why: Why) -> None:
        """Note an attempt without a final response."""
        status, text = SILENCE[why]
        self._note(row, Event.FAILED, status, text, contact.binding.contact)

    def failed_online(self, row: StoredMessage, ends: Sequence[OnlineEnd]) -> None:
        """Note the failed branches of the online MESSAGE behind the row."""
        for end in ends:
            if end.binding is not None:
                text = _WITHOUT_ANSWER[end.status] if end.was_silent else phrase(end.status)
                self._note(row, Event.FAILED, end.status, text, end.binding.contact)

    def rejected(self, row: StoredMessage, status: int, reason: str) -> None:
        """Note the rejection of the row. The row is not sent again."""
        self._note(row, Event.REJECTED, status, reason)

    def handed(self, row: StoredMessage, status: int, contact: str) -> None:
        """Note the acceptance by a b2bua."""
        self._note(row, Event.HANDED, status, phrase(status), contact)

    def _note(
        self, row: StoredMessage, event: Event, status: int | None, reason: str, contact: str = ""
    ) -> None:
        wall = self.clock.wall()
        self.writer.note(HistoryEntry(row.id, row.aor, wall, event, status, reason, contact))

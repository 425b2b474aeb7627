"""UnderWay: what is on its way to the contacts of a delivery run.

Rules: a contact has one MESSAGE of the run at a time (RFC 3428 §8); a live branch of an online MESSAGE occupies it as
well, and is the attempt of its row. When the run is over nothing of it is under way: its contacts are another's.
"""

from msilod.registrar.binding import ContactKey
from msilod.silo.runs.leased_rows import LeasedRows
from msilod.silo.runs.run_contacts import READY, RunContact, RunContacts


class InFlight:
    """`flights` counts the run's own MESSAGEs on the wire; live branches are kept as row ids by contact."""

    __slots__ = ("_branches", "_contacts", "_hand", "_is_over", "flights")

    def __init__(self, contacts: RunContacts, hand: LeasedRows) -> None:
        self.flights = 0
        self._contacts = contacts
        self._hand = hand
        self._branches: dict[ContactKey, set[int]] = {}
        self._is_over = False

    def occupy(self, key: ContactKey, row_id: int) -> None:
        """A live branch, the attempt of `row_id`, goes to this contact."""
        self._branches.setdefault(key, set()).add(row_id)
        self._contacts.mark_busy(key, True)

    def leave(self, key: ContactKey, row_id: int) -> None:
        """That branch has ended; its contact is free after the last of them."""
        row_ids = self._branches.get(key, set())
        row_ids.discard(row_id)
        if not row_ids:
            self._branches.pop(key, None)
            self._contacts.mark_busy(key, False)

    def look_again(self) -> None:
        """Contacts have been offered: those that a live branch goes to are occupied."""
        for key in self._branches:
            self._contacts.mark_busy(key, True)

    def holds_up(self) -> bool:
        """True when a contact of the run is occupied by a live branch."""
        return bool(self._branches) and any(c.is_busy for c in self._contacts.with_standing(READY))

    def landed(self, row_id: int, key: ContactKey) -> RunContact | None:
        """The contact whose open attempt of this row has ended; None when there was no such attempt."""
        contact = None if self._is_over else self._contacts.known.get(key)
        if contact is None:
            return None
        if contact.row_id == row_id:
            contact.row_id = 0
            self.flights -= 1
            held = self._hand.rows.get(row_id)
            if held is not None:
                held.flights -= 1
            return contact
        if row_id in self._branches.get(key, ()):
            self.leave(key, row_id)
            return contact
        return None

    def end(self) -> None:
        """The run is over."""
        self._is_over = True

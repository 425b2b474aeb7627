"""InFlight: counts the MESSAGEs on the wire to the contacts of a run.

A contact has one MESSAGE of the run at a time (RFC 3428 §8). A live branch of a relayed MESSAGE is an attempt of the
row, and occupies the contact as well. After the end of the run all counts are void, because the contacts belong to the
next run.
"""

from msilod.registrar.binding import ContactKey
from msilod.silo.runs.leased_rows import LeasedRows
from msilod.silo.runs.run_contacts import READY, RunContact, RunContacts


class InFlight:
    """`flights` counts the run's MESSAGEs on the wire. Live branches are kept as row ids by contact."""

    __slots__ = ("_branches", "_contacts", "_hand", "_is_over", "flights")

    def __init__(self, contacts: RunContacts, hand: LeasedRows) -> None:
        self.flights = 0
        self._contacts = contacts
        self._hand = hand
        self._branches: dict[ContactKey, set[int]] = {}
        self._is_over = False

    def occupy(self, key: ContactKey, row_id: int) -> None:
        """Note a live branch to the contact, an attempt of `row_id`."""
        self._branches.setdefault(key, set()).add(row_id)
        self._contacts.mark_busy(key, True)

    def leave(self, key: ContactKey, row_id: int) -> None:
        """Note the end of a live branch. The contact is free after the end of the last branch."""
        row_ids = self._branches.get(key, set())
        row_ids.discard(row_id)
        if not row_ids:
            self._branches.pop(key, None)
            self._contacts.mark_busy(key, False)

    def look_again(self) -> None:
        """Mark newly offered contacts with a live branch as occupied."""
        for key in self._branches:
            self._contacts.mark_busy(key, True)

    def holds_up(self) -> bool:
        """True if a live branch occupies a contact of the run."""
        return bool(self._branches) and any(c.is_busy for c in self._contacts.with_standing(READY))

    def landed(self, row_id: int, key: ContactKey) -> RunContact | None:
        """The contact of an open attempt of this row, now ended. None if there was no open attempt."""
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
        """Note the end of the run."""
        self._is_over = True

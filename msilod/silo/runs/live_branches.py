"""LiveBranches: the branches of relayed MESSAGEs still running after fr_timer, with the row already stored.

A live branch is an attempt of the row, and occupies the contact until the end of the branch (law 4). A silent phone may
have several live branches, and is free after the last.
"""

from collections.abc import Iterator

from msilod.registrar.binding import ContactKey
from msilod.silo.stored_message import StoredMessage


class LiveBranches:
    """Row ids by recipient and contact."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[ContactKey, set[int]]] = {}

    def add(self, row: StoredMessage, key: ContactKey) -> None:
        """Note a live branch of `row` to the contact."""
        self._rows.setdefault(row.aor, {}).setdefault(key, set()).add(row.id)

    def end(self, row: StoredMessage, key: ContactKey) -> bool:
        """Remove a branch after its end. Returns False for an unknown branch."""
        contacts = self._rows.get(row.aor, {})
        row_ids = contacts.get(key, set())
        if row.id not in row_ids:
            return False
        row_ids.discard(row.id)
        if not row_ids:
            del contacts[key]
        if not contacts:
            del self._rows[row.aor]
        return True

    def of(self, aor: str) -> Iterator[tuple[ContactKey, int]]:
        """All branches to contacts of `aor`, as (contact, row id)."""
        for key, row_ids in self._rows.get(aor, {}).items():
            for row_id in row_ids:
                yield key, row_id

    def row_ids(self) -> list[int]:
        """The row ids of all branches."""
        return [id for contacts in self._rows.values() for row_ids in contacts.values() for id in row_ids]

    def __contains__(self, aor: str) -> bool:
        return aor in self._rows

    def __len__(self) -> int:
        return len(self._rows)

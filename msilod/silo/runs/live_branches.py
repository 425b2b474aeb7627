"""Live branches: online MESSAGEs that were cut at fr_timer, whose rows are stored, and that still run.

Rules: such a branch is its row's attempt and occupies its contact until it ends (law 4); a silent phone may have
several, and is free after the last of them.
"""

from collections.abc import Iterator

from msilod.registrar.binding import ContactKey
from msilod.silo.stored_message import StoredMessage


class LiveBranches:
    """Row ids by recipient and contact."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[ContactKey, set[int]]] = {}

    def add(self, row: StoredMessage, key: ContactKey) -> None:
        """The branch of `row` to that contact runs on."""
        self._rows.setdefault(row.aor, {}).setdefault(key, set()).add(row.id)

    def end(self, row: StoredMessage, key: ContactKey) -> bool:
        """It has ended; False when it was not known."""
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
        """Every branch to a contact of `aor`."""
        for key, row_ids in self._rows.get(aor, {}).items():
            for row_id in row_ids:
                yield key, row_id

    def row_ids(self) -> list[int]:
        """The rows of all of them."""
        return [id for contacts in self._rows.values() for row_ids in contacts.values() for id in row_ids]

    def __contains__(self, aor: str) -> bool:
        return aor in self._rows

    def __len__(self) -> int:
        return len(self._rows)

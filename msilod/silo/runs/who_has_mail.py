"""WhoHasMail: remembers the recipients with rows, so a REGISTER of a user without mail needs no query.

The memory is a set of hashes, read in pages in the background after a start. Before the end of the reading, and for two
AORs with the same hash, the answer is True, and the index of the silo decides. The answer must never be False for an
existing row.
"""

from collections.abc import Iterable


class WhoHasMail:
    """The AORs with possible rows. Errors are only towards True."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()
        self._complete = False

    def add(self, aor: str) -> None:
        """Add an AOR after the commit of a row."""
        self._hashes.add(hash(aor))

    def add_all(self, aors: Iterable[str]) -> None:
        """Add a page of AORs from the silo."""
        self._hashes.update(map(hash, aors))

    def complete(self) -> None:
        """Note the end of the reading: all AORs with rows are added."""
        self._complete = True

    def discard(self, aor: str) -> None:
        """Remove an AOR after a claim without rows. Results come in commit order, so a later row is added later."""
        self._hashes.discard(hash(aor))

    def may_have(self, aor: str) -> bool:
        """False only if `aor` has no rows."""
        return not self._complete or hash(aor) in self._hashes

    def __len__(self) -> int:
        return len(self._hashes)

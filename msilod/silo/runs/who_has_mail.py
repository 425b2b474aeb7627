"""The memory of who has mail, so that a REGISTER of a user without any costs no query (design, speed 7).

A set of hashes, filled in pages in the background after the start; until it is filled, and where two AORs
share a hash, it answers yes, and the index decides. It must never answer no for a row that exists.
"""

from collections.abc import Iterable


class WhoHasMail:
    """AORs that may have rows; errs only towards yes."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()
        self._complete = False

    def add(self, aor: str) -> None:
        """A row of `aor` was committed."""
        self._hashes.add(hash(aor))

    def add_all(self, aors: Iterable[str]) -> None:
        """A page of the filling."""
        self._hashes.update(map(hash, aors))

    def complete(self) -> None:
        """Every AOR with rows has been added."""
        self._complete = True

    def discard(self, aor: str) -> None:
        """A claim found no row of `aor`. Results come in commit order, so a row added later is added after."""
        self._hashes.discard(hash(aor))

    def may_have(self, aor: str) -> bool:
        """False only when `aor` has no rows."""
        return not self._complete or hash(aor) in self._hashes

    def __len__(self) -> int:
        return len(self._hashes)

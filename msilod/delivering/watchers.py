"""Watchers: reports the outcomes of a recipient's rows to waiting commands (`msilo dump --wait`)."""

from collections.abc import Callable

from msilod.silo.stored_message import StoredMessage

# Called with row, outcome, status and next attempt of each row; at the end of the run with None as the row.
Watcher = Callable[[StoredMessage | None, str, int | None, float | None], None]


class Watchers:
    """Watchers by AOR. Nearly always empty."""

    def __init__(self) -> None:
        self._of: dict[str, list[Watcher]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def watch(self, aor: str, watcher: Watcher) -> None:
        """Call `watcher` for each outcome of the rows of `aor`."""
        self._of.setdefault(aor, []).append(watcher)

    def unwatch(self, aor: str, watcher: Watcher) -> None:
        """Stop calling `watcher`."""
        watchers = self._of.get(aor, [])
        if watcher in watchers:
            watchers.remove(watcher)
        if not watchers:
            self._of.pop(aor, None)

    def tell(
        self, aor: str, row: StoredMessage | None, outcome: str, status: int | None, at: float | None
    ) -> None:
        """Call all watchers of `aor`. `at`: time of the next attempt, in silo time."""
        if self._of:
            for watcher in list(self._of.get(aor, ())):
                watcher(row, outcome, status, at)

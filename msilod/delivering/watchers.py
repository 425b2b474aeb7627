"""Watchers: who wants to hear what becomes of a recipient's rows, for `msilo dump --wait`."""

from collections.abc import Callable

from msilod.silo.stored_message import StoredMessage

# Told of each row's outcome: row, outcome, status, next attempt; and, with no row, of the run's end.
Watcher = Callable[[StoredMessage | None, str, int | None, float | None], None]


class Watchers:
    """By recipient; nearly always nobody."""

    def __init__(self) -> None:
        self._of: dict[str, list[Watcher]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def watch(self, aor: str, watcher: Watcher) -> None:
        """Tell `watcher` what becomes of the rows of `aor`."""
        self._of.setdefault(aor, []).append(watcher)

    def unwatch(self, aor: str, watcher: Watcher) -> None:
        """No more."""
        watchers = self._of.get(aor, [])
        if watcher in watchers:
            watchers.remove(watcher)
        if not watchers:
            self._of.pop(aor, None)

    def tell(
        self, aor: str, row: StoredMessage | None, outcome: str, status: int | None, at: float | None
    ) -> None:
        """Everybody who watches `aor`."""
        if self._of:
            for watcher in list(self._of.get(aor, ())):
                watcher(row, outcome, status, at)

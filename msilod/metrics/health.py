"""Health: whether the daemon is ready for messages (`/readyz`)."""

from typing import Final

from msilod.clock import Clock
from msilod.delivering.silo_changes import SiloChanges
from msilod.keeping.storing import COMMIT_DEADLINE
from msilod.serving.transaction_user import TransactionUserService
from msilod.store.writer.contract import StoreWriter

# Seconds without an answer of the silo, which is asked every second. After the same time a message that the writer has
# not taken is answered 503.
AWAY_AFTER: Final = COMMIT_DEADLINE


class Health:
    """`is_serving` is set when all listeners accept messages."""

    def __init__(
        self, user: TransactionUserService, writer: StoreWriter, changes: SiloChanges, clock: Clock
    ) -> None:
        self._user = user
        self._writer = writer
        self._changes = changes
        self._clock = clock
        self.is_serving = False

    def problem(self) -> str:
        """Why the daemon is not ready, in a few words; "" when it is ready."""
        if not self.is_serving:
            return "starting"
        return "draining" if self._user.is_draining else self.trouble()

    def trouble(self) -> str:
        """What is wrong with the silo; "" for nothing. The text has no detail: anybody may read the page."""
        if self._writer.failure is not None or self._changes.trouble:
            return "the silo is away"
        if self._clock.now() - self._changes.reported_at > AWAY_AFTER:
            return "the silo does not answer"
        return ""

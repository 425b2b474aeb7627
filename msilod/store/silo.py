"""Silo: the daemon's hold on its database, its writer, and the reads of the daemon."""

import secrets
from typing import Final

from msilod.errors import SiloLost, UnavailableError
from msilod.registrar.binding import Binding
from msilod.silo.stored_message import StoredMessage
from msilod.store.commit.transaction import Transactions
from msilod.store.engine.choice import name_of, open_hold
from msilod.store.engine.hold import PAGE
from msilod.store.jobs import Keeping
from msilod.store.limits import Limits
from msilod.store.tables.users import UserReads
from msilod.store.times import CLOCK, KeptClock
from msilod.store.writer.contract import Deliver, InlineWriter, StoreWriter
from msilod.store.writer.parent import ProcessWriter

__all__ = ["HISTORY", "PAGE", "Silo"]

# Seconds of history: a week.
HISTORY: Final = 604_800.0
SECRET_BYTES: Final = 32


class Silo:
    """Opened by the daemon, once per database. Raises UnavailableError, PermissionDenied or SchemaError.

    `url` is the db_url with a full path, `history` the seconds that history is kept.
    """

    def __init__(self, url: str, table: str, limits: Limits, history: float = HISTORY) -> None:
        self._url = url
        # As texts for the operator name the database.
        self.name = name_of(url)
        self._table = table
        self._keeping = Keeping(limits.values(), history, 0.0)
        self.writer: StoreWriter
        self._is_started = False
        self._hold = open_hold(url, table)
        self.reads = self._hold.reads
        self.users = UserReads(self.reads.read, table)

    def start(self, owner: str, deliver: Deliver | None) -> None:
        """Free the leases of dead daemons and start the writer's process; without `deliver`, the in-line writer.

        `owner` is the name of this daemon in leases. Raises MsilodError.
        """
        self._hold.begin()
        if deliver is None:
            self.writer = InlineWriter(Transactions(self._hold.engine(owner), Limits()))
        else:
            self.writer = self._started(owner, deliver)
        self._is_started = True
        self.writer.configure(self._keeping)

    def _started(self, owner: str, deliver: Deliver) -> ProcessWriter:
        hold = self._hold
        writer = ProcessWriter(self._url, self._table, owner, deliver, hold.seen, hold.descriptor)
        hold.hand_over(writer.process.pid)
        return writer

    def configure(self, limits: Limits, history: float, device_memory: float = 0.0) -> None:
        """Set quotas and memories from the next transaction on.

        `history` and `device_memory` are seconds. Without `device_memory` the first 2xx ends a row.
        """
        self.writer.configure(Keeping(limits.values(), history, device_memory))

    # --- reads ---------------------------------------------------------------------------------------

    def kept_clock(self) -> KeptClock | None:
        """The last kept state of silo time; None for a new silo."""
        return KeptClock.parse(self.reads.secret(CLOCK))

    def secret(self, name: str) -> bytes:
        """A key of SECRET_BYTES random bytes, the same after every restart."""
        found = self.reads.secret(name)
        if not found:
            self._hold.keep_secret(name, secrets.token_bytes(SECRET_BYTES))
            # Another process may have been faster.
            found = self.reads.secret(name)
        return found

    def paused(self) -> frozenset[str]:
        """The domains whose deliveries are paused."""
        return self.reads.paused()

    def backing_off(self, after: tuple[float, str]) -> list[tuple[float, str]]:
        """A page of (next attempt, AOR) beyond `after`, in order."""
        return self.reads.backing_off(after)

    def load_bindings(self) -> list[tuple[Binding, str]]:
        """Every binding, without a flow but with the name of the flow of the REGISTER."""
        return self.reads.bindings()

    def lately(self, since: float) -> frozenset[bytes]:
        """The duplicate keys (law 9) of messages stored or ended after `since` (silo time)."""
        return self.reads.lately(since)

    def recipients(self, after: str) -> list[str]:
        """A page of the AORs with rows, in order, beyond `after`."""
        return self.reads.recipients(after)

    def counts(self) -> dict[str, int]:
        """The number of rows by state."""
        return self.reads.counts()

    def waiting(self, aor: str, only_for_sips: bool = False) -> list[StoredMessage]:
        """The rows of `aor` for a delivery run, oldest first, or only rows for sips: contacts; at most PAGE."""
        return self.reads.waiting(aor, only_for_sips)

    def waiting_count(self, aor: str) -> int:
        """The number of rows of `aor` for a delivery run."""
        return self.reads.waiting_count(aor)

    def close(self) -> None:
        """Commit waiting jobs, and let go of the database."""
        if self._is_started:
            self.writer.close()
            failure = self.writer.failure
            if isinstance(failure, UnavailableError):
                self._hold.note(str(failure), isinstance(failure, SiloLost))
        self._hold.close()

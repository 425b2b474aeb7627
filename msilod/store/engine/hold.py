"""Hold: the contract between the daemon's process and a database: one daemon per silo, the schema, and all reads.

The daemon's process reads through `Reads`. The process writes only before the writer's process starts, and the keys of
`Hold.keep_secret`. Statements that all databases run unchanged are in `Reads`.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

from msilod.registrar.binding import Binding
from msilod.silo.stored_message import StoredMessage
from msilod.store.columns import LOADED, message_of
from msilod.store.engine.base import Engine

# Rows in a page of a read.
PAGE: Final = 5000


class Reads(ABC):
    """Reads of a silo with one db_table. Every method raises MsilodError; usable from any thread."""

    def __init__(self, table: str) -> None:
        self.table = table

    @abstractmethod
    def read(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        """The rows of one SELECT; `?` stands for a value. Raises MsilodError."""

    @abstractmethod
    def backing_off(self, after: tuple[float, str]) -> list[tuple[float, str]]:
        """A page of (next attempt, AOR) beyond `after`, in order, from an index alone."""

    @abstractmethod
    def recipients(self, after: str) -> list[str]:
        """A page of the AORs with rows, in order, beyond `after`."""

    @abstractmethod
    def counts(self) -> dict[str, int]:
        """The number of rows by state."""

    @abstractmethod
    def total_bytes(self) -> int:
        """The bytes of all bodies in the silo."""

    def free_bytes(self) -> int | None:
        """The bytes left on the disk of the database; None where the daemon cannot know."""
        return None

    def page(self, after: int, limit: int) -> list[tuple[int, str, float]]:
        """(id, state, received_at) of the first `limit` rows with an id above `after`, oldest first."""
        sql = f"SELECT id, state, received_at FROM {self.table} WHERE id > ? ORDER BY id LIMIT ?"
        return [(int(id), str(state), float(at)) for id, state, at in self.read(sql, (after, limit))]

    @abstractmethod
    def waiting(self, aor: str, only_for_sips: bool = False) -> list[StoredMessage]:
        """The rows of `aor` for a delivery run, oldest first, or only rows for sips: contacts; at most PAGE."""

    def secret(self, name: str) -> bytes:
        """The value under `name`; b"" for none."""
        found = self.read(f"SELECT value FROM {self.table}_secret WHERE name = ?", (name,))
        return bytes(found[0][0]) if found else b""

    def paused(self) -> frozenset[str]:
        """The domains whose deliveries are paused; "*" stands for all."""
        return frozenset(row[0] for row in self.read(f"SELECT domain FROM {self.table}_paused"))

    def bindings(self) -> list[tuple[Binding, str]]:
        """Every binding, without a flow but with the name of the flow of its REGISTER."""
        return [_binding(row) for row in self.read(f"SELECT * FROM {self.table}_location")]

    def lately(self, since: float) -> frozenset[bytes]:
        """The duplicate keys (law 9) of messages stored or ended after `since` (silo time)."""
        # From the newest row back by id: no other rows are read.
        kept = (
            f"SELECT hash FROM {self.table} WHERE id > coalesce("
            f"(SELECT id FROM {self.table} WHERE received_at <= ? ORDER BY id DESC LIMIT 1), 0)"
        )
        ended = f"SELECT hash FROM {self.table}_ended WHERE ended_at > ?"
        return frozenset(hash for (hash,) in self.read(kept, (since,)) + self.read(ended, (since,)))

    def waiting_count(self, aor: str) -> int:
        """The number of rows of `aor` for a delivery run."""
        sql = f"SELECT count(*) FROM {self.table} WHERE aor = ? AND state = 'waiting'"
        return int(self.read(sql, (aor,))[0][0])

    def _waiting(self, aor: str, condition: str) -> list[StoredMessage]:
        rows = self.read(
            f"SELECT {', '.join(LOADED)} FROM {self.table} WHERE aor = ? AND state = 'waiting'{condition} "
            "ORDER BY id LIMIT ?",
            (aor, PAGE),
        )
        return [message_of(row) for row in rows]


class Hold(ABC):
    """The only hold of a daemon on a silo, from construction to `close`.

    The constructor of an implementation takes the lock, creates the tables in an empty database, and checks the version
    of the schema. Raises UnavailableError, PermissionDenied or SchemaError.
    """

    # Reads on a connection of its own.
    reads: Reads
    # A descriptor for the writer's process: the hold lasts until both processes have ended. None for no descriptor.
    descriptor: int | None
    # A point in the sequence of commits, set by `begin`: `open_engine` reports commits of others after `seen`.
    seen: Sequence[int] = ()

    @abstractmethod
    def begin(self) -> None:
        """Free the leases of dead daemons, and set `seen`. Raises MsilodError."""

    @abstractmethod
    def engine(self, owner: str) -> Engine:
        """An engine in this process, for the daemon `owner`; called after `begin`. Raises MsilodError."""

    @abstractmethod
    def hand_over(self, pid: int) -> None:
        """The process `pid` writes from now on; this process only reads."""

    @abstractmethod
    def keep_secret(self, name: str, value: bytes) -> None:
        """Keep a value under a name without a value; another process may be faster. Raises MsilodError."""

    @abstractmethod
    def note(self, reason: str, wants_check: bool) -> None:
        """Keep the reason of the daemon's end for the next start; `wants_check`: the database may be damaged."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""


def _binding(row: tuple[object, ...]) -> tuple[Binding, str]:
    (aor, contact, params, call_id, cseq, q, expires_at, registered_at, path, flow, instance, reg_id, agent,
     methods, _node) = row  # fmt: skip
    binding = Binding(
        aor=str(aor), contact=str(contact), params=str(params), call_id=str(call_id), cseq=int(str(cseq)),
        q=float(str(q)), expires_at=float(str(expires_at)), registered_at=float(str(registered_at)),
        path=tuple(json.loads(str(path))), instance=str(instance), reg_id=int(str(reg_id)), user_agent=str(agent),
        methods=None if methods is None else frozenset(str(methods).split(",")),
    )  # fmt: skip
    return binding, str(flow)

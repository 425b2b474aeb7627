"""What the command line asks of a running daemon about rows: which are on the wire, give these up, these are new.

Rule: as control_verbs.py; the rows themselves are the database's, and the command line changes them there.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from msilod.control.protocol import RowsParams, WakeParams
from msilod.errors import BusyError, StoreError
from msilod.store.commit.sweep import Cleaned

if TYPE_CHECKING:
    from msilod.daemon.server import Server

Params = dict[str, Any]
# A commit under load takes some 10 ms; who waits longer for a release asks in vain.
RELEASE_DEADLINE = 5.0


class OperatorVerbs:
    """The handlers, as those of ControlVerbs."""

    def __init__(self, server: "Server", canonical: Callable[[str], str]) -> None:
        self.server = server
        self.canonical = canonical

    def on_wire(self, params: Params) -> Params:
        """The ids of rows that a MESSAGE is under way for."""
        return {"ids": self.server.intervention.on_wire()}

    async def give_up(self, params: Params) -> Params:
        """`rows` by AOR: those not on the wire leave the delivery run, and their leases are ended."""
        given, sending = self._give_up(params)
        committed = trio.Event()
        # Behind the releases, in the order of commits.
        self.server.writer.poll_foreign(lambda found: self._after_release(found, committed))
        self.server.after_batch()
        with trio.move_on_after(RELEASE_DEADLINE):
            await committed.wait()
        return {"given_up": given, "sending": sending}

    def _give_up(self, params: Params) -> tuple[list[int], list[int]]:
        """The ids of `rows`: those that are free now, and those on the wire."""
        sending: list[int] = []
        given: list[int] = []
        for aor, ids in msgspec.convert(params, RowsParams).rows.items():
            for id in ids:
                is_free = self.server.intervention.give_up(aor, id, self.server.clock.now())
                (given if is_free else sending).append(id)
        return given, sending

    async def expire(self, params: Params) -> Params:
        """`rows` by AOR: expired ones end now, and their senders are told. Raises StoreError, BusyError.

        Rows on the wire are left, and rows that their run ends by itself.
        """
        given, sending = self._give_up(params)
        server, committed = self.server, trio.Event()
        found: list[Cleaned | StoreError] = []

        def done(result: Cleaned | StoreError) -> None:
            found.append(result)
            committed.set()
            if not isinstance(result, StoreError):
                server.housekeeping.expired(result)
                server.after_batch()

        # Behind the releases, in the order of commits.
        server.writer.expire(server.clock.wall(), given, done)
        server.after_batch()
        with trio.move_on_after(RELEASE_DEADLINE):
            await committed.wait()
        if not found:
            raise BusyError("the silo does not answer (try again)")
        if isinstance(found[0], StoreError):
            raise found[0]
        return {"expired": [row.id for row in found[0].expired], "sending": sending}

    def _after_release(self, found: Any, committed: trio.Event) -> None:
        committed.set()
        self.server.housekeeping.foreign(found)

    async def wake(self, params: Params) -> Params:
        """Rows of `aors` were let go; earlier refusals of the `requeued` ones are forgotten.

        New rows and pauses of other processes are noticed now as well; with `users` true, users too.
        """
        server, told = self.server, msgspec.convert(params, WakeParams)
        if told.users:
            await server.user_watch.look()
        for aor, ids in told.requeued.items():
            server.intervention.forget_refusals(aor, ids)
        server.housekeeping.noticed([self.canonical(aor) for aor in told.aors])
        server.writer.poll_foreign(server.housekeeping.foreign)
        server.after_batch()
        return {}

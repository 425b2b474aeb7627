"""What the command line asks of a running daemon about rows: which are on the wire, give these up, these are new.

Rule: as control_verbs.py; the rows themselves are the database's, and the command line changes them there.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import trio

from msilod.clock import Clock
from msilod.control.names import Names
from msilod.control.protocol import RowsParams, WakeParams
from msilod.delivering.intervention import Intervention
from msilod.delivering.silo_changes import SiloChanges
from msilod.errors import BusyError, StoreError
from msilod.store.jobs import Cleaned
from msilod.store.writer.contract import StoreWriter

Params = dict[str, Any]
# A commit under load takes some 10 ms; who waits longer for a release asks in vain.
RELEASE_DEADLINE: Final = 5.0


class RowVerbs:
    """The handlers, as those of ControlVerbs.

    `look_for_users` reads the users again; `after` hands over what was collected for writer and sockets.
    """

    def __init__(
        self,
        names: Names,
        intervention: Intervention,
        changes: SiloChanges,
        writer: StoreWriter,
        clock: Clock,
        look_for_users: Callable[[], Awaitable[None]],
        after: Callable[[], None],
    ) -> None:
        self._names = names
        self._intervention = intervention
        self._changes = changes
        self._writer = writer
        self._clock = clock
        self._look_for_users = look_for_users
        self._after = after

    def on_wire(self, params: Params) -> Params:
        """The ids of rows that a MESSAGE is under way for."""
        return {"ids": self._intervention.on_wire()}

    async def give_up(self, params: Params) -> Params:
        """`rows` by AOR: those not on the wire leave the delivery run, and their leases are ended."""
        given, sending = self._give_up(params)
        committed = trio.Event()
        # Behind the releases, in the order of commits.
        self._writer.poll_foreign(lambda found: self._after_release(found, committed))
        self._after()
        with trio.move_on_after(RELEASE_DEADLINE):
            await committed.wait()
        return {"given_up": given, "sending": sending}

    def _give_up(self, params: Params) -> tuple[list[int], list[int]]:
        """The ids of `rows`: those that are free now, and those on the wire."""
        sending: list[int] = []
        given: list[int] = []
        for aor, ids in msgspec.convert(params, RowsParams).rows.items():
            for id in ids:
                is_free = self._intervention.give_up(aor, id, self._clock.now())
                (given if is_free else sending).append(id)
        return given, sending

    async def expire(self, params: Params) -> Params:
        """`rows` by AOR: expired ones end now, and their senders are told. Raises StoreError, BusyError.

        Rows on the wire are left, and rows that their run ends by itself.
        """
        given, sending = self._give_up(params)
        committed = trio.Event()
        found: list[Cleaned | StoreError] = []

        def done(result: Cleaned | StoreError) -> None:
            found.append(result)
            committed.set()
            if not isinstance(result, StoreError):
                self._changes.expired(result)
                self._after()

        # Behind the releases, in the order of commits.
        self._writer.expire(self._clock.wall(), given, done)
        self._after()
        with trio.move_on_after(RELEASE_DEADLINE):
            await committed.wait()
        if not found:
            raise BusyError("the silo does not answer (try again)")
        if isinstance(found[0], StoreError):
            raise found[0]
        return {"expired": [row.id for row in found[0].expired], "sending": sending}

    def _after_release(self, found: Any, committed: trio.Event) -> None:
        committed.set()
        self._changes.foreign(found)

    async def wake(self, params: Params) -> Params:
        """Rows of `aors` were let go; earlier refusals of the `requeued` ones are forgotten.

        New rows and pauses of other processes are noticed now as well; with `users` true, users too.
        """
        told = msgspec.convert(params, WakeParams)
        if told.users:
            await self._look_for_users()
        for aor, ids in told.requeued.items():
            self._intervention.forget_refusals(aor, ids)
        self._changes.noticed([self._names.aor(aor) for aor in told.aors])
        self._writer.poll_foreign(self._changes.foreign)
        self._after()
        return {}

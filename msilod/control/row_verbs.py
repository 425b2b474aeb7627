"""Row verbs: calls about rows before and after a change by the command line.

The command line changes rows directly in the database. The daemon is asked for the rows on the wire, and is told to
give up claimed rows, to end expired rows, and to send released rows.
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
# Seconds. A commit under load takes some 10 ms, so after this time the writer is stuck.
RELEASE_DEADLINE: Final = 5.0


class RowVerbs:
    """The handlers of `on_wire`, `give_up`, `expire` and `wake`.

    `look_for_users` reads the users again. `after` ends a batch: the collected jobs go to the writer, the bytes to the
    sockets.
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
        """The ids of rows on the wire: their MESSAGE was sent and has no final response yet."""
        return {"ids": self._intervention.on_wire()}

    async def give_up(self, params: Params) -> Params:
        """Take rows out of the delivery runs and end their leases, except for rows on the wire.

        `params` are those of RowsParams. The result has the ids under `given_up` and `sending`.
        """
        given, sending = self._give_up(params)
        committed = trio.Event()
        # The writer commits in order: this job is answered after the releases are committed.
        self._writer.poll_foreign(lambda found: self._after_release(found, committed))
        self._after()
        with trio.move_on_after(RELEASE_DEADLINE):
            await committed.wait()
        return {"given_up": given, "sending": sending}

    def _give_up(self, params: Params) -> tuple[list[int], list[int]]:
        """(ids of rows without a run, ids of rows on the wire)."""
        sending: list[int] = []
        given: list[int] = []
        for aor, ids in msgspec.convert(params, RowsParams).rows.items():
            for id in ids:
                is_free = self._intervention.give_up(aor, id, self._clock.now())
                (given if is_free else sending).append(id)
        return given, sending

    async def expire(self, params: Params) -> Params:
        """End the expired rows among `rows` now, and tell their senders. Raises StoreError, BusyError.

        Rows on the wire stay; their run ends these rows.
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

        # The writer commits in order: this job is answered after the releases are committed.
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
        """Send the released rows of `aors`, and forget earlier refusals of the `requeued` rows.

        New rows and pauses by other processes are taken over at once as well; with `users`, also changes of users.
        """
        wanted = msgspec.convert(params, WakeParams)
        if wanted.users:
            await self._look_for_users()
        for aor, ids in wanted.requeued.items():
            self._intervention.forget_refusals(aor, ids)
        self._changes.noticed([self._names.aor_of_row(aor) for aor in wanted.aors])
        self._writer.poll_foreign(self._changes.foreign)
        self._after()
        return {}

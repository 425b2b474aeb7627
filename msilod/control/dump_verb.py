"""Dump verb: `msilo dump` delivers messages now, or shows the deliveries without sending."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import trio

from msilod.clock import Clock
from msilod.control.names import Names, check_contact
from msilod.control.protocol import DumpParams
from msilod.delivering.deliverer import Deliverer
from msilod.delivering.outgoing import request_for
from msilod.delivering.probes import Probes
from msilod.delivering.watchers import Watchers
from msilod.errors import MsilodError
from msilod.registrar.binding import Binding
from msilod.registrar.location import LocationService
from msilod.silo.runs.pauses import Pauses
from msilod.silo.runs.sips_only import is_secure
from msilod.silo.stored_message import StoredMessage
from msilod.store.silo import Silo

Params = dict[str, Any]
# Longest wait of `dump --wait` for one recipient, in seconds: Timer F (32 s) twice, and the commits.
DUMP_DEADLINE: Final = 90.0
_SIPS_ONLY: Final = "sent to sips:, and not all of the way there is"


class DumpVerb:
    """The handler of `dump`. `after` ends a batch: the collected jobs go to the writer, the bytes to the sockets."""

    def __init__(
        self,
        names: Names,
        deliverer: Deliverer,
        watchers: Watchers,
        pauses: Pauses,
        probes: Probes,
        store: Silo,
        location: LocationService,
        clock: Clock,
        after: Callable[[], None],
    ) -> None:
        self._names = names
        self._deliverer = deliverer
        self._watchers = watchers
        self._pauses = pauses
        self._probes = probes
        self._store = store
        self._location = location
        self._clock = clock
        self._after = after

    async def dump(self, params: Params) -> Params:
        """Deliver now (msilo's m_dump), to the registered contacts or to the contact `to`.

        `params` are those of DumpParams. The result has a list `results` with one object per message, in the order of
        the recipients. Raises msgspec.ValidationError and DumpRefused.
        """
        wanted = msgspec.convert(params, DumpParams)
        to = wanted.to
        if to is not None:
            check_contact(to)
        aors = [self._names.aor(aor) for aor in wanted.aors or []] or [self._names.aor_of_contact(to)]
        ids = frozenset(wanted.ids or ())
        found: dict[str, list[Params]] = {}

        async def dump_recipient(aor: str) -> None:
            try:
                if wanted.dry_run:
                    found[aor] = await self._dry_run(aor, to, ids)
                else:
                    found[aor] = await self._dump_one(aor, to, ids, wanted.wait)
            except MsilodError as error:
                # An error in the nursery would cancel the tasks of the other recipients.
                found[aor] = [{"aor": f"sip:{aor}", "outcome": "failed", "reason": str(error)}]

        async with trio.open_nursery() as nursery:
            for aor in dict.fromkeys(aors):
                nursery.start_soon(dump_recipient, aor)
        return {"results": [result for aor in dict.fromkeys(aors) for result in found[aor]]}

    def _contacts(self, aor: str, to: str | None) -> list[Binding]:
        """The registered contacts for MESSAGE; with `to`, only a binding made for the contact `to`."""
        if to is None:
            found = self._location.bindings(aor, self._clock.wall())
            return [binding for binding in found if binding.takes_messages]
        wall = self._clock.wall()
        return [Binding(aor, to, "msilo-dump", 0, wall + DUMP_DEADLINE, wall)]

    async def _dump_one(self, aor: str, to: str | None, ids: frozenset[int], wait: bool) -> list[Params]:
        """Begin the deliveries of one recipient; with `wait`, return after the last delivery has ended."""
        results: list[Params] = []
        contacts = self._contacts(aor, to)
        if self._pauses.cover(aor):
            return _skipped(aor, "paused")
        by_hop = [] if contacts else await self._ids_by_hop(aor, ids)
        if by_hop:
            contacts = [self._probes.contact(aor)]
        if not contacts:
            return _skipped(aor, "not registered")
        results += await self._left_out(aor, contacts, ids)
        if results and len(results) == (len(ids) or await self._count(aor)):
            return results
        ended = trio.Event()

        def watch(row: StoredMessage | None, outcome: str, status: int | None, until: float | None) -> None:
            if row is None:
                ended.set()
            else:
                at = None if until is None else until + self._clock.ahead
                results.append(_outcome(row, outcome, status, contacts[0].contact, at))

        if wait:
            self._watchers.watch(aor, watch)
        if by_hop:
            self._probes.offer(aor, by_hop)
        else:
            self._deliverer.offer(aor, contacts, self._clock.now(), only=ids)
        self._after()
        if not wait:
            return [{"aor": f"sip:{aor}", "outcome": "sent"}, *results]
        with trio.move_on_after(DUMP_DEADLINE):
            await ended.wait()
        self._watchers.unwatch(aor, watch)
        return results

    async def _left_out(self, aor: str, contacts: list[Binding], ids: frozenset[int]) -> list[Params]:
        """The results of rows for sips: contacts when none of `contacts` is secure (RFC 5630 §5.3).

        These rows are skipped: the operator cannot overrule the sender's choice of sips:.
        """
        rows = await trio.to_thread.run_sync(self._store.waiting, aor, True)
        return [
            _not_for(row, contacts[0])
            for row in rows
            if (not ids or row.id in ids) and self._taker(row, contacts) is None
        ]

    async def _count(self, aor: str) -> int:
        return await trio.to_thread.run_sync(self._store.waiting_count, aor)

    def _taker(self, row: StoredMessage, contacts: list[Binding]) -> Binding | None:
        """The first of `contacts` to which the row may be sent."""
        policy = self._deliverer.policy
        fitting = (c for c in contacts if not row.is_for_sips or is_secure(row, c, policy))
        return next(fitting, None)

    async def _ids_by_hop(self, aor: str, ids: frozenset[int]) -> list[int]:
        """The ids of rows with a next hop, for a recipient without a binding here."""
        rows = await trio.to_thread.run_sync(self._store.waiting, aor)
        has_hop = bool(self._deliverer.policy.next_hop)
        return [row.id for row in rows if (has_hop or row.next_hop) and (not ids or row.id in ids)]

    async def _dry_run(self, aor: str, to: str | None, ids: frozenset[int]) -> list[Params]:
        """The requests of a dump, without sending."""
        contacts = self._contacts(aor, to)
        if not contacts and await self._ids_by_hop(aor, ids):
            contacts = [self._probes.contact(aor)]
        if self._pauses.cover(aor) or not contacts:
            return _skipped(aor, "not registered" if not contacts else "paused")
        rows = await trio.to_thread.run_sync(self._store.waiting, aor)
        return [self._would(row, contacts) for row in rows if not ids or row.id in ids]

    def _would(self, row: StoredMessage, contacts: list[Binding]) -> Params:
        contact = self._taker(row, contacts)
        if contact is None:
            return _not_for(row, contacts[0])
        told = _outcome(row, "would send", None, contact.contact, None)
        return {**told, "request": self._text(row, contact)}

    def _text(self, row: StoredMessage, contact: Binding) -> str:
        request, _ = request_for(row, contact, self._deliverer.policy, self._clock.ahead)
        return request.to_bytes().decode("utf-8", "backslashreplace")


def _skipped(aor: str, reason: str) -> list[Params]:
    return [{"aor": f"sip:{aor}", "outcome": "skipped", "reason": reason}]


def _outcome(
    row: StoredMessage, outcome: str, status: int | None, contact: str, until: float | None
) -> Params:
    return {
        "id": row.id,
        "aor": f"sip:{row.aor}",
        "outcome": outcome,
        "status": status,
        "contact": contact,
        "next_attempt_at": until,
    }


def _not_for(row: StoredMessage, contact: Binding) -> Params:
    return {**_outcome(row, "skipped", None, contact.contact, None), "reason": _SIPS_ONLY}

"""What the control socket can ask of a running daemon: status, bindings, dump, wake, reload, stop.

Rule: one method per verb, plain JSON in and out; msilo(1) shows the results, msilod(8) documents them.
"""

import os
from collections.abc import Callable
from typing import Any, Final

import msgspec
import trio

from msilod import __version__
from msilod.control.protocol import BindingsParams, DumpParams
from msilod.control.row_verbs import OperatorVerbs
from msilod.daemon.server import Server
from msilod.errors import MsilodError, SipError
from msilod.registrar.binding import Binding
from msilod.silo.compose.outgoing import request_for
from msilod.silo.runs.sips_only import is_secure
from msilod.silo.stored_message import StoredMessage
from msilod.sip.uri import SipUri

Params = dict[str, Any]
# What `dump --wait` waits for one recipient: Timer F of two rounds and the commits.
DUMP_DEADLINE: Final = 90.0
USAGE: Final = 2
_SIPS_ONLY: Final = "sent to sips:, and not all of the way there is"


class DumpRefused(MsilodError):
    """A dump that does not say enough; the command line exits with 2."""

    exit_code = USAGE


class ControlVerbs:
    """The handlers. Each takes the params object and returns the result object."""

    def __init__(self, server: Server, reload: Callable[[], Params]) -> None:
        self.server = server
        self._reload = reload
        self._operator = OperatorVerbs(server, self._aor)

    def handlers(self) -> dict[str, Callable[[Params], Any]]:
        """Method name to handler."""
        return {
            "status": self.status,
            "bindings": self.bindings,
            "dump": self.dump,
            "wake": self._operator.wake,
            "names": self.names,
            "on_wire": self._operator.on_wire,
            "give_up": self._operator.give_up,
            "expire": self._operator.expire,
            "reload": self.reload,
            "stop": self.stop,
        }

    async def status(self, params: Params) -> Params:
        """How the daemon does: what it listens on, rows per state, counters."""
        server = self.server
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime": round(server.clock.now() - server.started, 3),
            "listening": [repr(endpoint) for endpoint in server.transports.listening()],
            "connections": server.transports.streams.counts(),
            "connections_refused": server.transports.streams.refused,
            "domains": list(server.myself.domains),
            "silo": str(server.store.path),
            "rows": await trio.to_thread.run_sync(server.store.counts),
            "bindings": len(server.location),
            "recipients_registered": server.location.aor_count,
            "open_transactions": server.layer.open_transactions,
            "users": len(server.gate.users) if server.gate.users.is_readable else None,
            "runs": len(server.deliverer.runs),
            "paused": sorted(server.deliverer.pauses.domains),
            "counters": server.counters.as_dict(),
        }

    def names(self, params: Params) -> Params:
        """The domains, addresses and ports of this server; msilo(1) reads addresses by them as the daemon does."""
        myself = self.server.myself
        return {
            "domains": list(myself.domains),
            "addresses": sorted(myself.addresses),
            "ports": sorted(myself.ports),
        }

    def bindings(self, params: Params) -> Params:
        """Who is registered where; all, or the named AORs."""
        server, wall = self.server, self.server.clock.wall()
        aors = msgspec.convert(params, BindingsParams).aors
        if aors:
            found = [b for aor in aors for b in server.location.bindings(self._aor(aor), wall)]
        else:
            found = [b for b in server.location.all() if b.expires_at > wall]
        return {"bindings": [_binding(b, server.clock.ahead) for b in found]}

    def reload(self, params: Params) -> Params:
        """As HUP: read the configuration again, and say what only a restart would change."""
        return self._reload()

    def stop(self, params: Params) -> Params:
        """As TERM: drain and end."""
        self.server.stop()
        return {}

    async def dump(self, params: Params) -> Params:
        """m_dump: deliver now, to the registered contacts, or to one contact that is named."""
        asked = msgspec.convert(params, DumpParams)
        to = asked.to
        if to is not None:
            _check_contact(to)
        aors = [self._aor(aor) for aor in asked.aors or []] or [self._aor_of_contact(to)]
        ids = frozenset(asked.ids or ())
        found: dict[str, list[Params]] = {}

        async def one(aor: str) -> None:
            try:
                if asked.dry_run:
                    found[aor] = await self._dry_run(aor, to, ids)
                else:
                    found[aor] = await self._dump_one(aor, to, ids, asked.wait)
            except MsilodError as error:
                # The others go on; an error in the nursery would end their tasks.
                found[aor] = [{"aor": f"sip:{aor}", "outcome": "failed", "reason": str(error)}]

        async with trio.open_nursery() as nursery:
            for aor in dict.fromkeys(aors):
                nursery.start_soon(one, aor)
        return {"results": [result for aor in dict.fromkeys(aors) for result in found[aor]]}

    def _aor(self, text: str) -> str:
        try:
            return self.server.myself.mailbox(text)
        except ValueError as error:
            raise DumpRefused(str(error)) from error

    def _aor_of_contact(self, contact: str | None) -> str:
        """The AOR that a `--to` without a user means (interface.md, dump)."""
        if not contact:
            raise DumpRefused("dump needs a recipient or --to CONTACT")
        named = self.server.myself.named(contact.encode("ascii", "backslashreplace"))
        if named.aor:
            return named.aor
        bound = sorted(self.server.location.aors_for_contact(contact))
        if len(bound) == 1:
            return bound[0]
        if not bound:
            raise DumpRefused(f"nobody is registered at {contact}; name the recipient as well")
        raise DumpRefused(f"{contact} belongs to {', '.join(bound)}; name one of them as well")

    def _contacts(self, aor: str, to: str | None) -> list[Binding]:
        if to is None:
            found = self.server.location.bindings(aor, self.server.clock.wall())
            return [binding for binding in found if binding.takes_messages]
        wall = self.server.clock.wall()
        return [Binding(aor, to, "msilo-dump", 0, wall + DUMP_DEADLINE, wall)]

    async def _dump_one(self, aor: str, to: str | None, ids: frozenset[int], wait: bool) -> list[Params]:
        server, results = self.server, []
        contacts = self._contacts(aor, to)
        if server.deliverer.pauses.cover(aor):
            return [{"aor": f"sip:{aor}", "outcome": "skipped", "reason": "paused"}]
        by_hop = [] if contacts else await self._ids_by_hop(aor, ids)
        if by_hop:
            contacts = [server.probes.contact(aor)]
        if not contacts:
            return [{"aor": f"sip:{aor}", "outcome": "skipped", "reason": "not registered"}]
        results += await self._left_out(aor, contacts, ids)
        if results and len(results) == (len(ids) or await self._count(aor)):
            return results
        ended = trio.Event()

        def watch(row: StoredMessage | None, outcome: str, status: int | None, until: float | None) -> None:
            if row is None:
                ended.set()
            else:
                at = None if until is None else until + server.clock.ahead
                results.append(_outcome(row, outcome, status, contacts[0].contact, at))

        if wait:
            server.deliverer.watchers.watch(aor, watch)
        if by_hop:
            server.probes.offer(aor, by_hop)
        else:
            server.deliverer.offer(aor, contacts, server.clock.now(), only=ids)
        server.after_batch()
        if not wait:
            return [{"aor": f"sip:{aor}", "outcome": "sent"}, *results]
        with trio.move_on_after(DUMP_DEADLINE):
            await ended.wait()
        server.deliverer.watchers.unwatch(aor, watch)
        return results

    async def _left_out(self, aor: str, contacts: list[Binding], ids: frozenset[int]) -> list[Params]:
        """Rows that wait for a sips: contact, which none of these is: an operator does not overrule the sender."""
        rows = await trio.to_thread.run_sync(self.server.store.waiting, aor, True)
        return [
            _not_for(row, contacts[0])
            for row in rows
            if (not ids or row.id in ids) and self._taker(row, contacts) is None
        ]

    async def _count(self, aor: str) -> int:
        return await trio.to_thread.run_sync(self.server.store.waiting_count, aor)

    def _taker(self, row: StoredMessage, contacts: list[Binding]) -> Binding | None:
        """The first of them that may have the row."""
        policy = self.server.silo.policy
        fitting = (c for c in contacts if not row.is_for_sips or is_secure(row, c, policy))
        return next(fitting, None)

    async def _ids_by_hop(self, aor: str, ids: frozenset[int]) -> list[int]:
        """The rows that go by a next hop to who is not registered here."""
        rows = await trio.to_thread.run_sync(self.server.store.waiting, aor)
        has_hop = bool(self.server.silo.policy.next_hop)
        return [row.id for row in rows if (has_hop or row.next_hop) and (not ids or row.id in ids)]

    async def _dry_run(self, aor: str, to: str | None, ids: frozenset[int]) -> list[Params]:
        contacts = self._contacts(aor, to)
        if not contacts and await self._ids_by_hop(aor, ids):
            contacts = [self.server.probes.contact(aor)]
        rows = await trio.to_thread.run_sync(self.server.store.waiting, aor)
        return [self._would(row, contacts) for row in rows if contacts and (not ids or row.id in ids)]

    def _would(self, row: StoredMessage, contacts: list[Binding]) -> Params:
        contact = self._taker(row, contacts)
        if contact is None:
            return _not_for(row, contacts[0])
        told = _outcome(row, "would send", None, contact.contact, None)
        return {**told, "request": _text(self, row, contact)}


def _text(verbs: ControlVerbs, row: StoredMessage, contact: Binding) -> str:
    server = verbs.server
    request, _ = request_for(row, contact, server.silo.policy, server.clock.ahead)
    return request.to_bytes().decode("utf-8", "backslashreplace")


def _check_contact(to: str) -> None:
    """Raises DumpRefused for a contact that is no SIP URI."""
    try:
        SipUri.parse(to)
    except SipError as error:
        raise DumpRefused(f"--to {to!r}: {error.phrase.lower()}; write sip:user@host:port") from error


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


def _binding(binding: Binding, ahead: float) -> Params:
    """Its times are system time, which is `ahead` of silo time by so many seconds."""
    return {
        "aor": f"sip:{binding.aor}",
        "contact": binding.contact,
        "expires_at": binding.expires_at + ahead,
        "q": binding.q,
        "flow": repr(binding.flow) if binding.flow is not None else "",
        "user_agent": binding.user_agent,
        "path": list(binding.path),
        "methods": sorted(binding.methods) if binding.methods is not None else None,
        "registered_at": binding.registered_at + ahead,
        "heard_at": binding.heard_at + ahead,
        "away": binding.is_away,
    }

"""Verbs: the methods of the control socket.

One method per verb, with plain JSON in and out. msilo(1) shows the results, msilod(8) documents the methods.
"""

import os
from collections.abc import Callable, Container, Iterator, Sized
from itertools import islice
from typing import Any, Final

import msgspec
import trio

from msilod import __version__
from msilod.auth.members import Members
from msilod.clock import Clock
from msilod.control.dump_verb import DumpVerb
from msilod.control.names import Names, matches
from msilod.control.protocol import BindingsParams, Listing
from msilod.control.row_verbs import RowVerbs
from msilod.counters import Counters
from msilod.registrar.binding import Binding
from msilod.registrar.location import LocationService
from msilod.routing.myself import Myself
from msilod.silo.runs.pauses import Pauses
from msilod.store.silo import Silo
from msilod.transaction.layer import TransactionLayer
from msilod.transport.transports import Transports

Params = dict[str, Any]
# Bindings in one piece of a long answer.
PIECE: Final = 100


class StatusVerb:
    """The handler of `status`."""

    def __init__(
        self,
        transports: Transports,
        layer: TransactionLayer,
        store: Silo,
        runs: Sized,
        pauses: Pauses,
        location: LocationService,
        members: Members,
        myself: Myself,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._transports = transports
        self._layer = layer
        self._store = store
        self._runs = runs
        self._pauses = pauses
        self._location = location
        self._users = members.users
        self._myself = myself
        self._clock = clock
        self._counters = counters
        self._started = clock.now()

    async def status(self, params: Params) -> Params:
        """The state of the daemon: listeners, connections, rows per state, bindings, counters. `uptime`: seconds."""
        streams, users = self._transports.streams, self._users
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime": round(self._clock.now() - self._started, 3),
            "listening": [repr(endpoint) for endpoint in self._transports.listening()],
            "connections": streams.counts(),
            "connections_refused": streams.refused,
            "domains": list(self._myself.domains),
            "silo": self._store.name,
            "rows": await trio.to_thread.run_sync(self._store.counts),
            "bindings": len(self._location),
            "recipients_registered": self._location.aor_count,
            "open_transactions": self._layer.open_transactions,
            "users": len(users) if users.is_readable else None,
            "runs": len(self._runs),
            "paused": sorted(self._pauses.domains),
            "counters": self._counters.as_dict(),
        }


class ControlVerbs:
    """The table of methods. A handler takes the params object and returns the result object.

    `reload` and `stop` are the daemon's own (daemon/reload.py, daemon/daemon.py).
    """

    def __init__(
        self,
        status: StatusVerb,
        dump: DumpVerb,
        rows: RowVerbs,
        names: Names,
        myself: Myself,
        location: LocationService,
        clock: Clock,
        reload: Callable[[], Params],
        stop: Callable[[], None],
    ) -> None:
        self._status = status
        self._dump = dump
        self._rows = rows
        self._names = names
        self._myself = myself
        self._location = location
        self._clock = clock
        self._reload = reload
        self._stop = stop

    def handlers(self) -> dict[str, Callable[[Params], Any]]:
        """Method name to handler."""
        return {
            "status": self._status.status,
            "bindings": self.bindings,
            "dump": self._dump.dump,
            "wake": self._rows.wake,
            "names": self.names,
            "on_wire": self._rows.on_wire,
            "give_up": self._rows.give_up,
            "expire": self._rows.expire,
            "reload": self.reload,
            "stop": self.stop,
        }

    def names(self, params: Params) -> Params:
        """The domains, addresses and ports of this server, with which msilo(1) reads addresses as the daemon does."""
        myself = self._myself
        return {
            "domains": list(myself.domains),
            "addresses": sorted(myself.addresses),
            "ports": sorted(myself.ports),
        }

    def bindings(self, params: Params) -> Listing:
        """The unexpired bindings of the AORs in `aors`, or of all; `*` in an AOR stands for any text.

        Times are system time.
        """
        wall = self._clock.wall()
        aors = msgspec.convert(params, BindingsParams).aors
        patterns = [aor for aor in aors or ["*"] if "*" in aor]
        named = dict.fromkeys(self._names.aor(aor) for aor in aors or () if "*" not in aor)
        found = [binding for aor in named for binding in self._location.bindings(aor, wall)]
        return Listing("bindings", self._pieces(found, patterns, named, wall))

    def _pieces(
        self, found: list[Binding], patterns: list[str], told: Container[str], wall: float
    ) -> Iterator[list[Params]]:
        """`found`, then the bindings of AORs like `patterns` but for those in `told`, in pieces of some milliseconds
        of work each.
        """
        ahead = self._clock.ahead
        for start in range(0, len(found), PIECE):
            yield [_binding(b, ahead) for b in found[start : start + PIECE]]
        if patterns:
            every, patterns = self._location.all(), ["*"] if "*" in patterns else patterns
            while some := list(islice(every, PIECE)):
                yield [
                    _binding(b, ahead)
                    for b in some
                    if b.expires_at > wall
                    and b.aor not in told
                    and any(matches(pattern, b.aor) for pattern in patterns)
                ]

    def reload(self, params: Params) -> Params:
        """Read the configuration again, as after HUP. The result names the keys for a restart. Raises MsilodError."""
        return self._reload()

    def stop(self, params: Params) -> Params:
        """Begin to drain, as after TERM."""
        self._stop()
        return {}


def _binding(binding: Binding, ahead: float) -> Params:
    """The JSON object of a binding. `ahead`: seconds from silo time to system time."""
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

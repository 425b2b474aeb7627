"""Orphans: removes bindings whose connection has ended (RFC 5626 §6, §7; checklist R13).

Rule: a contact that cannot be reached is no binding. The binding is removed from memory and database at once, so
that the next MESSAGE is stored and answered 202 without a delivery attempt. A contact that can be dialled stays. A
restart ends all connections.
"""

from collections.abc import Iterable

from msilod.clock import Clock
from msilod.delivering.deliverer import Deliverer
from msilod.registrar.binding import Binding
from msilod.registrar.location import LocationService
from msilod.registrar.reach import outlives_its_connection
from msilod.serving.registrar import Registrar
from msilod.sip.flow import Flow
from msilod.transport.transports import Transports


class Orphans:
    """Finds and removes bindings without a connection."""

    def __init__(
        self,
        transports: Transports,
        location: LocationService,
        registrar: Registrar,
        deliverer: Deliverer,
        clock: Clock,
    ) -> None:
        self._transports = transports
        self._location = location
        self._registrar = registrar
        self._deliverer = deliverer
        self._clock = clock

    def load(self, remembered: Iterable[tuple[Binding, str]]) -> None:
        """Load the bindings of the database, with the names of their flows, at the start.

        Bindings whose connection ended with the previous process are left out.
        """
        found: list[Binding] = []
        lost: list[Binding] = []
        for binding, way in remembered:
            binding.flow = self._transports.find_flow(way)
            is_reached = binding.flow is not None or not _is_stream(way) or _outlives(binding, way)
            (found if is_reached else lost).append(binding)
        self._location.load(found)
        self._registrar.forget_lost(lost)

    def closed(self, flow: Flow) -> None:
        """A connection has ended: remove the flow from its bindings, and end deliveries over the connection."""
        orphans = self._location.drop_flow(flow)
        lost = [
            binding for binding in orphans if not outlives_its_connection(binding, flow.transport, flow.host)
        ]
        self._location.remove(lost)
        self._registrar.forget_lost(lost)
        for binding in orphans:
            self._deliverer.gone(binding, self._clock.now())


def _is_stream(way: str) -> bool:
    """True for the name of a connection, which ends with a serial number (Flow.__repr__)."""
    return "#" in way


def _outlives(binding: Binding, way: str) -> bool:
    own, _, peer = way.partition(">")
    source = peer.rpartition(":")[0].strip("[]")
    return outlives_its_connection(binding, own.partition(":")[0], source)

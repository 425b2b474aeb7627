"""Orphans: bindings whose connection has ended (RFC 5626 §6, §7; checklist R13).

Rule: what nobody can reach any more is no binding. It is taken out of memory and database at once, so that the next
MESSAGE is stored and answered 202 without a try; what can be dialled stays, and is dialled. A restart ends every
connection.
"""

from typing import TYPE_CHECKING

from msilod.registrar.binding import Binding
from msilod.registrar.reach import outlives_its_connection
from msilod.sip.flow import Flow

if TYPE_CHECKING:
    from msilod.daemon.server import Server


class Orphans:
    """Finds them, and has them forgotten."""

    def __init__(self, server: "Server") -> None:
        self.server = server

    def load(self) -> None:
        """What the database remembers, at the start, without those whose connection ended with the last daemon."""
        found: list[Binding] = []
        lost: list[Binding] = []
        for binding, way in self.server.store.load_bindings():
            binding.flow = self.server.transports.find_flow(way)
            is_reached = binding.flow is not None or not _is_stream(way) or _outlives(binding, way)
            (found if is_reached else lost).append(binding)
        self.server.location.load(found)
        self.server.registrar.forget_lost(lost)

    def closed(self, flow: Flow) -> None:
        """A connection has ended: its bindings lose it, and their deliveries hear of that."""
        server = self.server
        orphans = server.location.drop_flow(flow)
        lost = [
            binding for binding in orphans if not outlives_its_connection(binding, flow.transport, flow.host)
        ]
        server.location.remove(lost)
        server.registrar.forget_lost(lost)
        for binding in orphans:
            server.deliverer.gone(binding, server.clock.now())


def _is_stream(way: str) -> bool:
    """A connection's name ends with its serial number (Flow.__repr__)."""
    return "#" in way


def _outlives(binding: Binding, way: str) -> bool:
    own, _, peer = way.partition(">")
    source = peer.rpartition(":")[0].strip("[]")
    return outlives_its_connection(binding, own.partition(":")[0], source)

"""Acks: forwards an ACK for a 2xx by the same routing as other requests, without an answer (RFC 3261 §16.11)."""

from msilod.clock import Clock
from msilod.counters import Counters
from msilod.errors import RequestRefused, SipError
from msilod.proxy.route import preprocess_route
from msilod.relaying.ack_forwarder import AckForwarder
from msilod.relaying.dialogs import Dialogs
from msilod.relaying.targets import Targets
from msilod.routing.myself import Myself
from msilod.serving.gate import Gate
from msilod.serving.lookup import Lookup
from msilod.sip.flow import Flow
from msilod.sip.message import Request


class Acks:
    """Forwards ACKs without state."""

    def __init__(
        self,
        myself: Myself,
        gate: Gate,
        dialogs: Dialogs,
        lookup: Lookup,
        targets: Targets,
        forwarder: AckForwarder,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._myself = myself
        self._gate = gate
        self._dialogs = dialogs
        self._lookup = lookup
        self._targets = targets
        self._forwarder = forwarder
        self._clock = clock
        self._counters = counters

    def forward(self, request: Request, flow: Flow, now: float) -> bool:
        """Forward an ACK to its first target. False for a refused ACK."""
        try:
            own_routes = preprocess_route(request, self._myself.owns)
            # The ACK repeats the credentials of the INVITE (§22.1).
            self._gate.clean_ack(request, flow)
            named = self._myself.named(request.uri)
            dialog = self._dialogs.of(request, own_routes, flow, named)
            author = self._myself.identify(request.from_.uri)
            if not self._gate.passes_ack(request, author, dialog, flow):
                raise RequestRefused(403, "Forbidden")
            may_relay = self._targets.lets_out(None, dialog, flow)
            bindings = self._lookup.bindings(named, request.method, self._clock.wall())
            for target in self._targets.of(request, named.uri, bindings, dialog, may_relay)[:1]:
                self._forwarder.forward(request, target, flow, now)
        except SipError:
            self._counters.dropped += 1
            return False
        return True

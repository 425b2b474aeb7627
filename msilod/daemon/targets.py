"""Targets: where a request goes that is not simply for an AOR's contacts (RFC 3261 §16.5, §16.6 step 7).

Rules: a contact that is bound here, or an AOR of ours, may always be reached. Everything else is relaying: for
a dialog that we let through, or for whom `[proxy] relay` says so; never for strangers by default (checklist P17).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msilod.errors import MalformedMessage, RequestRefused
from msilod.proxy.sips import only_sips
from msilod.proxy.target_set import Target, target_set
from msilod.registrar.binding import Binding
from msilod.sip.address import NameAddr
from msilod.sip.flow import Flow
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

if TYPE_CHECKING:
    from msilod.daemon.server import Server


class Targets:
    """The target set of a request."""

    def __init__(self, server: "Server") -> None:
        self.server = server

    def contacts(self, request: Request, uri: SipUri, bindings: list[Binding]) -> list[Target]:
        """These bindings, where no Route of the request leads elsewhere; empty when `of` has to say where it goes.

        Raises RequestRefused 480 for sips: where no contact is.
        """
        if not bindings or b"route" in request.received:
            return []
        return target_set(only_sips(bindings) if uri.scheme == "sips" else bindings)

    def of(
        self,
        request: Request,
        uri: SipUri,
        bindings: list[Binding],
        own_routes: Sequence[SipUri] = (),
        may_relay: bool = False,
        came: Flow | None = None,
    ) -> list[Target]:
        """Where `request` for `uri` goes: to these bindings, else elsewhere; by its next Route if it has one.

        Raises RequestRefused 403 for what may not be relayed, 430 for a flow that is gone, 480 for sips: where no
        contact is, MalformedMessage.
        """
        if uri.scheme == "sips":
            bindings = only_sips(bindings)
        if bindings and b"route" not in request.received:
            return target_set(bindings)
        is_allowed = may_relay or self.server.record_route.is_in_dialog(own_routes, request.call_id)
        routes = request.headers.split(b"route")
        if routes and not is_allowed:
            raise RequestRefused(403, "Forbidden")
        way = self.server.record_route.flow_of(own_routes, request.call_id)
        if came is not None and way == repr(came):
            # From the caller himself: it goes the other way (RFC 5626 §5.3.1).
            way = ""
        targets = target_set(bindings) if bindings else self._elsewhere(uri, is_allowed, way)
        if routes:
            for target in targets:
                target.route = NameAddr.parse(routes[0]).uri.decode("ascii", "replace")
        return targets

    def reach(self, uri: SipUri) -> list[Target]:
        """Where a redirection to `uri` leads; empty for what may not be reached (§16.7 step 4)."""
        try:
            return self._elsewhere(uri, self.server.config.proxy.relay == "anybody")
        except (RequestRefused, MalformedMessage):
            return []

    def _elsewhere(self, uri: SipUri, is_allowed: bool, way: str = "") -> list[Target]:
        server, text = self.server, str(uri)
        wall = server.clock.wall()
        for aor in server.location.aors_for_contact(text, uri):
            bound = server.location.bindings(aor, wall)
            found = target_set(binding for binding in bound if SipUri.parse(binding.contact).equals(uri))
            if found:
                found[0].uri = text
                return found[:1]
        if server.myself.owns(uri) and uri.user is not None:
            named = server.myself.named(text.encode())
            bound = server.location.bindings(named.aor, wall)
            if named.gruu is not None:
                bound = named.gruu.of(bound)
            return target_set(only_sips(bound) if uri.scheme == "sips" else bound)
        if not is_allowed:
            raise RequestRefused(403, "Forbidden")
        return [Target(text, self._flow(way) if way else None)]

    def _flow(self, way: str) -> Flow:
        flow = self.server.transports.find_flow(way)
        if flow is None:
            raise RequestRefused(430, "Flow Failed")
        return flow

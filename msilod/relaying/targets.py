"""Targets: the target set of a request that is not simply for the contacts of an AOR (RFC 3261 §16.5, §16.6 step 7).

Any sender may ask for an AOR or a GRUU of this server. A request with a contact as its Request-URI goes to that
binding only within a dialog (dialogs.py), or when a contact of the same AOR redirects to that contact. All other
requests are relayed only for senders that `[proxy] relay` allows (checklist P17). Within a dialog a request goes to
the other peer: to the peer's current binding, to the peer's place in the token, or to a URI on the peer's host.
"""

from collections.abc import Sequence

from msilod.auth.trust import Trust
from msilod.clock import Clock
from msilod.errors import MalformedMessage, RequestRefused
from msilod.proxy.policy import ProxyPolicy
from msilod.proxy.sips import only_sips
from msilod.proxy.target_set import BY_FLOW, Target, target_set
from msilod.registrar.binding import Binding
from msilod.registrar.location import LocationService
from msilod.relaying.dialogs import Dialog
from msilod.routing.myself import Myself
from msilod.sip.address import NameAddr
from msilod.sip.flow import Flow
from msilod.sip.hop import PUBLIC, bare, can_be_sent_to, kind_of
from msilod.sip.message import Request
from msilod.sip.uri import SipUri
from msilod.transport.transports import Transports


class Targets:
    """Computes the target set of a request."""

    def __init__(
        self,
        myself: Myself,
        location: LocationService,
        transports: Transports,
        trust: Trust,
        clock: Clock,
        policy: ProxyPolicy,
    ) -> None:
        self._myself = myself
        self._location = location
        self._transports = transports
        self._trust = trust
        self._clock = clock
        self.configure(policy)

    def configure(self, policy: ProxyPolicy) -> None:
        """Use this policy ([proxy] relay) from now on."""
        self._relay = policy.relay

    def lets_out(self, user: str | None, dialog: Dialog | None, flow: Flow) -> bool:
        """True when a request of `user`, of `dialog` or from `flow` may leave for foreign domains (checklist P17)."""
        if self._relay == "users":
            is_users = user is not None or (dialog is not None and dialog.is_users)
            return is_users or self._trust.trusts(flow)
        return self._relay == "anybody"

    def contacts(self, request: Request, uri: SipUri, bindings: list[Binding]) -> list[Target]:
        """Targets for `bindings`; empty when `of` has to decide, because there is a Route or no binding.

        Raises RequestRefused 480 when no contact may get a request for sips:.
        """
        if not bindings or b"route" in request.received:
            return []
        return target_set(only_sips(bindings) if uri.scheme == "sips" else bindings)

    def of(
        self,
        request: Request,
        uri: SipUri,
        bindings: list[Binding],
        dialog: Dialog | None = None,
        may_relay: bool = False,
    ) -> list[Target]:
        """The targets of `request` for `uri`: by the next Route if there is one, else `bindings`, else another place.

        `dialog`: the dialog that the request belongs to. Raises RequestRefused 403 for a sender that may not relay,
        430 for a lost flow, 480 when no contact may get a request for sips:, and MalformedMessage.
        """
        if uri.scheme == "sips":
            bindings = only_sips(bindings)
        if bindings and b"route" not in request.received:
            return target_set(bindings)
        routes = request.headers.split(b"route")
        if not routes:
            return self._unrouted(uri, bindings, dialog, may_relay)
        route = NameAddr.parse(routes[0]).uri.decode("ascii", "replace")
        return self._routed(route, uri, bindings, dialog, may_relay)

    def reach(self, uri: SipUri, aor: str) -> list[Target]:
        """The targets of a redirection to `uri` by a contact of `aor`; empty when `uri` may not be followed (§16.7 step
        4).

        The redirection may name another contact of the same AOR, since the Request-URI was the AOR.
        """
        text = str(uri)
        try:
            for binding in self._bindings(aor):
                if binding.contact == text or SipUri.parse(binding.contact).equals(uri):
                    return target_set([binding])
            return self._elsewhere(uri, self._relay == "anybody")
        except (RequestRefused, MalformedMessage):
            return []

    # --- one request -----------------------------------------------------------------------------------

    def _unrouted(
        self, uri: SipUri, bindings: list[Binding], dialog: Dialog | None, may_relay: bool
    ) -> list[Target]:
        if bindings:
            # The Request-URI came from a Contact, and is a GRUU or an AOR of this server.
            return target_set((dialog is not None and dialog.devices(bindings)) or bindings)
        if dialog is None:
            return self._elsewhere(uri, may_relay)
        return self._to_receiver(dialog, uri, may_relay)

    def _routed(
        self, route: str, uri: SipUri, bindings: list[Binding], dialog: Dialog | None, may_relay: bool
    ) -> list[Target]:
        """By the next Route: for a sender that may relay, or to the proxies of the receiver."""
        text = str(uri)
        first = _read(route)
        found = bindings
        if dialog is not None:
            found = (dialog.devices(bindings) or bindings) if bindings else self._devices(dialog, uri)
        is_receivers = dialog is not None and first is not None and self._leads_to(dialog, first, found)
        if not may_relay and not is_receivers:
            raise RequestRefused(403, "Forbidden")
        targets = target_set(found) if found else [Target(text)]
        for target in targets:
            target.route = route
            if dialog is not None:
                # A Path is only for requests that begin a dialog (RFC 3327 §5.3). This request has a route set.
                target.path = ()
                target.uri = target.uri if bindings else text
                if is_receivers:
                    target.reach = dialog.receiver.host
        return targets

    def _leads_to(self, dialog: Dialog, route: SipUri, bindings: Sequence[Binding]) -> bool:
        """True when `route` leads to the receiver: to the receiver's place in the dialog, or its Path's host."""
        if dialog.is_routed_to(route):
            return True
        paths = [
            NameAddr.parse(binding.path[0].encode("utf-8", "replace")).uri
            for binding in bindings
            if binding.path
        ]
        return any(uri.host == route.host for path in paths if (uri := _read(path)) is not None)

    def _to_receiver(self, dialog: Dialog, uri: SipUri, may_relay: bool) -> list[Target]:
        """To the other peer of the dialog: its contact, its place, or the Request-URI if on the peer's host."""
        text = str(uri)
        if self._myself.owns(uri) and uri.user is not None:
            return self._elsewhere(uri, may_relay, dialog)
        bound = self._devices(dialog, uri)
        if bound:
            found = target_set(only_sips(bound) if uri.scheme == "sips" else bound)
            found[0].uri = text
            return found[:1]
        is_there = dialog.is_at(uri)
        is_by_flow = dialog.is_by_flow or (
            not is_there and not may_relay and bare(uri.host) == dialog.receiver.host
        )
        if is_by_flow and not (may_relay and not is_there and _is_public(uri)):
            flow = self._flow(dialog)
            if flow is not None:
                target = Target(text, flow)
                target.reach = BY_FLOW
                return [target]
            if not (is_there and uri.is_ip_literal):
                raise RequestRefused(430, "Flow Failed")
        if not is_there:
            # The peer registers from one address and is called at another, as trunks do.
            return self._elsewhere(uri, may_relay)
        target = Target(text)
        target.reach = dialog.receiver.host
        return [target]

    def _flow(self, dialog: Dialog) -> Flow | None:
        transports = self._transports
        name = dialog.receiver.name(transports.listening())
        return transports.find_flow(name) if name else None

    def _devices(self, dialog: Dialog, uri: SipUri) -> list[Binding]:
        """The receiver's current bindings for `uri`, to use the current flow; [] for none.

        The binding is chosen by its contact, and by the device if the dialog knows the device. If the contact has
        changed, the binding is chosen by the device alone. If the connection is gone, the only contact registered
        from the same address.
        """
        bound = self._bindings(dialog.receiver_aor) if dialog.receiver_aor else []
        if not bound:
            return []
        same = [binding for binding in bound if SipUri.parse(binding.contact).equals(uri)]
        place = dialog.receiver
        if dialog.instance:
            return dialog.devices(same) or dialog.devices(bound)
        if same:
            at_place = [
                binding for binding in same if binding.flow is not None and place.is_source_of(binding.flow)
            ]
            return (at_place or same)[:1]
        if place.connection and self._flow(dialog) is None:
            near = [
                binding for binding in bound if binding.flow is not None and binding.flow.host == place.host
            ]
            return near if len(near) == 1 else []
        return []

    def _bindings(self, aor: str) -> list[Binding]:
        return self._location.bindings(aor, self._clock.wall())

    def _elsewhere(self, uri: SipUri, is_allowed: bool, dialog: Dialog | None = None) -> list[Target]:
        """An AOR or a GRUU of this server; any other URI when the sender may relay."""
        myself, text = self._myself, str(uri)
        if myself.owns(uri) and uri.user is not None:
            named = myself.named(text.encode())
            bound = self._bindings(named.aor)
            if named.gruu is not None:
                bound = named.gruu.of(bound)
            bound = (dialog is not None and dialog.devices(bound)) or bound
            return target_set(only_sips(bound) if uri.scheme == "sips" else bound)
        if not is_allowed:
            raise RequestRefused(403, "Forbidden")
        return [Target(text)]


def _read(raw: str | bytes) -> SipUri | None:
    """Parse a SIP URI; None if `raw` is no SIP URI."""
    try:
        return SipUri.parse(raw)
    except MalformedMessage:
        return None


def _is_public(uri: SipUri) -> bool:
    return uri.is_ip_literal and can_be_sent_to(bare(uri.host)) and kind_of(bare(uri.host)) == PUBLIC

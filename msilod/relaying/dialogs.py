"""Dialogs: decides which requests belong to a dialog that we let through, and where the peers are (RFC 3261 §12,
§16.4).

The proof is the token in our Record-Route. The token covers the Call-ID, the caller's tag and the addresses in From
and To, and contains the place of each peer. A request belongs to the dialog when the request has a To tag and the
token fits. Then:

    the token has expired                        481
    a peer that was a user is no longer a user   the token is ignored
    From names a user                            from that user's place, or with a password (gate.py)
    a peer that became a user since the start    has no place in the dialog
    the callee, in the name of another user      from the callee's place, to the caller only, and no MESSAGE: the
                                                 caller wrote that name into To
    where the request goes                       to the other peer only (targets.py)

Behind an edge proxy ([auth] edges) all clients have one address. There a place includes the client that the edge
names in the Via below its own Via. A client that cannot be distinguished from others must show a password.

No dialog state is kept: a token outlives restarts of the daemon. A re-INVITE and a refreshing SUBSCRIBE get a new
token.
"""

from collections.abc import Sequence
from typing import Final

from msilod.auth.members import Members
from msilod.auth.source import Sources
from msilod.clock import Clock
from msilod.dns.location import default_port
from msilod.errors import MalformedMessage, RequestRefused, SipError
from msilod.proxy.dialog_token import (
    CALLEE_IS_BOUND,
    CALLEE_IS_IN_TO,
    CALLEE_IS_PROVEN,
    CALLEE_IS_USER,
    CALLER_IS_HIDDEN,
    CALLER_IS_PROVEN,
    CALLER_IS_USER,
    MAX_AOR,
    NOT_TOLD,
    NOWHERE,
    DialogToken,
    Place,
    place_of,
    short_hash,
)
from msilod.proxy.record_route import RecordRoute
from msilod.proxy.target_set import ANYWHERE, BY_FLOW, Target
from msilod.registrar.binding import Binding
from msilod.registrar.location import LocationService
from msilod.routing.myself import Myself, Named
from msilod.sip.address import NameAddr
from msilod.sip.flow import TLS, UDP, Flow
from msilod.sip.hop import bare
from msilod.sip.message import Request
from msilod.sip.privacy import ASSERTED
from msilod.sip.uri import SipUri

# Seconds. Calls end long before: carriers cut calls at 4 to 24 hours. A subscription lives as long as the phone, and
# most phones ignore a new route set in a refresh (RFC 3261 §12.2.1.2 forbids the change). After the life of the token
# the refresh gets 481, and the phone subscribes anew (RFC 6665 §4.1.2.2).
LIFE_OF_CALL: Final = 3 * 86_400
LIFE_OF_SUBSCRIPTION: Final = 30 * 86_400


class Dialog:
    """The two peers of a request according to the token: the sender and the receiver.

    `sender_aor`: the AOR whose contact the sender is; "" when only From says so, or From names another user.
    `is_from_place`: the request came from the sender's place. `is_users`: also the sender was a user when the dialog
    began, and From names no other user. `receiver_aor`: "" for a foreign peer. `is_by_flow`: the receiver is reached
    by its place, and the Request-URI does not count. `side` and `instance`: hashes, see DialogToken.
    """

    __slots__ = (
        "instance",
        "is_by_flow",
        "is_from_place",
        "is_users",
        "receiver",
        "receiver_aor",
        "sender_aor",
        "side",
    )  # fmt: skip

    def __init__(
        self,
        sender_aor: str,
        is_from_place: bool,
        is_users: bool,
        receiver: Place,
        receiver_aor: str,
        is_by_flow: bool,
        side: bytes = b"",
        instance: bytes = b"",
    ) -> None:
        self.sender_aor = sender_aor
        self.is_from_place = is_from_place
        self.is_users = is_users
        self.receiver = receiver
        self.receiver_aor = receiver_aor
        self.is_by_flow = is_by_flow
        self.side = side
        self.instance = instance

    def is_at(self, uri: SipUri) -> bool:
        """True when `uri` has host and port of the receiver's place, or those announced by the caller's side."""
        if self.side and short_hash(_host_and_port(uri)) == self.side:
            return True
        port = uri.port or default_port(TLS if uri.scheme == "sips" else uri.transport or UDP)
        return bare(uri.host) == self.receiver.host and port == self.receiver.port

    def is_routed_to(self, uri: SipUri) -> bool:
        """True when a Route to `uri` leads to the receiver's side.

        The token is made before the callee's side announces an address, so all ports of the callee's host are
        accepted.
        """
        return self.is_at(uri) or (not self.side and bare(uri.host) == self.receiver.host)

    def devices(self, bindings: Sequence[Binding]) -> list[Binding]:
        """The `bindings` of the receiver's device; all bindings when no device is known."""
        if not self.instance:
            return list(bindings)
        return [binding for binding in bindings if short_hash(binding.instance) == self.instance]


class Dialogs:
    """Writes tokens into requests that form dialogs, and reads the tokens of requests in a dialog."""

    def __init__(
        self,
        record_route: RecordRoute,
        myself: Myself,
        location: LocationService,
        clock: Clock,
        members: Members,
        sources: Sources,
    ) -> None:
        self._record_route = record_route
        self._myself = myself
        self._location = location
        self._clock = clock
        self._members = members
        self._sources = sources

    # --- out -----------------------------------------------------------------------------------------

    def record(self, request: Request, came: Flow, target: Target, leaves: Flow) -> tuple[bytes, ...]:
        """The URIs to record in `request` on the branch to `target`. Raises MalformedMessage."""
        caller, callee, binding = self._aor(request.from_.uri), self._aor(request.to.uri), target.binding
        flags = CALLER_IS_USER if self._members.is_user(caller) else 0
        if self._is_proven(request, caller, came):
            flags |= CALLER_IS_PROVEN
        if came.is_reliable or request.via.host != came.host.encode("ascii"):
            # A caller on a stream, in a browser or behind a NAT cannot be reached at its Contact (RFC 5626 §5.3).
            flags |= CALLER_IS_HIDDEN
        aor, instance, bound = "", b"", ""
        if binding is not None:
            bound = binding.aor
            instance = short_hash(binding.instance) if binding.instance else b""
        elif target.reach == BY_FLOW:
            bound = callee
        if binding is not None or target.reach in (BY_FLOW, ANYWHERE):
            flags |= CALLEE_IS_PROVEN if target.reach == ANYWHERE else CALLEE_IS_PROVEN | CALLEE_IS_BOUND
        if bound and bound == callee:
            flags |= CALLEE_IS_IN_TO
        elif len(bound.encode()) <= MAX_AOR:
            aor = bound
        if (aor or bound == callee) and self._members.is_user(bound):
            flags |= CALLEE_IS_USER
        life = LIFE_OF_SUBSCRIPTION if request.method == b"SUBSCRIBE" else LIFE_OF_CALL
        token = DialogToken(
            flags, int(self._clock.wall()) + life, _side(request),
            place_of(came, self._sources.client_at(request, came)), self._place_of(binding, leaves), instance, aor,
        )  # fmt: skip
        return self._record_route.values(request, token, came, leaves, caller, callee)

    def _place_of(self, binding: Binding | None, leaves: Flow) -> Place:
        """The callee's place; behind an edge, including the client of the binding."""
        if not self._sources.is_edge(leaves.host):
            return place_of(leaves)
        return place_of(leaves, (binding.client if binding is not None else "") or NOT_TOLD)

    def _is_proven(self, request: Request, caller: str, came: Flow) -> bool:
        """True when the caller is a user and has shown a password (asserted in gate.py), or is registered at `came`.

        In a dialog, the callee may send an INVITE in the name that the caller has called. That name proves nothing.
        """
        asserted = request.headers.get(ASSERTED) if caller else None
        if asserted is not None:
            try:
                return self._aor(NameAddr.parse(asserted).uri) == caller
            except MalformedMessage:
                return False
        return self.is_bound_at(came, caller, self._sources.client_at(request, came))

    # --- in ------------------------------------------------------------------------------------------

    def of(self, request: Request, own_routes: Sequence[SipUri], came: Flow, named: Named) -> Dialog | None:
        """The dialog that `request` belongs to; None without a valid token.

        `named` is the AOR in the Request-URI: an AOR of this server must be the receiver's AOR.

        Raises RequestRefused 481 for an expired token, MalformedMessage for an unreadable From or To.
        """
        if not request.to.tag:
            return None
        from_aor, to_aor = self._aor(request.from_.uri), self._aor(request.to.uri)
        tokens, from_caller = self._record_route.read(request, own_routes, from_aor, to_aor)
        if not tokens:
            return None
        if min(token.ends_at for token in tokens) <= self._clock.wall():
            raise RequestRefused(
                481, "Call/Transaction Does Not Exist", detail="the dialog has lived too long"
            )
        caller, called = (from_aor, to_aor) if from_caller else (to_aor, from_aor)
        if any(self._has_ended(token, caller, _callee(token, called)) for token in tokens):
            return None
        # When a request passed here twice, the first token is from the sender's side, the last from the receiver's.
        first, last = tokens[0], tokens[-1]
        callee = _callee(last if from_caller else first, called)
        receiver_aor = callee if from_caller else caller
        if named.is_ours and named.aor != receiver_aor:
            return None
        client = self._sources.client_at(request, came)
        if from_caller:
            return self._from_caller(first, last, caller, receiver_aor, came, client)
        return self._from_callee(first, last, callee, called, receiver_aor, came, client)

    def _from_caller(
        self, first: DialogToken, last: DialogToken, caller: str, receiver_aor: str, came: Flow, client: str
    ) -> Dialog:
        place = first.caller
        if not first.flags & CALLER_IS_USER and self._members.is_user(caller):
            # The caller has become a user since the start, and has shown no password.
            place = NOWHERE
        was_user = first.flags & CALLER_IS_USER and first.flags & CALLER_IS_PROVEN
        return self._dialog(
            "", caller, place, was_user, came, client,
            last.callee, receiver_aor, last.flags & CALLEE_IS_BOUND, b"", last.instance,
        )  # fmt: skip

    def _from_callee(
        self, first: DialogToken, last: DialogToken, callee: str, called: str, receiver_aor: str, came: Flow,
        client: str,
    ) -> Dialog:  # fmt: skip
        """`callee`: the AOR whose contact got the INVITE; `called`: the AOR in To of the INVITE, now in From."""
        place = first.callee
        if not first.flags & CALLEE_IS_PROVEN and self._members.is_user(called):
            # The caller wrote a user into To and another place into the Request-URI.
            place = NOWHERE
        elif not first.flags & CALLEE_IS_USER and self._members.is_user(callee):
            # The callee has become a user since the start.
            place = NOWHERE
        is_another = called != callee and self._members.is_user(called)
        was_user = not is_another and first.flags & CALLEE_IS_USER
        return self._dialog(
            "" if is_another else callee, callee, place, was_user, came, client,
            last.caller, receiver_aor, last.flags & CALLER_IS_HIDDEN, last.side, b"",
        )  # fmt: skip

    def _dialog(
        self, sender_aor: str, bound_aor: str, place: Place, was_user: int, came: Flow, client: str,
        receiver: Place, receiver_aor: str, is_by_flow: int, side: bytes, instance: bytes,
    ) -> Dialog:  # fmt: skip
        is_there = place.is_source_of(came, client) or self.is_bound_at(came, bound_aor, client)
        return Dialog(
            sender_aor,
            is_there,
            is_there and bool(was_user),
            receiver,
            receiver_aor,
            bool(is_by_flow),
            side,
            instance,
        )

    def is_bound_at(self, came: Flow, aor: str, client: str) -> bool:
        """True when `aor` is registered from there, which took a password where there are users.

        All clients behind an edge come from one place: `client` is the one there, "" where there is no edge.
        """
        if not aor or client == NOT_TOLD or not self._location.has(aor):
            return False
        bindings = self._location.bindings(aor, self._clock.wall())
        return any(binding.flow == came and (not client or binding.client == client) for binding in bindings)

    def _has_ended(self, token: DialogToken, caller: str, callee: str) -> bool:
        """True when a peer was a user at the start of the dialog, and is no longer a user."""
        if self._members.policy.mode == "off":
            return False
        return bool(
            (token.flags & CALLER_IS_USER and not self._members.is_user(caller))
            or (token.flags & CALLEE_IS_USER and not self._members.is_user(callee))
        )

    def _aor(self, uri: bytes) -> str:
        """The AOR of this server in `uri`, "" for none."""
        return self._myself.identify(uri).aor


def _callee(token: DialogToken, called: str) -> str:
    """The AOR whose contact got the INVITE, "" for none; `called` is the AOR in To."""
    return called if token.flags & CALLEE_IS_IN_TO else token.callee_aor


def _host_and_port(uri: SipUri) -> str:
    return f"{uri.host}:{uri.port or ''}"


def _side(request: Request) -> bytes:
    """Hash of host and port of the caller's side: in the nearest Record-Route, or in Contact."""
    for name in (b"record-route", b"contact"):
        if name in request.received:
            values = request.headers.split(name)
            try:
                uri = SipUri.parse(NameAddr.parse(values[0]).uri) if values else None
                return short_hash(_host_and_port(uri)) if uri is not None else bytes(4)
            except SipError:
                return bytes(4)
    return bytes(4)

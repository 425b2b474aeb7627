"""process(): applies one REGISTER to the bindings of the AOR (RFC 3261 §10.3 steps 6 to 8).

Rules: all or nothing. A refusal changes nothing, and the given bindings are never written to. Times are seconds since
1970. Outbound (RFC 5626) is in outbound.py; a refresh with the same lines is in refresh.py.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msilod.errors import MalformedMessage, RequestRefused
from msilod.registrar.binding import Binding
from msilod.registrar.gruu import Gruus
from msilod.registrar.outbound import APPLIED, apply_outbound
from msilod.registrar.ping_state import PingState
from msilod.registrar.policy import RegistrarPolicy
from msilod.registrar.reach import wants_pings
from msilod.registrar.refresh import old_cseq, words_of
from msilod.registrar.register_contact import (
    MAX_EXPIRES,
    IsMyself,
    RegisterContact,
    method_set,
    read_contact,
    refuse_controls,
    text,
)
from msilod.registrar.room import make_room
from msilod.sip.address import NameAddr
from msilod.sip.flow import Flow
from msilod.sip.grammar import CONTROLS, number
from msilod.sip.message import Request
from msilod.sip.sips import asks_for_sips
from msilod.sip.uri import SipUri

__all__ = ["RegistrarPolicy", "Registration", "process"]

MAX_PATHS: Final = 16
MAX_USER_AGENT: Final = 256


class Registration:
    """The result of a REGISTER. `bindings` are all bindings of the AOR afterwards, best q first."""

    __slots__ = (
        "added",
        "aor",
        "bindings",
        "displaced",
        "headers",
        "is_query",
        "refreshed",
        "removed",
        "wall",
    )

    def __init__(self, aor: str, bindings: Sequence[Binding], wall: float, is_query: bool = False) -> None:
        self.aor = aor
        self.bindings = list(bindings)
        self.wall = wall
        self.is_query = is_query
        self.added: list[Binding] = []
        self.refreshed: list[Binding] = []
        self.removed: list[Binding] = []
        # Bindings among `removed` that the REGISTER did not name. They made room for the new contacts.
        self.displaced: list[Binding] = []
        self.headers: list[tuple[bytes, bytes]] = []

    @property
    def touched(self) -> list[Binding]:
        """The contacts added or refreshed by this REGISTER. m_dump delivers to these contacts."""
        return self.added + self.refreshed

    @property
    def must_commit_first(self) -> bool:
        """True when a binding is new or removed: the change must be on disk before the 200 (R6)."""
        return bool(self.added or self.removed)


def process(
    request: Request,
    aor: str,
    bindings: Sequence[Binding],
    policy: RegistrarPolicy,
    flow: Flow,
    wall: float,
    is_myself: IsMyself | None = None,
) -> Registration:
    """Return the changes of `request` to `bindings`, the unexpired bindings of `aor`.

    Contacts for which `is_myself` is true are refused. Raises RequestRefused (400, 403, 423 with Min-Expires, 500 for
    an old CSeq, 503 with Retry-After when there is no room) and MalformedMessage (400).
    """
    values = request.headers.split(b"contact")
    registration = Registration(aor, bindings, wall, is_query=not values)
    if not values:
        return registration
    if b"*" in values:
        return _remove_all(request, registration, values)
    if len(values) > 2 * policy.max_contacts + 2:
        raise RequestRefused(403, "Too Many Contacts in One Registration")
    contacts = [read_contact(request, aor, value, policy, is_myself) for value in values]
    _apply(request, registration, contacts, policy, flow)
    # The check of a sips: contact depends on the Request-URI, which is not among the compared lines.
    if len(contacts) == 1 and contacts[0].uri.scheme != "sips":
        for binding in registration.touched:
            binding.said = words_of(request, policy)
    return registration


def _remove_all(request: Request, registration: Registration, values: list[bytes]) -> Registration:
    """Apply `Contact: *`, which must be alone and have Expires: 0 (§10.3 step 6)."""
    if len(values) > 1 or number(request.headers.get(b"expires") or b"", MAX_EXPIRES) != 0:
        raise RequestRefused(400, "Contact: * Needs Expires: 0 and No Other Contact")
    for binding in registration.bindings:
        _check_order(request, binding)
    registration.removed = registration.bindings
    registration.bindings = []
    return registration


def _is_repeated(request: Request, contacts: Sequence[RegisterContact], bindings: Sequence[Binding]) -> bool:
    """True when this REGISTER has made `bindings` already: the same Call-ID, CSeq and contacts.

    The first answer was lost, by a restart or past Timer J. All contacts must be bound by this REGISTER with the same
    lifetime, and all removed contacts must be gone. A REGISTER that matches only in part is an old REGISTER.
    """
    call_id, is_found = text(request.call_id), False
    for contact in contacts:
        binding = _matching(contact, bindings)
        if not contact.expires:
            if binding is not None:
                return False
            continue
        is_found = (
            binding is not None
            and (binding.call_id, binding.cseq) == (call_id, request.cseq)
            and (binding.contact, binding.params, binding.q) == (contact.uri_text, contact.params, contact.q)
            and round(binding.expires_at - binding.registered_at) == contact.expires
        )
        if not is_found:
            return False
    return is_found


def _check_order(request: Request, binding: Binding) -> None:
    if request.cseq <= binding.cseq and binding.call_id == text(request.call_id):
        raise old_cseq()


def _apply(
    request: Request,
    registration: Registration,
    contacts: list[RegisterContact],
    policy: RegistrarPolicy,
    flow: Flow,
) -> None:
    path = _path(request)
    _refuse_mixed_schemes(request, contacts, path)
    is_outbound = apply_outbound(request, contacts, path)
    allow = method_set(b",".join(request.headers.get_all(b"allow")))
    left = {id(binding): binding for binding in registration.bindings}
    contacts = _last_of_each(contacts)
    is_repeated = _is_repeated(request, contacts, registration.bindings)
    for contact in contacts:
        former = _matching(contact, left.values())
        if former is not None:
            if not is_repeated:
                _check_order(request, former)
            del left[id(former)]
        if contact.expires == 0:
            if former is not None:
                registration.removed.append(former)
            continue
        made = _binding(request, registration, contact, path, allow, flow, is_outbound)
        if is_repeated and former is not None:
            # The binding keeps the time of the first copy.
            made.registered_at, made.expires_at = former.registered_at, former.expires_at
        if wants_pings(request, made, contact.uri):
            made.pings = _pings(former, made)
        left[id(made)] = made
        is_refresh = former is not None and _is_refresh(former, made)
        (registration.refreshed if is_refresh else registration.added).append(made)
        if former is not None and former.key != made.key:
            registration.removed.append(former)
    _take_over(registration, left, policy)
    registration.headers += announced(path, is_outbound)


def _take_over(registration: Registration, left: dict[int, Binding], policy: RegistrarPolicy) -> None:
    """Set the bindings of the registration. `left` are the bindings of the AOR, before old bindings make room."""
    # A user with too many contacts after the limit was lowered may still refresh, move and remove them.
    limit = max(policy.max_contacts, len(registration.bindings))
    registration.displaced = make_room(list(left.values()), registration.touched, limit, registration.wall)
    for gone in registration.displaced:
        del left[id(gone)]
        registration.removed.append(gone)
    registration.bindings = sorted(left.values(), key=lambda binding: -binding.q)


def _path(request: Request) -> tuple[str, ...]:
    """Return the Path values (RFC 3327 §5.3). Each value becomes the Route of a delivery, so each must be a Route."""
    values = request.headers.split(b"path")
    if len(values) > MAX_PATHS:
        raise RequestRefused(400, "Too Many Path Values")
    path = tuple(map(text, values))
    for value in path:
        sent = value.encode("utf-8", "replace")
        refuse_controls(sent)
        try:
            # The form in deliveries is checked: bytes that are not UTF-8 become longer escapes with backslashes.
            SipUri.parse(NameAddr.parse(sent).uri)
        except MalformedMessage as error:
            # A 416 is about the Request-URI (RFC 3261 §21.4.14).
            raise RequestRefused(400, f"Bad Path: {error.phrase}") from error
    return path


def _refuse_mixed_schemes(request: Request, contacts: list[RegisterContact], path: tuple[str, ...]) -> None:
    """RFC 5630 §5.2: a sips: contact needs a sips: Request-URI and a Path of only sips: URIs."""
    if any(contact.uri.scheme == "sips" for contact in contacts):
        uris = [request.uri, *(NameAddr.parse(value.encode()).uri for value in path)]
        if not all(map(asks_for_sips, uris)):
            raise RequestRefused(400, "sips: Contact in a sip: Registration")


def _last_of_each(contacts: list[RegisterContact]) -> list[RegisterContact]:
    """Keep one contact of each name in a REGISTER: the last value counts.

    A removal is of a binding that existed before (RFC 3261 §10.3 step 7). When the same REGISTER binds the instance and
    reg-id to a new contact, the new contact replaces the old contact, and the removal is void in any order. PJSIP sends
    both after a broken connection.
    """
    if len(contacts) == 1:
        return contacts
    bound = {contact.flow_id for contact in contacts if contact.reg_id and contact.expires}
    contacts = [contact for contact in contacts if contact.expires or contact.flow_id not in bound]
    return [
        contact
        for place, contact in enumerate(contacts)
        if not any(later.is_same(contact) for later in contacts[place + 1 :])
    ]


def announced(path: Sequence[str], is_outbound: bool) -> list[tuple[bytes, bytes]]:
    """RFC 3327 §5.3: the Path values are copied into the 200. RFC 5626 §6: the 200 says when outbound is applied."""
    headers = [(b"Path", value.encode("utf-8", "replace")) for value in path]
    if is_outbound:
        headers += APPLIED
    elif path:
        headers.append((b"Supported", b"path"))
    return headers


def _matching(contact: RegisterContact, bindings: Iterable[Binding]) -> Binding | None:
    for binding in bindings:
        if contact.names(binding):
            return binding
    return None


def _binding(
    request: Request,
    registration: Registration,
    contact: RegisterContact,
    path: tuple[str, ...],
    allow: frozenset[str] | None,
    flow: Flow,
    is_outbound: bool,
) -> Binding:
    wall = registration.wall
    return Binding(
        aor=registration.aor,
        contact=contact.uri_text,
        call_id=text(request.call_id),
        cseq=request.cseq,
        expires_at=wall + contact.expires,
        registered_at=wall,
        q=contact.q,
        params=contact.params,
        path=path,
        flow=flow,
        instance=contact.instance,
        reg_id=contact.reg_id,
        user_agent=text(
            (request.headers.get(b"user-agent") or b"")[:MAX_USER_AGENT].translate(None, CONTROLS)
        ),
        methods=contact.methods or allow,
        is_outbound=is_outbound and bool(contact.reg_id),
    )


def _pings(former: Binding | None, made: Binding) -> PingState:
    """Return the state of the former binding when contact and flow are the same, else a new state."""
    if former is None or former.pings is None or (former.contact, former.flow) != (made.contact, made.flow):
        return PingState()
    return former.pings


def _is_refresh(former: Binding, made: Binding) -> bool:
    """True when a restart with `former` from the database would serve the device equally well."""
    return (
        former.key == made.key
        and former.call_id == made.call_id
        and former.flow == made.flow
        and former.path == made.path
        and former.methods == made.methods
        and former.params == made.params
        and former.q == made.q
        and former.user_agent == made.user_agent
    )


def contact_line(binding: Binding, wall: float, gruus: Gruus | None = None) -> bytes:
    """Return the Contact value of a binding for a 200 (§10.3 step 8).

    The value has at least one second left: `expires=0` would mean an unregistered contact.
    """
    told = binding.told if gruus is None else _told(binding, gruus.parameters(binding))
    if not told:
        told = binding.told = _told(binding, "")
    return b"%b%d" % (told, max(1, round(binding.expires_at - wall)))


def _told(binding: Binding, gruu: str) -> bytes:
    """Return the constant part of the Contact value. Only the GRUUs change from one 200 to the next."""
    q = "" if binding.q == 1.0 else f";q={binding.q:g}"
    return f"<{binding.contact}>{binding.params}{gruu}{q};expires=".encode("utf-8", "replace")

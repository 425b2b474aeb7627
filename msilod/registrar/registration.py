"""process(): one REGISTER against the bindings of its AOR (RFC 3261 §10.3 steps 6 to 8).

Rules: all or nothing; a refusal changes nothing. Times are seconds since 1970.
A contact that is no SIP URI is refused with 400: nothing here could ever send to it.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Final

from msilod.errors import MalformedMessage, RequestRefused
from msilod.registrar.binding import Binding
from msilod.sip.address import NameAddr
from msilod.sip.flow import Flow
from msilod.sip.grammar import number
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

_MAXIMUM: Final = 2**32 - 1
# RFC 3261 §10.3 step 7: a registrar may refuse an interval only if it is below an hour.
_HOUR: Final = 3600
_OWN_PARAMETERS: Final = frozenset((b"q", b"expires"))
# All of a REGISTER that its binding depends on.
_SAYING: Final = frozenset((b"contact", b"expires", b"call-id", b"allow", b"path", b"user-agent"))
MAX_CONTACT: Final = 2048
MAX_PATHS: Final = 16


@dataclass(frozen=True, slots=True)
class RegistrarPolicy:
    """The [registrar] keys, seconds and a count."""

    default_expires: int = 3600
    min_expires: int = 60
    max_expires: int = 86400
    max_contacts: int = 10


class Registration:
    """What a REGISTER comes to. `bindings` are all of the AOR afterwards, best q first."""

    __slots__ = ("added", "aor", "bindings", "headers", "is_query", "refreshed", "removed", "wall")

    def __init__(self, aor: str, bindings: Sequence[Binding], wall: float, is_query: bool = False) -> None:
        self.aor = aor
        self.bindings = list(bindings)
        self.wall = wall
        self.is_query = is_query
        self.added: list[Binding] = []
        self.refreshed: list[Binding] = []
        self.removed: list[Binding] = []
        self.headers: list[tuple[bytes, bytes]] = []

    @property
    def touched(self) -> list[Binding]:
        """The contacts that this REGISTER keeps alive: m_dump goes to them."""
        return self.added + self.refreshed

    @property
    def must_commit_first(self) -> bool:
        """True when something is new or removed: on the disk before the 200 (R6)."""
        return bool(self.added or self.removed)

    @property
    def contact_lines(self) -> list[bytes]:
        """The Contact values of the 200: every binding with what is left of it (§10.3 step 8)."""
        return [_contact_line(binding, self.wall) for binding in self.bindings]


class _Contact:
    """One Contact value of the request, checked."""

    __slots__ = ("address", "expires", "instance", "methods", "params", "q", "reg_id", "uri")

    def __init__(self, address: NameAddr, expires: int, q: float) -> None:
        self.address = address
        self.uri = SipUri.parse(address.uri)
        self.expires = expires
        self.q = q
        self.instance = (address.get(b"+sip.instance") or b"").decode("ascii", "replace")
        self.reg_id = number(address.get(b"reg-id") or b"", _MAXIMUM) or 0
        self.methods = _method_set((address.get(b"methods") or b"").strip(b'"'))
        self.params = "".join(
            f";{name.decode('ascii', 'replace')}"
            + (f"={value.decode('ascii', 'replace')}" if value is not None else "")
            for name, value in address.params
            if name.lower() not in _OWN_PARAMETERS
        )


def process(
    request: Request, aor: str, bindings: Sequence[Binding], policy: RegistrarPolicy, flow: Flow, wall: float
) -> Registration:
    """The changes that `request` makes to `bindings`, those of `aor` (unexpired).

    Raises RequestRefused (400, 403, 423 with Min-Expires, 500 for an old CSeq) and MalformedMessage.
    """
    said = tuple([line for name, line in request.headers.fields if name in _SAYING])
    for binding in bindings:
        if binding.said == said and binding.flow == flow:
            return _say_again(request, binding, bindings, wall)
    values = request.headers.split(b"contact")
    registration = Registration(aor, bindings, wall, is_query=not values)
    if not values:
        return registration
    if b"*" in values:
        return _remove_all(request, registration, values)
    if len(values) > 2 * policy.max_contacts + 2:
        raise RequestRefused(403, "Too Many Contacts")
    contacts = [_check(request, aor, value, policy) for value in values]
    _apply(request, registration, contacts, policy, flow)
    if len(contacts) == 1:
        for binding in registration.touched:
            binding.said = said
    return registration


def _say_again(request: Request, binding: Binding, bindings: Sequence[Binding], wall: float) -> Registration:
    """Phones refresh in the very words of the REGISTER before, under a higher CSeq: nothing is parsed again.

    Measured: it halves the cost of a refresh, and refreshes are what a registrar does all day.
    """
    _check_order(request, binding)
    registration = Registration(binding.aor, bindings, wall)
    again = copy(binding)
    again.cseq = request.cseq
    again.expires_at = wall + (binding.expires_at - binding.registered_at)
    again.registered_at = wall
    registration.bindings = [again if other is binding else other for other in bindings]
    registration.refreshed.append(again)
    _announce(registration, again.path)
    return registration


def _remove_all(request: Request, registration: Registration, values: list[bytes]) -> Registration:
    """`Contact: *`, only alone and with Expires: 0 (§10.3 step 6)."""
    if len(values) > 1 or number(request.headers.get(b"expires") or b"", _MAXIMUM) != 0:
        raise RequestRefused(400, "Bad Request", detail="Contact: * wants Expires: 0 and no other contact")
    for binding in registration.bindings:
        _check_order(request, binding)
    registration.removed = registration.bindings
    registration.bindings = []
    return registration


def _check(request: Request, aor: str, value: bytes, policy: RegistrarPolicy) -> _Contact:
    address = NameAddr.parse(value)
    if len(address.uri) > MAX_CONTACT:
        raise RequestRefused(403, "Contact Too Long")
    contact = _Contact(address, _expires(request, address, policy), _q(address))
    if contact.uri.user is not None and contact.uri.port is None and contact.uri.aor() == aor:
        raise RequestRefused(403, "Contact Is the Address of Record")
    return contact


def _expires(request: Request, address: NameAddr, policy: RegistrarPolicy) -> int:
    """The contact's own, else the header's, else the default; garbage is as the default (F9)."""
    own = address.get(b"expires")
    value = own if own is not None else request.headers.get(b"expires")
    if value is None:
        return policy.default_expires
    seconds = number(value, _MAXIMUM)
    if seconds is None:
        return policy.default_expires
    if 0 < seconds < min(policy.min_expires, _HOUR):
        raise RequestRefused(423, "Interval Too Brief", [(b"Min-Expires", b"%d" % policy.min_expires)])
    return min(seconds, policy.max_expires)


def _q(address: NameAddr) -> float:
    """qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )."""
    value = address.get(b"q")
    if value is None:
        return 1.0
    whole, _, part = value.partition(b".")
    thousandths = number((part + b"000")[:3], 999) if len(part) <= 3 else None
    if whole not in (b"0", b"1") or thousandths is None or (whole == b"1" and thousandths):
        raise MalformedMessage("Bad q")
    return int(whole) + thousandths / 1000


def _method_set(value: bytes) -> frozenset[str] | None:
    names = [name.strip(b" \t") for name in value.split(b",")]
    return frozenset(name.decode("ascii", "replace").upper() for name in names if name) or None


def _check_order(request: Request, binding: Binding) -> None:
    """§10.3 step 7: under the same Call-ID the CSeq must grow, or nothing is changed."""
    if binding.call_id == _text(request.call_id) and request.cseq <= binding.cseq:
        raise RequestRefused(500, "Server Internal Error", detail="CSeq is not higher than the binding's")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _apply(
    request: Request,
    registration: Registration,
    contacts: list[_Contact],
    policy: RegistrarPolicy,
    flow: Flow,
) -> None:
    path = tuple(_text(value) for value in request.headers.split(b"path"))
    if len(path) > MAX_PATHS:
        raise RequestRefused(400, "Bad Request", detail="too many Path values")
    allow = _method_set(b",".join(request.headers.get_all(b"allow")))
    left = {id(binding): binding for binding in registration.bindings}
    for contact in _last_of_each(contacts):
        former = _matching(contact, left.values())
        if former is not None:
            _check_order(request, former)
            del left[id(former)]
        if contact.expires == 0:
            if former is not None:
                registration.removed.append(former)
            continue
        made = _binding(request, registration, contact, path, allow, flow)
        left[id(made)] = made
        is_refresh = former is not None and _is_refresh(former, made)
        (registration.refreshed if is_refresh else registration.added).append(made)
        if former is not None and not is_refresh and former.contact != made.contact:
            registration.removed.append(former)
    if len(left) > policy.max_contacts:
        raise RequestRefused(403, "Too Many Contacts")
    registration.bindings = sorted(left.values(), key=lambda binding: -binding.q)
    _announce(registration, path)


def _last_of_each(contacts: list[_Contact]) -> list[_Contact]:
    """A contact that is named twice in one REGISTER is one contact; the last word counts."""
    if len(contacts) == 1:
        return contacts
    return [
        contact
        for place, contact in enumerate(contacts)
        if not any(later.uri.equals(contact.uri) for later in contacts[place + 1 :])
    ]


def _announce(registration: Registration, path: tuple[str, ...]) -> None:
    """RFC 3327 §5.3: the Path values are copied into the 200."""
    for value in path:
        registration.headers.append((b"Path", value.encode("utf-8", "replace")))
    if path:
        registration.headers.append((b"Supported", b"path"))


def _matching(contact: _Contact, bindings: Iterable[Binding]) -> Binding | None:
    text = str(contact.uri)
    for binding in bindings:
        if binding.contact == text or SipUri.parse(binding.contact).equals(contact.uri):
            return binding
    return None


def _binding(
    request: Request,
    registration: Registration,
    contact: _Contact,
    path: tuple[str, ...],
    allow: frozenset[str] | None,
    flow: Flow,
) -> Binding:
    wall = registration.wall
    return Binding(
        aor=registration.aor,
        contact=_text(contact.address.uri),
        call_id=_text(request.call_id),
        cseq=request.cseq,
        expires_at=wall + contact.expires,
        registered_at=wall,
        q=contact.q,
        params=contact.params,
        path=path,
        flow=flow,
        instance=contact.instance,
        reg_id=contact.reg_id,
        user_agent=_text(request.headers.get(b"user-agent") or b""),
        methods=contact.methods or allow,
    )


def _is_refresh(former: Binding, made: Binding) -> bool:
    """True when a restart that remembers `former` would reach the device as well."""
    return (
        former.contact == made.contact
        and former.call_id == made.call_id
        and former.flow == made.flow
        and former.path == made.path
        and former.methods == made.methods
        and former.params == made.params
        and former.q == made.q
    )


def _contact_line(binding: Binding, wall: float) -> bytes:
    q = "" if binding.q == 1.0 else f";q={binding.q:g}"
    left = max(0, round(binding.expires_at - wall))
    return f"<{binding.contact}>{binding.params}{q};expires={left}".encode("utf-8", "replace")

"""make_room(): finds bindings to remove for a new contact of an AOR at the limit (checklist R9).

Rules: a softphone that restarts without un-registering comes back with another contact each time, and the old contacts
stay until they expire. So the oldest contact makes room, in this order: first a contact with a later contact of the
same instance (RFC 5627 §6.1 uses only the latest), then a contact of an instance in the REGISTER, then a contact from
the same source. Flows of a device (RFC 5626 reg-id) do not replace each other. Without a candidate the answer is 503
with Retry-After, since phones try again after a 503 and need not repeat after a 403 (RFC 3261 §21.4.4).
"""

from collections.abc import Sequence
from math import ceil
from typing import Final

from msilod.errors import RequestRefused
from msilod.registrar.binding import Binding
from msilod.sip.uri import SipUri

# Seconds: a refused phone tries again within a minute.
MAX_RETRY: Final = 60
_NO_CANDIDATE: Final = 3


def make_room(bindings: Sequence[Binding], made: Sequence[Binding], limit: int, wall: float) -> list[Binding]:
    """Return the bindings to remove until `limit` are left; `bindings` are those of an AOR after a REGISTER.

    `made` are the bindings added or refreshed by the REGISTER; these stay. Raises RequestRefused: 503 with
    Retry-After when there is no room, 403 when the REGISTER itself names more than `limit` contacts.
    """
    excess = len(bindings) - limit
    if excess <= 0:
        return []
    if len(made) > limit:
        raise RequestRefused(403, "Too Many Contacts in One Registration")
    instances = {binding.instance for binding in made if binding.instance}
    sources = {_source(binding) for binding in made}
    latest: dict[str, float] = {}
    for binding in bindings:
        if binding.instance and not binding.reg_id:
            latest[binding.instance] = max(latest.get(binding.instance, 0.0), binding.registered_at)
    stay = {id(binding) for binding in made}
    ranked: list[tuple[int, float, int]] = []
    for place, binding in enumerate(bindings):
        if id(binding) in stay:
            continue
        rank = _NO_CANDIDATE
        if not binding.reg_id and latest.get(binding.instance, 0.0) > binding.registered_at:
            rank = 0
        elif binding.instance in instances:
            rank = 1
        elif _source(binding) in sources:
            rank = 2
        ranked.append((rank, binding.registered_at, place))
    ranked.sort()
    if len(ranked) < excess or ranked[excess - 1][0] == _NO_CANDIDATE:
        ends_in = ceil(min(binding.expires_at for binding in bindings) - wall)
        seconds = min(max(ends_in, 1), MAX_RETRY)
        raise RequestRefused(503, "Too Many Contacts of This User", [(b"Retry-After", b"%d" % seconds)])
    return [bindings[place] for _, _, place in ranked[:excess]]


def _source(binding: Binding) -> tuple[str, ...]:
    """Return the source of the REGISTER: two contacts of one phone share the source.

    Behind an edge proxy every REGISTER comes from the edge, so the source is the Path and the host of the contact.
    """
    if binding.path:
        return SipUri.parse(binding.contact).host, *binding.path
    return (binding.flow.host,) if binding.flow is not None else (SipUri.parse(binding.contact).host,)

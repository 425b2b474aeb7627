"""Room for a new contact of an AOR that has as many as it may have (checklist R9).

Rules: a softphone that is restarted without un-registering comes back with another contact each time, and its former
contacts stay until they expire. So the oldest of them makes room: first a contact with a later one of its instance
(RFC 5627 §6.1 uses only the latest), then one of the same instance, then one from the same source. Flows of a device
(RFC 5626 reg-id) are no former contacts of each other. Where none of these is there, the answer is 503 with
Retry-After, which phones try again: a 403 is one that they need not repeat (RFC 3261 §21.4.4).
"""

from collections.abc import Sequence
from math import ceil
from typing import Final

from msilod.errors import RequestRefused
from msilod.registrar.binding import Binding
from msilod.sip.uri import SipUri

# Seconds: a phone that is refused asks again within a minute.
MAX_RETRY: Final = 60
_NO_CANDIDATE: Final = 3


def make_room(bindings: Sequence[Binding], made: Sequence[Binding], limit: int, wall: float) -> list[Binding]:
    """Which of `bindings`, those of an AOR after a REGISTER, have to go so that `limit` are left.

    `made` are those of them that the REGISTER has bound or refreshed; they stay. Raises RequestRefused: 503 with
    Retry-After when there is no room, 403 when the REGISTER itself names more than `limit`.
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
    """The host that the REGISTER came from: two contacts of one phone share it.

    Behind an edge proxy every REGISTER comes from the edge, so that Path and the contact's own host tell.
    """
    if binding.path:
        return SipUri.parse(binding.contact).host, *binding.path
    return (binding.flow.host,) if binding.flow is not None else (SipUri.parse(binding.contact).host,)

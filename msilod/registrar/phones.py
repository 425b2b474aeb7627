"""Phones: which bindings of one AOR belong to one phone that was started again.

A softphone that does not remove its binding when it ends registers another contact after its start: the same user
part at the same place, with other parameters. Both bindings live until the older one expires. A copy of each request
for every one of them would reach the same phone several times, and ten contacts at a place that never registered
would make a flood for that place of one request.

Two bindings are those of one phone when they have the same user part and the same place, and no different
instances (+sip.instance, RFC 5626 section 4.1). A place is where the requests go: the flow of the REGISTER, or the
host and port of the contact, or both the Path and the contact. So two phones behind one edge proxy stay two.
"""

from collections.abc import Hashable, Iterable

from msilod.registrar.binding import Binding
from msilod.registrar.reach import means_what_it_says
from msilod.sip.uri import SipUri, canonical_user


def newest_of_each_phone(bindings: Iterable[Binding]) -> list[Binding]:
    """The bindings without those that a later one of the same phone has replaced, in their order.

    Of two that were registered at one time the first in `bindings` is kept.
    """
    phones: dict[Hashable, list[Binding]] = {}
    ordered = list(bindings)
    for binding in ordered:
        phones.setdefault(_phone(binding), []).append(binding)
    if len(phones) == len(ordered):
        return ordered
    kept = {id(binding) for group in phones.values() for binding in _newest(group)}
    return [binding for binding in ordered if id(binding) in kept]


def _newest(group: list[Binding]) -> list[Binding]:
    """The latest binding of the group, or of each instance where there are several."""
    latest: dict[str, Binding] = {}
    several = len({binding.instance for binding in group if binding.instance}) > 1
    for binding in group:
        instance = binding.instance if several else ""
        other = latest.get(instance)
        if other is None or binding.registered_at > other.registered_at:
            latest[instance] = binding
    return list(latest.values())


def _phone(binding: Binding) -> Hashable:
    """User part and place; the flows of an outbound phone (RFC 5626) are told apart by reg-id."""
    uri, flow = SipUri.parse(binding.contact), binding.flow
    user = canonical_user(uri.user or "")
    if binding.path:
        return user, uri.host, uri.port, binding.path, flow, binding.reg_id
    if flow is not None and (flow.connection or not means_what_it_says(uri, flow.host)):
        return user, flow, binding.reg_id
    return user, uri.host, uri.port, uri.transport, binding.reg_id

"""Phones: finds bindings of one AOR from the same phone before and after a restart of the phone.

A softphone that ends without removing its binding registers another contact after the next start: the same user part at
the same place, with other parameters. Both bindings live until the older binding expires. A copy of a request for each
binding would reach the same phone several times. Ten contacts at a place that never registered would turn one request
into a flood for that place.

Two bindings belong to one phone when user part and place are equal and the instances do not differ (+sip.instance, RFC
5626 section 4.1). The place is the target of the requests: the flow of the REGISTER, or host and port of the contact,
or both Path and contact. So two phones behind one edge proxy stay two phones.
"""

from collections.abc import Hashable, Iterable

from msilod.registrar.binding import Binding
from msilod.registrar.reach import means_what_it_says
from msilod.sip.uri import SipUri, canonical_user


def newest_of_each_phone(bindings: Iterable[Binding]) -> list[Binding]:
    """Return the bindings, in order, without those replaced by a later binding of the same phone.

    When two bindings were registered at the same time, the first in `bindings` is kept.
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
    """Return the latest binding of the group, or the latest of each instance when the group has several instances."""
    latest: dict[str, Binding] = {}
    several = len({binding.instance for binding in group if binding.instance}) > 1
    for binding in group:
        instance = binding.instance if several else ""
        other = latest.get(instance)
        if other is None or binding.registered_at > other.registered_at:
            latest[instance] = binding
    return list(latest.values())


def _phone(binding: Binding) -> Hashable:
    """Return user part and place. The flows of an outbound phone (RFC 5626) differ by reg-id."""
    uri, flow = SipUri.parse(binding.contact), binding.flow
    user = canonical_user(uri.user or "")
    if binding.path:
        return user, uri.host, uri.port, binding.path, flow, binding.reg_id
    if flow is not None and (flow.connection or not means_what_it_says(uri, flow.host)):
        return user, flow, binding.reg_id
    return user, uri.host, uri.port, uri.transport, binding.reg_id

"""Reach: which bindings can be reached without the flow that they registered by (RFC 5626 §6, checklist R10, R13).

Rules: a contact on the address its REGISTER came from means what it says, port included; one at a public address
of its own likewise; any other (private, a name, `.invalid`) is nowhere but at the end of its flow. Nobody dials a
browser or a TLS phone, and a phone that keeps flows (reg-id) has told that it opens them itself.
"""

import ipaddress

from msilod.registrar.binding import Binding
from msilod.registrar.ping_state import PingState
from msilod.sip.flow import TCP, UDP, Flow
from msilod.sip.hop import bare, can_be_sent_to
from msilod.sip.message import Request
from msilod.sip.uri import SipUri
from msilod.sip.via import DEFAULT_PORT, Via


def means_what_it_says(contact: SipUri, source: str) -> bool:
    """True when requests may go where `contact` says; `source` is the address its REGISTER came from."""
    if not contact.is_ip_literal:
        return False
    host = bare(contact.host)
    return host == source or (can_be_sent_to(host) and ipaddress.ip_address(host).is_global)


def is_reached_by_its_source(binding: Binding, contact: SipUri) -> bool:
    """True when requests to `contact`, that of `binding`, go to where its REGISTER came from, by UDP."""
    flow = binding.flow
    return (
        flow is not None
        and flow.transport == UDP
        and not binding.path
        and contact.scheme == "sip"
        and not means_what_it_says(contact, flow.host)
    )


def wants_pings(request: Request, binding: Binding, contact: SipUri) -> bool:
    """True when the way to `binding`, which `request` has made, is to be kept open by us.

    A phone is behind NAT when its contact is another place than its REGISTER came from, or when the contact is that
    place and the Via is not: the phone has learnt of its NAT. A phone that promises keep-alives needs no ping:
    by `keep` in Via (RFC 6223), or by outbound (RFC 5626).
    """
    flow = binding.flow
    if flow is None or flow.connection or binding.is_outbound:
        return False
    via = request.via
    if b"keep" in via.raw and b"keep" in via.params:
        return False
    return is_reached_by_its_source(binding, contact) or _has_learnt_of_nat(binding, contact, via, flow)


def _has_learnt_of_nat(binding: Binding, contact: SipUri, via: Via, flow: Flow) -> bool:
    if binding.path or contact.scheme != "sip" or (contact.transport or UDP) != UDP:
        return False
    if (bare(contact.host), contact.port or DEFAULT_PORT) != (flow.host, flow.port):
        return False
    said = via.host.decode("ascii", "replace"), via.port or DEFAULT_PORT
    return (bare(said[0]), said[1]) != (flow.host, flow.port)


def restored_pings(binding: Binding) -> PingState | None:
    """For a binding from the database. The database does not say whether its REGISTER promised keep-alives.

    A phone that sends keep-alives is pinged as well until its next REGISTER; a phone that has learnt of its NAT is not.
    """
    return PingState() if is_reached_by_its_source(binding, SipUri.parse(binding.contact)) else None


def outlives_its_connection(binding: Binding, transport: str, source: str) -> bool:
    """False when a binding that came by this connection is worth nothing after its end."""
    if binding.path:
        return True
    if binding.instance and binding.reg_id:
        return False
    return transport == TCP and means_what_it_says(SipUri.parse(binding.contact), source)

"""Reach: decides which bindings can be reached without the flow of their REGISTER (RFC 5626 §6, checklist R10, R13).

Rules: a contact with the source address of its REGISTER is reachable at its own host and port. A contact with a public
address is also reachable there. Any other contact (a private address, a name, `.invalid`) is reachable only by its
flow. No connection is opened to a browser or a TLS phone. A phone with flows (reg-id) opens its connections itself.
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
    """True when requests may go to the address in `contact`; `source` is the source address of the REGISTER."""
    if not contact.is_ip_literal:
        return False
    host = bare(contact.host)
    return host == source or (can_be_sent_to(host) and ipaddress.ip_address(host).is_global)


def is_reached_by_its_source(binding: Binding, contact: SipUri) -> bool:
    """True when requests to `contact`, the contact of `binding`, go by UDP to the source of the REGISTER."""
    flow = binding.flow
    return (
        flow is not None
        and flow.transport == UDP
        and not binding.path
        and contact.scheme == "sip"
        and not means_what_it_says(contact, flow.host)
    )


def wants_pings(request: Request, binding: Binding, contact: SipUri) -> bool:
    """True when this server must keep the way to `binding` open; `request` is the REGISTER that made the binding.

    A phone is behind NAT when the contact differs from the source of the REGISTER, or when the contact is the source
    but the Via is not: then the phone has learnt its public address. A phone with keep-alives needs no ping:
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
    """Return the PingState of a binding from the database, None when the binding needs no pings.

    The database does not record whether the REGISTER promised keep-alives. So a phone that sends keep-alives is pinged,
    too, until its next REGISTER. A phone that has learnt its public address is not pinged until then.
    """
    return PingState() if is_reached_by_its_source(binding, SipUri.parse(binding.contact)) else None


def outlives_its_connection(binding: Binding, transport: str, source: str) -> bool:
    """False when a binding by this connection cannot be reached after the end of the connection."""
    if binding.path:
        return True
    if binding.instance and binding.reg_id:
        return False
    return transport == TCP and means_what_it_says(SipUri.parse(binding.contact), source)

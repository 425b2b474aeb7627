"""Reach: which bindings can be reached without the flow that they registered by (RFC 5626 §6, checklist R10, R13).

Rules: a contact on the address its REGISTER came from means what it says, port included; one at a public address
of its own likewise; any other (private, a name, `.invalid`) is nowhere but at the end of its flow. Nobody dials a
browser or a TLS phone, and a phone that keeps flows (reg-id) has told that it opens them itself.
"""

import ipaddress

from msilod.registrar.binding import Binding
from msilod.sip.flow import TCP
from msilod.sip.hop import bare, can_be_sent_to
from msilod.sip.uri import SipUri


def means_what_it_says(contact: SipUri, source: str) -> bool:
    """True when requests may go where `contact` says; `source` is the address its REGISTER came from."""
    if not contact.is_ip_literal:
        return False
    host = bare(contact.host)
    return host == source or (can_be_sent_to(host) and ipaddress.ip_address(host).is_global)


def outlives_its_connection(binding: Binding, transport: str, source: str) -> bool:
    """False when a binding that came by this connection is worth nothing after its end."""
    if binding.path:
        return True
    if binding.instance and binding.reg_id:
        return False
    return transport == TCP and means_what_it_says(SipUri.parse(binding.contact), source)

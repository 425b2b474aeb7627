"""Outbound: decides whether outbound is applied to a REGISTER with instance and reg-id (RFC 5626 §6, checklist R12).

Rules: outbound is applied when the first hop can keep a flow. The first hop is this server when the request has a
single Via, else the edge proxy that marked its Path with `ob`. A REGISTER with `Supported: outbound` gets 439 when
outbound cannot be applied. A REGISTER with only the parameters is registered without outbound.
"""

from collections.abc import Sequence
from typing import Final

from msilod.errors import RequestRefused
from msilod.registrar.register_contact import RegisterContact
from msilod.sip.address import NameAddr
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

# Seconds within which a phone shows that the flow lives (§4.4). Some NATs forget a UDP flow in half of this time.
FLOW_TIMER: Final = 120
APPLIED: Final = (
    (b"Require", b"outbound"),
    (b"Supported", b"path, outbound"),
    (b"Flow-Timer", b"%d" % FLOW_TIMER),
)


def apply_outbound(request: Request, contacts: Sequence[RegisterContact], path: Sequence[str]) -> bool:
    """Return True when the 200 must say that outbound is applied. Set the reg-ids to 0 when outbound is impossible.

    A phone with a reg-id but without `Supported: outbound` is still bound by instance and reg-id, but the 200 has
    neither Require nor Flow-Timer (RFC 3261 §8.2.4, RFC 5626 §6). Raises RequestRefused: 400 for more than one contact
    with a reg-id, 439 when outbound is asked for and impossible.
    """
    flows = [contact for contact in contacts if contact.reg_id]
    if not flows:
        return False
    if len([contact for contact in flows if contact.expires]) > 1:
        raise RequestRefused(400, "More Than One Contact With reg-id")
    is_asked_for = b"outbound" in [tag.lower() for tag in request.headers.split(b"supported")]
    if _keeps_flows(request, path):
        return is_asked_for and any(contact.expires for contact in flows)
    if is_asked_for:
        raise RequestRefused(439, "First Hop Lacks Outbound Support")
    for contact in flows:
        contact.reg_id = 0
    return False


def _keeps_flows(request: Request, path: Sequence[str]) -> bool:
    """True when the first hop is this registrar, or an edge proxy with `ob` in the Path."""
    if len(request.headers.split(b"via")) == 1:
        return True
    return bool(path) and "ob" in SipUri.parse(NameAddr.parse(path[0].encode()).uri).params

"""Secure: who may have a MESSAGE that was sent to sips: (RFC 5630 §5.2, §5.3, checklist T17).

Its row waits for a contact that registered as sips:, and by a next hop it passes by TLS only. Until there is one it is
neither sent nor refused, and expires as any other. Order (law 4) is kept among the rows that a contact may have:
one for sip: does not wait behind one for sips: that its contact cannot get. A sips: contact gets both, in order.
"""

from msilod.registrar.binding import Binding
from msilod.silo.compose.delivery_request import next_hop_of
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.sip.sips import is_by_tls, is_sips


def is_secure(message: StoredMessage, binding: Binding, policy: SiloPolicy) -> bool:
    """True when the whole way of this message to this contact is what sips: asks for.

    A Path is: a sips: contact is registered by sips: alone.
    """
    if not is_sips(binding.contact):
        return False
    hop = next_hop_of(message, binding, policy)
    return not hop or is_by_tls(hop)

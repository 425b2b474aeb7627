"""Sips only: decides which contacts may get a MESSAGE sent to sips: (RFC 5630 §5.2, §5.3, checklist T17).

The row waits for a contact registered as sips:, and goes by a next hop only over TLS. Without such a contact the row is
neither sent nor refused, and expires like any row. Law 4 orders the rows allowed for one contact: a row for sip: does
not wait behind a row for sips: not allowed for the contact. A sips: contact gets both kinds in order.
"""

from msilod.registrar.binding import Binding
from msilod.silo.compose.delivery_request import next_hop_of
from msilod.silo.policy import SiloPolicy
from msilod.silo.stored_message import StoredMessage
from msilod.sip.sips import is_by_tls, is_sips


def is_secure(message: StoredMessage, binding: Binding, policy: SiloPolicy) -> bool:
    """True when the whole way of the message to the contact is secure, as sips: requires.

    A Path needs no check: a sips: contact is registered only by sips:.
    """
    if not is_sips(binding.contact):
        return False
    hop = next_hop_of(message, binding, policy)
    return not hop or is_by_tls(hop)

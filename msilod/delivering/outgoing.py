"""Outgoing: makes the target and the request of a delivery, and tells how the row ends after a 2xx."""

from typing import Final

from msilod.proxy.target_set import ANYWHERE, Target
from msilod.registrar.binding import Binding
from msilod.silo.compose.delivery_request import build_delivery, next_hop_of
from msilod.silo.policy import B2BUA, SiloPolicy
from msilod.silo.stored_message import Ending, StoredMessage
from msilod.sip.message import Request

# Bytes of the start line and the header fields added to a delivery. Long contact URIs may need more.
HEAD_SIZE: Final = 500


def target_of(row: StoredMessage, binding: Binding, policy: SiloPolicy) -> Target:
    """The target of the delivery: the contact, or the next hop."""
    hop = next_hop_of(row, binding, policy)
    if hop:
        target = Target(binding.contact, path=(hop,))
        target.reach = ANYWHERE
        return target
    return Target(binding.contact, binding.flow, binding.path, binding.q, binding)


def size_of(row: StoredMessage) -> int:
    """The approximate size of the request in bytes."""
    return row.size + len(row.headers) + HEAD_SIZE


def request_for(
    row: StoredMessage, binding: Binding, policy: SiloPolicy, ahead: float
) -> tuple[Request, Ending]:
    """The request, and the ending of the row after a 2xx. `ahead`: system time minus silo time, in seconds.

    Raises MalformedMessage for a bad contact or next hop, Unsendable for a bad row.
    """
    hop = next_hop_of(row, binding, policy)
    how = Ending.HANDED if hop and policy.next_hop_kind == B2BUA else Ending.DELIVERED
    return build_delivery(row, binding.contact, binding.path, policy, ahead, next_hop=hop), how

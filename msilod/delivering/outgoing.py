"""What a delivery looks like on its way out: its target, its size, the request, and what a 2xx to it is worth."""

from typing import Final

from msilod.proxy.target_set import ANYWHERE, Target
from msilod.registrar.binding import Binding
from msilod.silo.compose.delivery_request import build_delivery, next_hop_of
from msilod.silo.policy import B2BUA, SiloPolicy
from msilod.silo.stored_message import Ending, StoredMessage
from msilod.sip.message import Request

# The start line and what a delivery has beside the kept headers and the body, at most; but for long contacts.
HEAD_SIZE: Final = 500


def target_of(row: StoredMessage, binding: Binding, policy: SiloPolicy) -> Target:
    """Where the bytes go: to the contact, or to the next hop."""
    hop = next_hop_of(row, binding, policy)
    if hop:
        target = Target(binding.contact, path=(hop,))
        target.reach = ANYWHERE
        return target
    return Target(binding.contact, binding.flow, binding.path, binding.q, binding)


def size_of(row: StoredMessage) -> int:
    """About how many bytes."""
    return row.size + len(row.headers) + HEAD_SIZE


def request_for(
    row: StoredMessage, binding: Binding, policy: SiloPolicy, ahead: float
) -> tuple[Request, Ending]:
    """The request, and how the row ends when it is answered with a 2xx. Raises MalformedMessage.

    System time is `ahead` of silo time by so many seconds.
    """
    hop = next_hop_of(row, binding, policy)
    how = Ending.HANDED if hop and policy.next_hop_kind == B2BUA else Ending.DELIVERED
    return build_delivery(row, binding.contact, binding.path, policy, ahead, next_hop=hop), how

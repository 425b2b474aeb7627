"""Named requests: finds the request to which an ACK or a CANCEL belongs (RFC 3261 sections 9.2 and 17.2.3)."""

from collections.abc import Mapping
from typing import Final

from msilod.sip.message import Request
from msilod.transaction.completed import Remembered
from msilod.transaction.key import is_of_dialog, server_key, shared_key
from msilod.transaction.server_transaction import InviteServerTransaction, ServerTransaction

# The IANA registry's other methods for which a CANCEL may come (§9.1: a client SHOULD NOT send one).
_CANCELLABLE: Final = b"MESSAGE REGISTER SUBSCRIBE NOTIFY PUBLISH OPTIONS INFO REFER UPDATE BYE PRACK".split()


def find_invite(
    live: Mapping[bytes, ServerTransaction],
    by_shared_key: Mapping[bytes, InviteServerTransaction],
    key: bytes,
    request: Request,
    is_answered: bool,
) -> ServerTransaction | None:
    """Return the INVITE with `key` to which an ACK (`is_answered`) or a CANCEL belongs.

    Call-ID, CSeq number and From tag must be equal to those of the INVITE (RFC 3261 sections 9.1, 17.1.1.3). The branch
    alone is not enough, since some clients never change their branch.
    """
    first = live.get(key)
    if first is not None and not is_of_dialog(request, first.request):
        first = None
    newer = by_shared_key.get(shared_key(key, request)) if by_shared_key else None
    if newer is None or (first is not None and newer.is_answered is not is_answered):
        return first
    return newer


def cancels_other_method(
    live: Mapping[bytes, ServerTransaction], memory: Remembered, request: Request
) -> bool:
    """True when a CANCEL belongs to a request other than INVITE. Of an answered request only the key is compared."""
    for method in _CANCELLABLE:
        key = server_key(request, method)
        found = live.get(key)
        if memory.get(key) is not None if found is None else is_of_dialog(request, found.request):
            return True
    return False

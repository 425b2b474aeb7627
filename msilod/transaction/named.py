"""The request that an ACK or a CANCEL names, among those that are known (RFC 3261 sections 9.2 and 17.2.3)."""

from collections.abc import Mapping
from typing import Final

from msilod.sip.message import Request
from msilod.transaction.completed import Remembered
from msilod.transaction.key import is_of_dialog, server_key, thread_key
from msilod.transaction.server_transaction import InviteServerTransaction, ServerTransaction

# The methods of IANA's registry that a CANCEL may name beside INVITE (§9.1: it SHOULD NOT).
_CANCELLABLE: Final = b"MESSAGE REGISTER SUBSCRIBE NOTIFY PUBLISH OPTIONS INFO REFER UPDATE BYE PRACK".split()


def find_invite(
    live: Mapping[bytes, ServerTransaction],
    threads: Mapping[bytes, InviteServerTransaction],
    key: bytes,
    request: Request,
    is_answered: bool,
) -> ServerTransaction | None:
    """The INVITE with this key that an ACK (`is_answered`) or a CANCEL means.

    Call-ID, CSeq number and From tag have to be those of the INVITE (RFC 3261 sections 9.1, 17.1.1.3). A branch
    alone proves nothing: clients exist that never change their branch.
    """
    first = live.get(key)
    if first is not None and not is_of_dialog(request, first.request):
        first = None
    newer = threads.get(thread_key(key, request)) if threads else None
    if newer is None or (first is not None and newer.is_answered is not is_answered):
        return first
    return newer


def names_other(live: Mapping[bytes, ServerTransaction], memory: Remembered, request: Request) -> bool:
    """True when a CANCEL names a request other than INVITE. Of an answered one only the key is known."""
    for method in _CANCELLABLE:
        key = server_key(request, method)
        found = live.get(key)
        if memory.get(key) is not None if found is None else is_of_dialog(request, found.request):
            return True
    return False

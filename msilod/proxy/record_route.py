"""Record-Route: our URI in requests that make a dialog, and how its later requests prove themselves.

Rules: one value, or two when the request leaves on another listener than it came on (RFC 5658 §3.1), the one
that faces the next hop first. Each carries a token that only we can make for its Call-ID: a request that comes
back with it belongs to a dialog which we let through, and may go where its Request-URI says although nobody is
registered there. So a caller from outside can be hung up on, and nobody gets a relay (checklist P17).
"""

from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from msilod.sip.flow import TCP, TLS, UDP, WS, WSS, Flow
from msilod.sip.uri import SipUri

# RFC 3261 §20.30: a Record-Route means something in requests that make or refresh a dialog.
DIALOG_FORMING: Final = frozenset((b"INVITE", b"SUBSCRIBE", b"REFER"))
TOKEN: Final = "dlg"
# RFC 7118 §5.2: a URI says ws for both; which of them is told by the port.
_TRANSPORT: Final = {
    UDP: b"",
    TCP: b";transport=tcp",
    TLS: b";transport=tls",
    WS: b";transport=ws",
    WSS: b";transport=ws",
}


class RecordRoute:
    """`secret`: 16 to 64 bytes that outlive a restart, since dialogs do."""

    def __init__(self, secret: bytes) -> None:
        self._hash = blake2b(digest_size=12, key=secret, person=b"record-route")

    def values(self, method: bytes, call_id: bytes, came: Flow, leaves: Flow) -> tuple[bytes, ...]:
        """The URIs to record in a request that came on one flow and leaves on another; none for most methods."""
        if method not in DIALOG_FORMING:
            return ()
        token = self._token(call_id)
        outer = _uri(leaves, token)
        return (outer,) if came.endpoint is leaves.endpoint else (outer, _uri(came, token))

    def is_in_dialog(self, own_routes: Sequence[SipUri], call_id: bytes) -> bool:
        """True when one of the Routes of ours that the request came with has the token of its Call-ID."""
        tokens = [uri.params.get(TOKEN) or "" for uri in own_routes]
        if not any(tokens):
            return False
        expected = self._token(call_id)
        return any(compare_digest(token.encode("ascii", "replace"), expected) for token in tokens)

    def _token(self, call_id: bytes) -> bytes:
        made = self._hash.copy()
        made.update(call_id)
        return made.hexdigest().encode()


def _uri(flow: Flow, token: bytes) -> bytes:
    """Our URI on the side of `flow` (RFC 3261 §16.6 step 4)."""
    sent_by = flow.endpoint.via.rpartition(b" ")[2]
    return b"sip:%b%b;lr;%b=%b" % (sent_by, _TRANSPORT[flow.endpoint.transport], TOKEN.encode(), token)

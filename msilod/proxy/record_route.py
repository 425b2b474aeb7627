"""Record-Route: our URI in requests that make a dialog, and how its later requests prove themselves.

Rules: one value, or two when the request leaves on another listener than it came on (RFC 5658 §3.1), the one
that faces the next hop first. Each carries a token that only we can make for its Call-ID: a request that comes
back with it belongs to a dialog which we let through, and may go where its Request-URI says although nobody is
registered there. So a caller from outside can be hung up on, and nobody gets a relay (checklist P17).

A caller who hears nothing at his Contact, since a NAT or a browser is there, is reached by the flow that his
request came by: the URI names it, and the token covers it (RFC 5626 §5.3, checklist P14).
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
FLOW: Final = "flow"
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

    def values(
        self, method: bytes, call_id: bytes, came: Flow, leaves: Flow, sent_by: bytes
    ) -> tuple[bytes, ...]:
        """The URIs to record in a request that came on one flow and leaves on another; none for most methods.

        `sent_by` is the host of its top Via: another than its source is behind a NAT.
        """
        if method not in DIALOG_FORMING:
            return ()
        is_hidden = came.is_reliable or sent_by != came.host.encode("ascii")
        way = repr(came).encode().hex() if is_hidden else ""
        mark = b";%b=%b" % (TOKEN.encode(), self._token(call_id, way))
        if way:
            mark += b";%b=%b" % (FLOW.encode(), way.encode())
        outer = _uri(leaves, mark)
        return (outer,) if came.endpoint is leaves.endpoint else (outer, _uri(came, mark))

    def is_in_dialog(self, own_routes: Sequence[SipUri], call_id: bytes) -> bool:
        """True when one of the Routes of ours that the request came with has the token of its Call-ID."""
        return any(self._is_ours(uri, call_id) for uri in own_routes)

    def flow_of(self, own_routes: Sequence[SipUri], call_id: bytes) -> str:
        """The flow of a hidden caller as `repr` told it, "" when there is none in these Routes of ours."""
        for uri in own_routes:
            way = uri.params.get(FLOW)
            if way and self._is_ours(uri, call_id):
                return bytes.fromhex(way).decode()
        return ""

    def _is_ours(self, uri: SipUri, call_id: bytes) -> bool:
        token = uri.params.get(TOKEN)
        if not token:
            return False
        expected = self._token(call_id, uri.params.get(FLOW) or "")
        return compare_digest(token.encode("ascii", "replace"), expected)

    def _token(self, call_id: bytes, way: str) -> bytes:
        made = self._hash.copy()
        made.update(call_id + b"\n" + way.encode("ascii", "replace"))
        return made.hexdigest().encode()


def _uri(flow: Flow, mark: bytes) -> bytes:
    """Our URI on the side of `flow` (RFC 3261 §16.6 step 4)."""
    sent_by = flow.endpoint.via.rpartition(b" ")[2]
    return b"sip:%b%b;lr%b" % (sent_by, _TRANSPORT[flow.endpoint.transport], mark)

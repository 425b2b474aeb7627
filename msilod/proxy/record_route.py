"""Record-Route: our URI in requests which form a dialog, with a token for the dialog (RFC 3261 §16.6 step 4).

There is one value, or two when the request leaves by another listener than it came by (RFC 5658 §3.1). The first of two
faces the next hop. Both carry the same token (dialog_token.py). The token is made for each branch, since the token
names the callee of the branch.
"""

from collections.abc import Sequence
from typing import Final

from msilod.proxy.dialog_token import DialogNames, DialogToken, DialogTokens
from msilod.sip.flow import TCP, TLS, UDP, WS, WSS, Flow
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

# RFC 3261 §20.30: a Record-Route has a meaning only in requests which form or refresh a dialog.
DIALOG_FORMING: Final = frozenset((b"INVITE", b"SUBSCRIBE", b"REFER"))
# Requests of these methods are never inside a dialog (RFC 3261 §10.2, RFC 3903 §4).
OUTSIDE_DIALOGS: Final = frozenset((b"REGISTER", b"PUBLISH"))
TOKEN: Final = "dlg"
# Tokens read in one request: two for each pass through this server.
MAX_TOKENS: Final = 8
# RFC 7118 §5.2: a URI has transport=ws for both; the port decides between ws and wss.
_TRANSPORT: Final = {
    UDP: b"",
    TCP: b";transport=tcp",
    TLS: b";transport=tls",
    WS: b";transport=ws",
    WSS: b";transport=ws",
}


class RecordRoute:
    """Makes and reads our Record-Route values.

    `secret` has 16 to 64 bytes and is kept over restarts, since dialogs outlive a restart.
    """

    def __init__(self, secret: bytes) -> None:
        self._tokens = DialogTokens(secret)

    def values(
        self,
        request: Request,
        token: DialogToken,
        came: Flow,
        leaves: Flow,
        from_aor: str = "",
        to_aor: str = "",
    ) -> tuple[bytes, ...]:
        """Return the URIs to record in a `request` which forms a dialog; `came` and `leaves` are the flows in and out.

        `from_aor` and `to_aor` are the AORs on this server in From and To, "" for foreign addresses. Raises
        MalformedMessage for an unreadable From or To.
        """
        text = self._tokens.seal(_names(request, True, from_aor, to_aor), token)
        parameter = b";%b=%b" % (TOKEN.encode(), text.encode())
        outer = _uri(leaves, parameter)
        return (outer,) if came.endpoint is leaves.endpoint else (outer, _uri(came, parameter))

    def read(
        self, request: Request, own_routes: Sequence[SipUri], from_aor: str = "", to_aor: str = ""
    ) -> tuple[list[DialogToken], bool]:
        """Return the tokens in `own_routes` for the dialog of `request`, in order; and True when the caller sent the
        request.

        The list is empty for a request outside of dialogs: without a To tag, a REGISTER, a PUBLISH. Raises
        MalformedMessage for an unreadable From or To.
        """
        if not request.to.tag or request.method in OUTSIDE_DIALOGS:
            return [], True
        texts = dict.fromkeys([uri.params.get(TOKEN) or "" for uri in own_routes[:MAX_TOKENS]])
        for from_caller in (True, False):
            names = _names(request, from_caller, from_aor, to_aor)
            found = [
                token for text in texts if text and (token := self._tokens.open(names, text)) is not None
            ]
            if found:
                return found, from_caller
        return [], True


def _names(request: Request, from_caller: bool, from_aor: str, to_aor: str) -> DialogNames:
    from_, to = request.from_, request.to
    if from_caller:
        return DialogNames(request.call_id, from_.tag, from_.uri, to.uri, from_aor, to_aor)
    return DialogNames(request.call_id, to.tag, to.uri, from_.uri, to_aor, from_aor)


def _uri(flow: Flow, parameter: bytes) -> bytes:
    """Return our URI for the side of `flow` (RFC 3261 §16.6 step 4)."""
    sent_by = flow.endpoint.via.rpartition(b" ")[2]
    return b"sip:%b%b;lr%b" % (sent_by, _TRANSPORT[flow.endpoint.transport], parameter)

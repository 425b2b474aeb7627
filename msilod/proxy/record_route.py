"""Record-Route: our URI in requests that make a dialog, with a token that names the dialog (RFC 3261 §16.6 step 4).

There is one value, or two when the request leaves on another listener than it came on (RFC 5658 §3.1), the one that
faces the next hop first. Both carry the same token (dialog_token.py). The token is made for each branch, since it
names the callee that the branch goes to.
"""

from collections.abc import Sequence
from typing import Final

from msilod.proxy.dialog_token import DialogNames, DialogToken, DialogTokens
from msilod.sip.flow import TCP, TLS, UDP, WS, WSS, Flow
from msilod.sip.message import Request
from msilod.sip.uri import SipUri

# RFC 3261 §20.30: a Record-Route means something in requests that make or refresh a dialog.
DIALOG_FORMING: Final = frozenset((b"INVITE", b"SUBSCRIBE", b"REFER"))
# No request of these methods belongs to a dialog: REGISTER and PUBLISH never do (RFC 3261 §10.2, RFC 3903 §4).
OUTSIDE_DIALOGS: Final = frozenset((b"REGISTER", b"PUBLISH"))
TOKEN: Final = "dlg"
# Tokens that are looked at in one request: two for each time that it passes here.
MAX_TOKENS: Final = 8
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
        """The URIs to record in `request`, which makes a dialog, came on one flow and leaves on another.

        `from_aor` and `to_aor` are the AORs of ours that From and To name, "" for none.

        Raises MalformedMessage for a From or a To that cannot be read.
        """
        text = self._tokens.seal(_names(request, True, from_aor, to_aor), token)
        parameter = b";%b=%b" % (TOKEN.encode(), text.encode())
        outer = _uri(leaves, parameter)
        return (outer,) if came.endpoint is leaves.endpoint else (outer, _uri(came, parameter))

    def read(
        self, request: Request, own_routes: Sequence[SipUri], from_aor: str = "", to_aor: str = ""
    ) -> tuple[list[DialogToken], bool]:
        """The tokens in `own_routes` for the dialog of `request`, in their order; whether the caller sent it.

        Empty for a request outside of dialogs: one without a To tag, a REGISTER, a PUBLISH. Raises MalformedMessage for
        a From or a To that cannot be read.
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
    """Our URI on the side of `flow` (RFC 3261 §16.6 step 4)."""
    sent_by = flow.endpoint.via.rpartition(b" ")[2]
    return b"sip:%b%b;lr%b" % (sent_by, _TRANSPORT[flow.endpoint.transport], parameter)

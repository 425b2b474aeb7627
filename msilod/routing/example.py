"""example(): a request for the examples in a policy's docstrings, from text as a person types it."""

from collections.abc import Iterable, Mapping
from typing import Final

from msilod.routing.request import RoutingRequest
from msilod.sip.flow import UDP, Endpoint, Flow
from msilod.sip.headers import Headers
from msilod.sip.message import Request
from msilod.sip.uri import SipUri, parse_aor

_CALL_ID: Final = b"example@example.test"


class Example(RoutingRequest):
    """A request for examples. `registered` are the AORs with a contact."""

    __slots__ = ("registered",)

    registered: frozenset[str]

    def lookup(self, uri: str) -> bool:
        """True when the AOR of `uri` is among `registered`."""
        return SipUri.parse(uri).aor() in self.registered


def example(
    method: str,
    uri: str,
    *,
    sender: str = "sip:alice@example.test",
    to: str = "",
    headers: Mapping[str, str] | None = None,
    content_type: str = "text/plain",
    body: bytes = b"Hello",
    source: str = "192.0.2.7",
    transport: str = UDP,
    domains: Iterable[str] = ("example.test",),
    registered: Iterable[str] = (),
    has_due_rows: bool = False,
    mode: int = 0,
    user: str | None = None,
    is_known: bool = True,
) -> RoutingRequest:
    """Return a request from `sender` for `uri`. Without `to`, To is the Request-URI.

    `domains` are the domains of the server, `registered` the registered users (`bob@example.test`). With `is_known`
    false, the name in `uri` belongs to no user. Raises ValueError and MalformedMessage for invalid addresses.

    >>> request = example("MESSAGE", "sip:bob@example.test", registered=["bob@example.test"])
    >>> request.is_myself, request.is_registered, request.sender
    (True, True, 'alice@example.test')
    """
    message = _message(method, uri, sender, to or uri, content_type, headers or {}, body)
    parsed = SipUri.parse(uri)
    here = frozenset(parse_aor(aor) for aor in registered)
    flow = Flow(Endpoint(transport, "192.0.2.1", 5060, b""), source, 5060, 0 if transport == UDP else 1)
    is_here = parsed.user is not None and parsed.aor() in here
    is_ours = parsed.host in domains
    made = Example(message.method, parsed, is_ours, is_here, has_due_rows, mode, message, flow, is_known)
    made.registered = here
    made.user = user
    return made


def _message(
    method: str, uri: str, sender: str, to: str, content_type: str, headers: Mapping[str, str], body: bytes
) -> Request:
    fields = Headers()
    fields.add(b"From", b"<%b>;tag=example" % sender.encode())
    fields.add(b"To", b"<%b>" % to.encode())
    fields.add(b"Call-ID", _CALL_ID)
    fields.add(b"CSeq", b"1 " + method.encode())
    if body:
        fields.add(b"Content-Type", content_type.encode())
    for name, value in headers.items():
        fields.add(name.encode(), value.encode())
    return Request(method.encode(), uri.encode(), fields, body, cseq=1, call_id=_CALL_ID)
